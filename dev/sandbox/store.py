"""Versioned objects in memory and the stream of their changes; knows nothing of HTTP or kinds.

One counter numbers every write, as etcd's revision does. Objects that were handed out are never
changed in place: writers put new ones. All calls are synchronous on one event loop, so each is
atomic.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dev.sandbox.resources import Obj

HISTORY = 4096  # changes that a watch may go back to; older ones are "expired" (410)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One committed write. `before` is what was there, `obj` what is (or, when deleted, was)."""

    revision: int
    kind: str  # ADDED, MODIFIED or DELETED
    storage: str
    obj: Obj
    before: Obj | None


class Store:
    """All objects of the cluster, by storage key, namespace and name."""

    def __init__(self) -> None:
        self.revision = 1
        self._objects: dict[str, dict[tuple[str, str], Obj]] = {}
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._listeners: list[Callable[[Change], None]] = []
        self._changed = asyncio.Event()

    def get(self, storage: str, namespace: str, name: str) -> Obj | None:
        return self._objects.get(storage, {}).get((namespace, name))

    def all(self, storage: str, namespace: str = "") -> list[Obj]:
        """Objects sorted by namespace and name, of one namespace or of all."""
        rows = self._objects.get(storage, {})
        return [rows[key] for key in sorted(rows) if not namespace or key[0] == namespace]

    def everything(self) -> Iterator[tuple[str, Obj]]:
        for storage, rows in self._objects.items():
            for obj in list(rows.values()):
                yield storage, obj

    def put(self, storage: str, obj: Obj) -> Obj:
        """Commits an object under a new revision and returns it as stored."""
        key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        rows = self._objects.setdefault(storage, {})
        before = rows.get(key)
        stored = self._stamped(obj)
        rows[key] = stored
        self._commit("MODIFIED" if before else "ADDED", storage, stored, before)
        return stored

    def remove(self, storage: str, namespace: str, name: str) -> Obj:
        before = self._objects[storage].pop((namespace, name))
        gone = self._stamped(before)
        self._commit("DELETED", storage, gone, before)
        return gone

    def load(self, storage: str, obj: Obj) -> None:
        """Puts back an object of an earlier run, as it was and unannounced."""
        key = (obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        self._objects.setdefault(storage, {})[key] = obj

    def listen(self, callback: Callable[[Change], None]) -> None:
        """Calls back after every commit, in order."""
        self._listeners.append(callback)

    def since(self, revision: int) -> list[Change] | None:
        """Changes after a revision; None when it is too old to know them."""
        oldest = self._history[0].revision if self._history else self.revision + 1
        if len(self._history) == HISTORY and revision < oldest - 1:
            return None
        return [change for change in self._history if change.revision > revision]

    async def wait(self) -> None:
        """Returns after the next commit."""
        await self._changed.wait()

    def _stamped(self, obj: Obj) -> Obj:
        self.revision += 1
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.revision)}}

    def _commit(self, kind: str, storage: str, obj: Obj, before: Obj | None) -> None:
        change = Change(revision=self.revision, kind=kind, storage=storage, obj=obj, before=before)
        self._history.append(change)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        for listener in self._listeners:
            listener(change)
