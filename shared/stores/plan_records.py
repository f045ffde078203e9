"""What lies in Redis of a plan: one hash (`wk:plan:<id>`), and an index by age (`wk:plans`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.errors import Refusal
from shared.plans import Plan, SealedPlan, State, read_head, read_plan

INDEX: Final = "wk:plans"
PREFIX: Final = "wk:plan:"
MAX_LISTED: Final = 500
MAX_ID_LENGTH: Final = 64
"""Twice the length of our ids."""
MOVED: Final = "wk:moved"
"""The channel on which workers say which plan changed."""

_TEXTS: Final = (
    "receipt",
    "co_receipts",
    "outcome",
    "check",
    "decided_by",
    "decided_reason",
    "undone_by",
)
LISTED: Final = ("digest", "seal", "state", "version", "decided_at", *_TEXTS)
"""The fields of a `ListedPlan`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """What Redis claims about a plan, beside the sealed document."""

    id: str
    state: State
    version: int
    receipt: str | None = None
    """A signed receipt, JSON; believed only after its signature was checked."""
    co_receipts: str | None = None
    """The earlier receipts of a plan that needs several approvals, JSON list."""
    outcome: str | None = None
    """What applying did, JSON of `shared.outcomes.Outcome`."""
    check: str | None = None
    """Whether the cluster still is as planned on, JSON of `shared.outcomes.Check`."""
    decided_by: str | None = None
    """JSON of an `Identity`: who denied, cancelled or revoked."""
    decided_reason: str | None = None
    decided_at: int | None = None
    undone_by: str | None = None
    """Id of the plan that was last asked for to undo this one; that plan itself says whether."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPlan(PlanRecord):
    """A plan in a list, without its document: good for recognising one that was checked before."""

    digest: str
    seal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan(PlanRecord):
    """A plan as it lies in Redis. Only `sealed` can be checked; the rest is what Redis claims."""

    sealed: SealedPlan

    def plan(self) -> Plan | Refusal:
        """Returns the plan in the sealed bytes; the seal is the caller's to check."""
        return read_plan(self.sealed.document)

    def head(self) -> Plan | Refusal:
        """Returns as much of the plan as lists show, as `plan` does."""
        return read_head(self.sealed.document)


def plan_key(plan_id: str) -> str:
    """Returns the key of a plan's hash."""
    return PREFIX + plan_id


def read_stored(plan_id: str, raw: Mapping[bytes, bytes]) -> StoredPlan | None:
    """Returns the plan in a whole hash; None if there is none, or its fields make no sense."""
    try:
        sealed = SealedPlan(document=raw[b"document"], seal=raw[b"seal"].decode("ascii"))
        return StoredPlan(sealed=sealed, **_record(plan_id, raw))
    except (KeyError, ValueError):
        return None


def read_listed(plan_id: str, row: Sequence[bytes | None]) -> ListedPlan | None:
    """Returns the plan in the values of `LISTED`, as `read_stored` does."""
    fields = zip(LISTED, row, strict=True)
    raw = {name.encode(): value for name, value in fields if value is not None}
    try:
        digest, seal = raw[b"digest"].decode("ascii"), raw[b"seal"].decode("ascii")
        return ListedPlan(digest=digest, seal=seal, **_record(plan_id, raw))
    except (KeyError, ValueError):
        return None


def _record(plan_id: str, raw: Mapping[bytes, bytes]) -> dict[str, Any]:
    """The fields of a `PlanRecord`."""
    decided_at = raw.get(b"decided_at")
    return {
        "id": plan_id,
        "state": State(raw[b"state"].decode()),
        "version": int(raw[b"version"]),
        "decided_at": int(decided_at) if decided_at else None,
        **{name: _text(raw, name.encode()) for name in _TEXTS},
    }


def _text(raw: Mapping[bytes, bytes], field: bytes) -> str | None:
    value = raw.get(field)
    return None if value is None else value.decode()
