"""Puts the parts of the simulated cluster together, and keeps its objects between runs."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dev.sandbox import seeds
from dev.sandbox.admission import Admission
from dev.sandbox.cluster import Cluster
from dev.sandbox.controllers import Controllers
from dev.sandbox.events import Recorder
from dev.sandbox.garbage import Garbage
from dev.sandbox.kubeconfig import write_private
from dev.sandbox.kubelet import Kubelet
from dev.sandbox.logs import Logs
from dev.sandbox.rbac import Identity
from dev.sandbox.server import Server
from dev.sandbox.store import Change, Store

NOT_KEPT = ("pods", "events")  # Pods die with the node and are made anew
SAVE_AFTER = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`state` is where objects are kept between runs; None forgets them."""

    modern: bool = True
    pace: float = 1.0
    demo: bool = False
    state: Path | None = None


class Sandbox:
    """The whole cluster; `server` is its ASGI application. Needs a running event loop."""

    def __init__(
        self,
        settings: Settings,
        *,
        identities: Mapping[str, Identity],
        tokens: Mapping[str, str],
        admission: Admission,
    ) -> None:
        self._settings = settings
        self.store = Store()
        self.cluster = Cluster(
            self.store, lambda: datetime.now(UTC), modern=settings.modern, pace=settings.pace
        )
        recorder, garbage, logs = Recorder(self.cluster), Garbage(self.cluster), Logs()
        self._load()
        self._save_due: asyncio.TimerHandle | None = None
        if settings.state is not None:
            self.store.listen(self._on_change)
        self._kubelet = Kubelet(self.cluster, recorder, garbage, logs)
        self._controllers = Controllers(self.cluster, recorder, garbage)
        self.server = Server(
            self.cluster,
            garbage,
            logs,
            identities=identities,
            tokens=tokens,
            admission=admission,
        )

    def start(self) -> None:
        self._kubelet.adopt()
        self._controllers.start()
        seeds.put_base(self.cluster)
        if self._settings.demo:
            seeds.put_demo(self.cluster)

    def _on_change(self, change: Change) -> None:
        """A killed process loses the last moment at most: claims must not be forgotten."""
        if self._save_due is None and change.storage not in NOT_KEPT:
            loop = asyncio.get_running_loop()
            self._save_due = loop.call_later(SAVE_AFTER, self._save)

    async def stop(self) -> None:
        self.server.stopping.set()
        await self._controllers.stop()
        await self._kubelet.stop()
        self._save()

    @property
    def _file(self) -> Path | None:
        return self._settings.state / "objects.json" if self._settings.state else None

    def _load(self) -> None:
        """Brings back the objects of the last run."""
        if self._file is None or not self._file.exists():
            return
        kept = json.loads(self._file.read_text())
        self.store.revision = kept["revision"]
        for storage, obj in kept["objects"]:
            self.store.load(storage, obj)

    def _save(self) -> None:
        if self._save_due is not None:
            self._save_due.cancel()
            self._save_due = None
        if self._file is None:
            return
        objects = [
            (storage, obj)
            for storage, obj in self.store.everything()
            if storage not in NOT_KEPT and not obj["metadata"].get("deletionTimestamp")
        ]
        kept = {"revision": self.store.revision, "objects": objects}
        write_private(self._file, json.dumps(kept).encode())
