"""What people are told about a plan on a channel of their own, in words; sends nothing.

A notice is independent of gateway and pages: whoever owns those cannot keep an approver from
reading here what was asked, approved and written. It is only told: nothing in a notice decides
anything, and the link leads to a page that demands a login.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, Self
from urllib.parse import quote

from shared import digests
from shared.errors import Refusal
from shared.manifests import JSON
from shared.outcomes import Outcome
from shared.plans import Identity, Plan, State
from shared.stores.plan_records import StoredPlan
from shared.untrusted import cleaned

MAX_TEXT: Final = 300
"""Characters of one value; a notice is read on a telephone."""


class Event(StrEnum):
    """What became of a plan."""

    WAITS = "waits"
    APPROVED = "approved"
    DENIED = "denied"
    REVOKED = "revoked"
    CANCELLED = "cancelled"
    APPLIED = "applied"
    FAILED = "failed"
    STALE = "stale"
    OUTCOME_UNKNOWN = "outcome_unknown"


_HEADLINES: Final = {
    Event.WAITS: "A change waits for approval",
    Event.APPROVED: "A change was approved",
    Event.DENIED: "A change was denied",
    Event.REVOKED: "An approval was taken back",
    Event.CANCELLED: "A request was taken back",
    Event.APPLIED: "A change was written",
    Event.FAILED: "A change failed",
    Event.STALE: "A change was not written: the cluster is no longer as it was approved for",
    Event.OUTCOME_UNKNOWN: "It is not known whether a change was written; a person must look",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell about one plan. `at` is epoch seconds; `by` is who decided, if anybody.

    `plan` is None when the stored bytes could not be read; then only id and digest are told.
    """

    event: Event
    plan_id: str
    digest: str
    at: int
    plan: Plan | None = None
    by: Identity | None = None
    code: str = ""
    detail: str = ""

    @classmethod
    def of(
        cls,
        event: Event,
        plan: Plan,
        digest: str,
        *,
        at: float,
        by: Identity | None = None,
        detail: str = "",
    ) -> Self:
        """Returns the notice about a plan in hand."""
        return cls(
            event=event,
            plan_id=plan.id,
            digest=digest,
            at=int(at),
            plan=plan,
            by=by,
            detail=detail,
        )

    @classmethod
    def of_end(cls, stored: StoredPlan, state: State, outcome: Outcome, *, at: float) -> Self:
        """Returns the notice about how an apply ended."""
        plan = stored.plan()
        return cls(
            event=Event(state.value),
            plan_id=stored.id,
            digest=stored.sealed.digest,
            at=int(at),
            plan=None if isinstance(plan, Refusal) else plan,
            code=outcome.code,
            detail=outcome.message,
        )

    @property
    def id(self) -> str:
        """The same for every telling of the same thing: one of several approvers has their own."""
        who = "" if self.by is None else f"{self.by.iss}\0{self.by.sub}"
        mark = hashlib.sha256(who.encode()).hexdigest()[:8]
        return f"{self.plan_id}.{self.event.value}" + (f".{mark}" if who else "")

    @property
    def can_wait(self) -> bool:
        """Says whether it gives way to others: requests cost an agent nothing.

        So they must never crowd out what was approved and written.
        """
        return self.event is Event.WAITS


class Notices(Protocol):
    """Where notices go. Neither method raises or blocks longer than it says."""

    def tell(self, notice: Notice) -> None:
        """Takes a notice and returns at once."""
        ...

    def stop(self) -> None:
        """Gives what is still to be sent two seconds."""
        ...


@dataclass(frozen=True, slots=True)
class NoNotices:
    """Nobody wants to be told."""

    def tell(self, notice: Notice) -> None:
        """Does nothing."""

    def stop(self) -> None:
        """Does nothing."""


SILENT: Final = NoNotices()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How notices are worded.

    `link_base` is the approval pages' address, from the worker's own settings, so that nobody else
    chooses where the link leads.
    """

    link_base: str
    cluster: str = ""

    def payload(self, notice: Notice, *, dropped: int = 0) -> dict[str, JSON]:
        """Returns the JSON to post: `text` for Slack and its like, `infragate` for programs.

        `dropped` counts earlier notices that were thrown away unsent.
        """
        link = f"{self.link_base.rstrip('/')}/approvals/{quote(notice.plan_id, safe='')}"
        return {
            "text": self._text(notice, link, dropped),
            "unfurl_links": False,  # nobody's unfurler needs to visit the page
            "unfurl_media": False,
            "infragate": self._facts(notice, link, dropped),
        }

    def _text(self, notice: Notice, link: str, dropped: int) -> str:
        lines = [f"*{_HEADLINES[notice.event]}*", *_about(notice.plan)]
        if notice.by is not None:
            lines.append(f"By {_person(notice.by)}")
        if notice.detail:
            lines.append(_code(notice.detail))
        lines.append(f"Words: {_code(digests.words(notice.digest))}")
        if dropped:
            lines.append(f"{dropped} earlier notices were lost.")
        return "\n".join([*lines, f"<{link}>"])

    def _facts(self, notice: Notice, link: str, dropped: int) -> dict[str, JSON]:
        plan = notice.plan
        about: dict[str, JSON] = {}
        if plan is not None:
            about = {
                "namespace": _line(plan.namespace),
                "operation": plan.operation.value,
                "risk": plan.risk.level,
                "summary": _line(plan.summary),
                "requester": _identity(plan.requester),
                "requester_assurance": plan.requester.assurance,
                "expires_at": plan.expires_at,
            }
        return {
            "version": 1,
            "id": notice.id,
            "event": notice.event.value,
            "at": notice.at,
            "cluster": self.cluster,
            "plan": notice.plan_id,
            "digest": notice.digest,
            "words": digests.words(notice.digest),
            **about,
            "by": None if notice.by is None else _identity(notice.by),
            "code": notice.code,
            "detail": _line(notice.detail),
            "link": link,
            "dropped": dropped,
        }


def _about(plan: Plan | None) -> list[str]:
    if plan is None:
        return ["The plan itself could not be read."]
    asserted = "" if plan.requester.assurance == "verified" else " (as the gateway says)"
    where = f"Namespace {_code(plan.namespace)}, cluster {_code(plan.cluster.name)}"
    return [
        _code(plan.summary),
        f"{where}, risk *{plan.risk.level}*",
        f"Asked for by {_person(plan.requester)}{asserted}",
    ]


def _person(identity: Identity) -> str:
    return f"{_code(identity.sub)} of {_code(identity.iss)}"


def _identity(identity: Identity) -> dict[str, JSON]:
    return {"iss": _line(identity.iss), "sub": _line(identity.sub)}


def _code(text: str) -> str:
    """Foreign text for Slack: as code, where no link, mention or emphasis comes alive.

    Source: Slack, "Formatting text for app surfaces": only & < > are escaped.
    """
    inert = _line(text).replace("`", "'")
    escaped = inert.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"`{escaped}`" if escaped else "(empty)"


def _line(text: str) -> str:
    """One line of at most `MAX_TEXT` characters: nobody writes a second one in our name."""
    line = " ".join(cleaned(text[: 8 * MAX_TEXT]).text.split())
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"
