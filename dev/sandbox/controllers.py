"""The loop that runs the controllers: a change names who must look again; one look at a time."""

import asyncio
import logging
from collections.abc import Callable

from dev.sandbox.cluster import Cluster
from dev.sandbox.deployments import Deployments
from dev.sandbox.endpoints import Endpointer
from dev.sandbox.events import Recorder
from dev.sandbox.garbage import Garbage
from dev.sandbox.replicasets import ReplicaSets
from dev.sandbox.resources import DEPLOYMENTS, ENDPOINTS, PODS, REPLICASETS, SERVICES, Obj
from dev.sandbox.status import ApiError
from dev.sandbox.store import Change

log = logging.getLogger("sandbox")
Key = tuple[str, str, str]  # storage, namespace, name


class Controllers:
    """Watches the store and calls `sync` of the controller in charge."""

    def __init__(self, cluster: Cluster, recorder: Recorder, garbage: Garbage) -> None:
        self._cluster = cluster
        self._waiting: dict[Key, None] = {}
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        deployments = Deployments(cluster, recorder, garbage, self._later)
        self._sync: dict[str, Callable[[str, str], None]] = {
            DEPLOYMENTS.key: deployments.sync,
            REPLICASETS.key: ReplicaSets(cluster, recorder, garbage).sync,
            SERVICES.key: Endpointer(cluster).sync,
        }
        cluster.store.listen(self._on_change)

    def start(self) -> None:
        for storage, obj in self._cluster.store.everything():
            if storage in self._sync:
                self._enqueue(storage, obj)
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _later(self, seconds: float, namespace: str, name: str) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(seconds, self._wake, (DEPLOYMENTS.key, namespace, name))

    def _enqueue(self, storage: str, obj: Obj) -> None:
        self._wake((storage, obj["metadata"]["namespace"], obj["metadata"]["name"]))

    def _wake(self, key: Key) -> None:
        self._waiting[key] = None
        self._woken.set()

    def _on_change(self, change: Change) -> None:
        if change.storage in self._sync:
            self._enqueue(change.storage, change.obj)
        if change.storage in (REPLICASETS.key, PODS.key):
            self._wake_owners(change.obj)
        if change.storage == PODS.key:
            self._wake_services(change.obj)
        elif change.storage == ENDPOINTS.key and change.kind == "DELETED":
            self._enqueue(SERVICES.key, change.obj)

    def _wake_owners(self, obj: Obj) -> None:
        owners = {"ReplicaSet": REPLICASETS.key, "Deployment": DEPLOYMENTS.key}
        for ref in obj["metadata"].get("ownerReferences", []):
            if ref["kind"] in owners:
                self._wake((owners[ref["kind"]], obj["metadata"]["namespace"], ref["name"]))

    def _wake_services(self, pod: Obj) -> None:
        namespace = pod["metadata"]["namespace"]
        labels = (pod["metadata"].get("labels") or {}).items()
        for service in self._cluster.store.all(SERVICES.key, namespace):
            selector = service["spec"].get("selector") or {}
            if selector and selector.items() <= labels:
                self._enqueue(SERVICES.key, service)

    async def _run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            await asyncio.sleep(0)
            while self._waiting:
                key = next(iter(self._waiting))
                del self._waiting[key]
                self._look(key)
                await asyncio.sleep(0)

    def _look(self, key: Key) -> None:
        storage, namespace, name = key
        try:
            self._sync[storage](namespace, name)
        except ApiError as error:
            # A refused write (say, the namespace went) is told and left for the next change.
            log.warning("simulated controller: %s %s/%s: %s", storage, namespace, name, error)
