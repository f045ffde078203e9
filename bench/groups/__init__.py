"""The groups of figures, one module for each, in the order of the table.

A new one is a module with `measure(bench) -> Found`, and a line here.
"""

from typing import Final

from bench.bench import Group
from bench.groups import edge, queue, reading, starting

GROUPS: Final = (
    Group(name="reading", about="read calls beside direct ones", measure=reading.measure),
    Group(name="edge", about="the protocol layer beside bare ASGI", measure=edge.measure),
    Group(name="queue", about="the queue hop beside stock Celery", measure=queue.measure),
    Group(name="starting", about="start and memory at rest", measure=starting.measure),
)
