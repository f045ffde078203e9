"""What applying a plan did, object by object, and how its rollout went; no storage."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from shared.plans import Action, Note


class Written(StrEnum):
    """What happened to one object."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    NOT_TRIED = "not_tried"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """How the rollout of a Deployment went."""

    COMPLETE = "complete"
    PROGRESSING = "progressing"
    FAILED = "failed"
    NONE = "none"
    """Nothing rolls out: no Deployment was changed."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ObjectOutcome(_Frozen):
    """One object of an applied plan."""

    kind: str
    name: str
    action: Action
    result: Written
    message: str = ""


class Rollout(_Frozen):
    """How a Deployment came out after the write."""

    deployment: str
    verdict: Verdict
    desired: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    message: str = ""


class Check(_Frozen):
    """Whether the objects of a waiting plan still are what it was made on, as somebody looked."""

    checked_at: int
    """Epoch seconds."""
    changed: tuple[str, ...] = ()
    """What is not as it was, object by object; none is good."""


class Outcome(_Frozen):
    """The recorded result of an apply; times are epoch seconds."""

    objects: tuple[ObjectOutcome, ...]
    rollouts: tuple[Rollout, ...] = ()
    findings: tuple[Note, ...] = ()
    changed_since: tuple[str, ...] = ()
    """Paths that changed since the approval, for a stale plan."""
    message: str = ""
    code: str = ""
    """Why it failed or is stale; empty when it was applied."""
    applied_at: int | None = None
    finished_at: int | None = None
