"""Fields of objects as the API returns them: absent, null and mistyped are all "not there".

Only access lives here, and the one shape of an event under its two APIs; no judgement.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from shared.manifests import JSON

Object: TypeAlias = Mapping[str, JSON]

NOTHING: Final[Object] = {}


def at(value: JSON | Object, *path: str) -> JSON:
    """Return the value under nested field names, or None."""
    here: JSON | Object = value
    for name in path:
        here = here.get(name) if isinstance(here, Mapping) else None
    return dict(here) if isinstance(here, Mapping) else here


def text(value: JSON | Object, *path: str) -> str:
    """Return a string field, or an empty string."""
    found = at(value, *path)
    return found if isinstance(found, str) else ""


def number(value: JSON | Object, *path: str, default: int = 0) -> int:
    """Return an integer field, or `default`."""
    found = at(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def fields(value: JSON | Object, *path: str) -> Object:
    """Return an object field, or an empty object."""
    found = at(value, *path)
    return found if isinstance(found, dict) else NOTHING


def items(value: JSON | Object, *path: str) -> list[Object]:
    """Return the objects in a list field, or an empty list."""
    found = at(value, *path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def name_of(value: Object) -> str:
    """Return `Kind/name`, the beginning of every path in evidence."""
    return f"{text(value, 'kind') or 'Object'}/{text(value, 'metadata', 'name')}"


def called(value: Object) -> str:
    """Return `Kind name`, as a sentence says it."""
    return name_of(value).replace("/", " ", 1)


def condition(value: Object, kind: str) -> Object:
    """Return the status condition of a type, or an empty object."""
    conditions = items(value, "status", "conditions")
    return next((each for each in conditions if text(each, "type") == kind), NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event as events.k8s.io/v1 or core/v1 tells it; `container` from its field path."""

    name: str
    warns: bool
    reason: str
    note: str
    count: int
    last: str
    kind: str
    about: str
    uid: str
    container: str

    def is_about(self, value: Object) -> bool:
        """Say whether the event regards this object; by uid if both have one, else by name."""
        uid = text(value, "metadata", "uid")
        if self.uid and uid:
            return self.uid == uid
        same_kind = text(value, "kind") in {self.kind, ""}
        return same_kind and self.about == text(value, "metadata", "name")


_CONTAINER: Final = re.compile(r"\{([^{}]*)\}\Z")


def events_of(raw: Iterable[Object]) -> list[Event]:
    """Return the events, newest first."""
    return sorted(map(_event, raw), key=lambda event: event.last, reverse=True)


def _event(raw: Object) -> Event:
    regarding = fields(raw, "regarding") or fields(raw, "involvedObject")
    container = _CONTAINER.search(text(regarding, "fieldPath"))
    times = (
        text(raw, "series", "lastObservedTime"),
        text(raw, "deprecatedLastTimestamp"),
        text(raw, "lastTimestamp"),
        text(raw, "eventTime"),
        text(raw, "metadata", "creationTimestamp"),
    )
    counts = (
        number(raw, "series", "count"),
        number(raw, "deprecatedCount"),
        number(raw, "count"),
    )
    return Event(
        name=text(raw, "metadata", "name"),
        warns=text(raw, "type") == "Warning",
        reason=text(raw, "reason"),
        note=text(raw, "note") or text(raw, "message"),
        count=next(filter(None, counts), 1),
        last=next(filter(None, times), ""),
        kind=text(regarding, "kind"),
        about=text(regarding, "name"),
        uid=text(regarding, "uid"),
        container=container[1] if container else "",
    )
