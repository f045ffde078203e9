"""The groups of figures, one module for each, in the order of the table.

A new one is a module with `measure(bench) -> Found`, and a line here.
"""

from typing import Final

from bench.bench import Group
from bench.groups import (
    crowd,
    edge,
    idle,
    overload,
    pages,
    peers,
    planning,
    queue,
    reading,
    scaling,
    starting,
)

GROUPS: Final = (
    Group(name="reading", about="read calls beside direct ones", measure=reading.measure),
    Group(name="peers", about="read calls beside other MCP servers", measure=peers.measure),
    Group(name="planning", about="plans beside their own API calls", measure=planning.measure),
    Group(name="crowd", about="a namespace with 5,000 Pods", measure=crowd.measure),
    Group(name="edge", about="the protocol layer beside bare ASGI", measure=edge.measure),
    Group(name="queue", about="the queue hop beside stock Celery", measure=queue.measure),
    Group(name="overload", about="ten times too many calls", measure=overload.measure),
    Group(name="scaling", about="more workers, more gateways", measure=scaling.measure),
    Group(name="idle", about="10,000 sessions that nobody uses", measure=idle.measure),
    Group(name="pages", about="approval pages where much waits", measure=pages.measure),
    Group(name="starting", about="start and memory at rest", measure=starting.measure),
)
