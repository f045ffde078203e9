"""Reads events.k8s.io/v1 events, newest first. Says nothing of what they mean.

The API sorts by name and cannot sort by time, so the newest are found by looking at all that the
selectors leave; each row keeps a dozen short fields, whatever the event holds.
"""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final

import msgspec

from worker.cluster import lists
from worker.cluster.connection import Connection
from worker.cluster.structs import EventRow, JSONObject, Listed
from worker.cluster.together import together

ASKED_ONE_BY_ONE: Final = 4
"""Up to so many objects, one call each (by uid, all at once) beats one look at all events."""


def newest(
    http: Connection,
    path: str,
    selectors: Mapping[str, str | None],
    uids: tuple[str, ...],
    *,
    limit: int,
) -> Listed[JSONObject]:
    """The newest `limit` events that the selectors and, if given, the uids leave."""
    rows = sorted(_rows(http, path, selectors, uids), key=_newest_first, reverse=True)
    return Listed(
        items=tuple(msgspec.to_builtins(row) for row in rows[:limit]),
        total=len(rows),
        truncated=len(rows) > limit,
        resource_version="",
    )


def _rows(
    http: Connection, path: str, selectors: Mapping[str, str | None], uids: tuple[str, ...]
) -> Iterable[EventRow]:
    if not uids:
        return lists.listed(http, EventRow, path, selectors, limit=None).items
    wanted = frozenset(uids)
    if len(wanted) <= ASKED_ONE_BY_ONE:
        asked = [_about(uid, selectors) for uid in dict.fromkeys(uids)]
    else:
        asked = [dict(selectors)]
    pages = together(
        *(partial(lists.listed, http, EventRow, path, these, limit=None) for these in asked)
    )
    rows = [row for page in pages for row in page.items]
    found = {
        row.metadata.name: row for row in rows if row.regarding and row.regarding.uid in wanted
    }
    return found.values()


def _about(uid: str, selectors: Mapping[str, str | None]) -> dict[str, str | None]:
    given = selectors.get("fieldSelector")
    about = f"regarding.uid={uid}"
    return {**selectors, "fieldSelector": f"{given},{about}" if given else about}


def _newest_first(row: EventRow) -> tuple[str, str]:
    """By time, then by name, so that the same events always come in the same order."""
    return row.last_seen, row.metadata.name or ""
