"""Where a call's trace goes on in a worker: the time in the queue, and what is done with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from shared.envelopes import Envelope
from shared.messages import Role
from shared.tracing import NOTHING, Kind, Span, Tracer, within

_NS: Final = 1_000_000_000


@contextmanager
def processing(
    tracer: Tracer | None, envelope: Envelope, role: Role, verb: str, *, now: float
) -> Iterator[Span]:
    """Makes the block the span of a call that came by the queue of `role`, at `now` of the epoch.

    Goes on with the gateway's trace; begins one where the gateway has none.
    """
    if tracer is None:
        yield NOTHING
        return
    sent_at = min(envelope.sent_at, now)  # hosts' clocks differ
    wait = tracer.begin(
        "queue wait",
        Kind.INTERNAL,
        parent=envelope.traceparent,
        since_ns=int(sent_at * _NS),
        role=role.value,
        call=envelope.id,
    )
    wait.end()
    begun = tracer.begin(
        f"process {verb}",
        Kind.CONSUMER,
        parent=envelope.traceparent or wait.traceparent,
        verb=verb,
        role=role.value,
        call=envelope.id,
        request=envelope.request,
    )
    with within(begun):
        yield begun
