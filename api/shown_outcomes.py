"""What the pages say of a plan's state and of what became of it: labels, tones, results."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from api.reviewed import Reviewed
from shared.outcomes import ObjectOutcome, Outcome, Rollout, Verdict, Written
from shared.plans import Action, State

Tone = Literal["wait", "good", "bad", "off"]

_STATES: Final[dict[State, tuple[str, Tone]]] = {
    State.PENDING: ("Waiting for a decision", "wait"),
    State.APPROVED: ("Approved, not applied yet", "good"),
    State.APPLYING: ("Being applied", "wait"),
    State.APPLIED: ("Applied", "good"),
    State.FAILED: ("Failed", "bad"),
    State.OUTCOME_UNKNOWN: ("Outcome unknown", "bad"),
    State.DENIED: ("Denied", "bad"),
    State.CANCELLED: ("Cancelled by the requester", "off"),
    State.EXPIRED: ("Expired", "off"),
    State.REVOKED: ("Approval taken back", "bad"),
    State.STALE: ("Stale: the cluster changed", "off"),
    State.SUPERSEDED: ("Replaced by a newer plan", "off"),
}
_EXPLAINED: Final[dict[State, str]] = {
    State.PENDING: "Nothing happens to the cluster unless you approve.",
    State.APPROVED: "The agent may apply exactly this plan, once. You can still take it back.",
    State.APPLYING: "The worker is writing to the cluster.",
    State.APPLIED: "The cluster has taken the change; how it went stands below.",
    State.FAILED: "The worker stopped; what was and was not written stands below.",
    State.OUTCOME_UNKNOWN: "The worker was interrupted. It never writes twice; check the objects.",
    State.DENIED: "Nothing was changed, and this plan can never be applied.",
    State.CANCELLED: "Nothing was changed, and this plan can never be applied.",
    State.EXPIRED: "Nobody acted in time. Nothing was changed.",
    State.REVOKED: "The approval was taken back before anything was changed.",
    State.STALE: "The objects changed after the plan was made, so it was not applied.",
    State.SUPERSEDED: "The agent asked for another plan in its place.",
}
_OF_ROLLBACKS: Final[dict[State, str]] = {
    State.APPROVED: "The worker applies exactly this plan, once, when it is asked to.",
}
_ROLLOUTS: Final[dict[Verdict, tuple[str, Tone]]] = {
    Verdict.FAILED: ("Applied, but the rollout failed", "bad"),
    Verdict.PROGRESSING: ("Applied, rollout not finished", "wait"),
}
_DONE: Final[dict[Action, str]] = {
    Action.CREATE: "created",
    Action.UPDATE: "changed",
    Action.DELETE: "deleted",
    Action.NO_OP: "unchanged",
}
_WRITTEN: Final[dict[Written, tuple[str, Tone]]] = {
    Written.WRITTEN: ("written", "good"),
    Written.UNCHANGED: ("unchanged", "off"),
    Written.NOT_TRIED: ("not tried", "off"),
    Written.REFUSED: ("refused", "bad"),
    Written.UNKNOWN: ("unknown", "bad"),
}
_VERDICTS: Final[dict[Verdict, Tone]] = {
    Verdict.COMPLETE: "good",
    Verdict.PROGRESSING: "wait",
    Verdict.FAILED: "bad",
    Verdict.NONE: "off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one object or rollout."""

    what: str
    label: str
    tone: Tone
    message: str
    rollout: Rollout | None = None


def state_in_words(reviewed: Reviewed) -> tuple[str, Tone]:
    """Returns the state of a plan for people."""
    outcome = reviewed.outcome
    return in_words(reviewed.state, {one.verdict for one in outcome.rollouts} if outcome else ())


def in_words(state: State, verdicts: Collection[Verdict] = ()) -> tuple[str, Tone]:
    """Returns a state for people; a rollout that failed is no success, whatever was written."""
    if state is State.APPLIED:
        for verdict, told in _ROLLOUTS.items():
            if verdict in verdicts:
                return told
    return _STATES[state]


def explained(state: State, *, by_agent: bool = True) -> str:
    """Returns what a state means, in a sentence; a rollback has no agent."""
    return _EXPLAINED[state] if by_agent else _OF_ROLLBACKS.get(state, _EXPLAINED[state])


def results(outcome: Outcome | None) -> tuple[Result, ...]:
    """Returns what became of each object and each rollout."""
    if outcome is None:
        return ()
    objects = (_written(one) for one in outcome.objects)
    rollouts = (
        Result(
            what=f"Rollout of {one.deployment}",
            label=one.verdict.value,
            tone=_VERDICTS[one.verdict],
            message=one.message,
            rollout=one,
        )
        for one in outcome.rollouts
        if one.verdict is not Verdict.NONE
    )
    return (*objects, *rollouts)


def _written(one: ObjectOutcome) -> Result:
    label, tone = _WRITTEN[one.result]
    if one.result is Written.WRITTEN:
        label = _DONE[one.action]
    return Result(what=f"{one.kind} {one.name}", label=label, tone=tone, message=one.message)
