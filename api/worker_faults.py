"""What a worker said that went wrong there, as an exception of the same kind here."""

from typing import Final

from shared.errors import Fault
from shared.messages import Failed


class WorkerFailed(Fault):
    """A worker failed in a way that has no name here; its log has more."""


def fault_of(reply: Failed) -> Fault:
    """The worker's fault as an exception of the same kind, so that it is answered the same way."""
    kind = _FAULTS.get(reply.code, WorkerFailed)
    return kind(reply.message)


def _kinds(kind: type[Fault]) -> list[type[Fault]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _kinds(child))]


_FAULTS: Final = {kind.code: kind for kind in reversed(_kinds(Fault)) if kind is not Fault}
