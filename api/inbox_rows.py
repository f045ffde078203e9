"""The inbox as its page shows it: whose turn it is, what waits, what has ended; no HTML here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from api.reviewed import Reviewed, Unshown
from api.seeking import OPERATIONS, PER_PAGE, RISKS, Facts, Sought, namespaces
from api.showing import Row, row
from shared.plans import Identity, State

ENDED_SHOWN: Final = 10
WHOSE: Final = {"mine": "Mine to decide", "others": "Others decide"}

Whose = Literal["mine", "others"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbox:
    """One page of what waits, and the newest of what ended."""

    sought: Sought
    mine: tuple[Row, ...]
    others: tuple[Row, ...]
    """The parts of this page of what waits: what the viewer can decide, and the rest."""
    waiting: int
    """All that wait and the viewer may see, whatever is sought."""
    my_turn: int
    fitting: int
    pages: int
    recent: tuple[Row, ...]
    unshown: tuple[Unshown, ...]
    namespaces: tuple[str, ...]
    operations: tuple[str, ...] = OPERATIONS
    risks: tuple[str, ...] = RISKS
    states: tuple[tuple[str, str], ...] = tuple(WHOSE.items())

    @property
    def said(self) -> str:
        """What a screen reader is told when it changes."""
        plans = "1 plan waits" if self.waiting == 1 else f"{self.waiting} plans wait"
        return f"{plans}, {self.my_turn} for you" if self.waiting else "Nothing waits"


def inbox(
    seen: Sequence[Reviewed | Unshown], viewer: Identity, sought: Sought, *, now: int
) -> Inbox:
    """Returns one page: the viewer's turn first, and in each part what expires first."""
    plans = [one for one in seen if isinstance(one, Reviewed)]
    waiting = sorted(
        (one for one in plans if one.state is State.PENDING),
        key=lambda one: (whose(one, viewer) != "mine", one.plan.expires_at, one.plan.id),
    )
    fitting = [one for one in waiting if sought.fits(_facts(one, viewer))]
    first = (sought.page - 1) * PER_PAGE
    page = fitting[first : first + PER_PAGE]
    ended = [one for one in plans if one.state is not State.PENDING]
    return Inbox(
        sought=sought,
        mine=tuple(row(one, now=now) for one in page if whose(one, viewer) == "mine"),
        others=tuple(row(one, now=now) for one in page if whose(one, viewer) != "mine"),
        waiting=len(waiting),
        my_turn=sum(whose(one, viewer) == "mine" for one in waiting),
        fitting=len(fitting),
        pages=max(1, -(-len(fitting) // PER_PAGE)),
        recent=() if sought.anything else tuple(row(one, now=now) for one in ended[:ENDED_SHOWN]),
        unshown=tuple(one for one in seen if isinstance(one, Unshown)),
        namespaces=namespaces((one.plan.namespace for one in plans), sought.namespace),
    )


def whose(seen: Reviewed, viewer: Identity) -> Whose:
    """Says whose turn it is, as far as workers announce the policy; the applier decides."""
    approved = any(signed.receipt.approver == viewer for signed in seen.co_receipts)
    return "others" if approved or seen.viewer_refusal is not None else "mine"


def _facts(seen: Reviewed, viewer: Identity) -> Facts:
    plan = seen.plan
    return Facts(
        namespace=plan.namespace,
        operation=plan.operation.value,
        risk=plan.risk.level,
        state=whose(seen, viewer),
        texts=(
            plan.summary,
            plan.namespace,
            plan.cluster.name,
            plan.requester.sub,
            plan.requester.client_id,
            plan.id,
        ),
    )
