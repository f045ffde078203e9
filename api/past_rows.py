"""Decided plans and stories as their pages show them: words, moments, durations; no HTML here."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from api.moments import Moment, moment
from api.past import Past, Story
from api.seeking import OPERATIONS, RISKS, Sought, namespaces
from api.shown_outcomes import Tone, in_words
from shared.closings import Closing
from shared.outcomes import Verdict
from shared.plans import State
from shared.stories import EVENTS, facts

_KEPT: Final = tuple(
    state
    for state in State
    if state not in {State.PENDING, State.APPLYING, State.EXPIRED, State.SUPERSEDED}
)
_BAD: Final = ("refused", "failed", "unknown", "denied", "revoked", "stale")
_GOOD: Final = ("accepted", "succeeded")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRow:
    """One decided plan."""

    closing: Closing
    label: str
    tone: Tone
    asked: Moment
    decided: Moment
    ended: Moment
    until_decided: str
    until_ended: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One page of decided plans."""

    sought: Sought
    rows: tuple[PastRow, ...]
    forged: int
    believed: bool
    older: str
    """The query of the next page; empty when there is none."""
    first: bool
    namespaces: tuple[str, ...]
    operations: tuple[str, ...] = OPERATIONS
    risks: tuple[str, ...] = RISKS
    states: tuple[tuple[str, str], ...] = tuple((one.value, in_words(one)[0]) for one in _KEPT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One record of a story."""

    event: str
    who: str
    issuer: str
    words: str
    facts: tuple[str, ...]
    at: Moment | None
    number: int
    tone: Tone


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One plan's story."""

    steps: tuple[Step, ...]
    forged: int


def history(past: Past, sought: Sought, *, before: float | None, now: int) -> History:
    """Returns one page of decided plans."""
    return History(
        sought=sought,
        rows=tuple(_row(one, now=now) for one in past.closings),
        forged=past.forged,
        believed=past.believed,
        older="" if past.older is None else sought.query(before=repr(past.older)),
        first=before is None,
        namespaces=namespaces((one.namespace for one in past.closings), sought.namespace),
    )


def timeline(story: Story, *, now: int) -> Timeline:
    """Returns a story step by step."""
    steps = tuple(_step(one.record, now=now) for one in story.records)
    return Timeline(steps=steps, forged=story.forged)


def moment_in(text: str) -> float | None:
    """Returns where a page begins, in epoch seconds; None: at the newest."""
    try:
        at = float(text[:40])
    except ValueError:
        return None
    return at if math.isfinite(at) else None


def lasted(seconds: int) -> str:
    """Returns a duration in words, with its two largest units."""
    parts = []
    rest = max(0, seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _row(closing: Closing, *, now: int) -> PastRow:
    label, tone = _ended(closing, now=now)
    return PastRow(
        closing=closing,
        label=label,
        tone=tone,
        asked=moment(closing.created_at, now=now),
        decided=moment(closing.decided_at, now=now),
        ended=moment(closing.ended_at, now=now),
        until_decided=lasted(closing.decided_at - closing.created_at),
        until_ended=lasted(closing.ended_at - closing.decided_at),
    )


def _ended(closing: Closing, *, now: int) -> tuple[str, Tone]:
    if closing.state is State.APPROVED and now >= closing.expires_at:
        return "Approved, not applied in time", "off"
    if closing.state is State.APPLIED and closing.rollout:
        return in_words(closing.state, {Verdict(closing.rollout)})
    return in_words(closing.state)


def _step(record: dict[str, str | int | bool], *, now: int) -> Step:
    event = str(record.get("event", ""))
    return Step(
        event=event,
        who=str(record.get("sub", "")),
        issuer=str(record.get("iss", "")),
        words=EVENTS.get(event, ""),
        facts=facts(record),
        at=_at(str(record.get("time", "")), now=now),
        number=int(record.get("seq", 0)),
        tone=_tone(event),
    )


def _at(text: str, *, now: int) -> Moment | None:
    try:
        return moment(int(datetime.fromisoformat(text).timestamp()), now=now)
    except (ValueError, OverflowError):
        return None


def _tone(event: str) -> Tone:
    if event.endswith(_BAD):
        return "bad"
    return "good" if event.endswith(_GOOD) else "off"
