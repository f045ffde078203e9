"""Scheduler and kubelet of the simulated node: each Pod lives as one small task; nothing is run.

What a container does is foretold by `dev.sandbox.fates`; this module lets it happen in time.
"""

import asyncio
import itertools

from dev.sandbox import fates, podstatus
from dev.sandbox.cluster import Cluster
from dev.sandbox.events import NODE, SCHEDULER, Recorder
from dev.sandbox.fates import Fate
from dev.sandbox.garbage import Garbage
from dev.sandbox.logs import Logs
from dev.sandbox.podstatus import Container
from dev.sandbox.resources import CONFIGMAPS, PODS, Obj
from dev.sandbox.store import Change

# Seconds at pace 1.
SCHEDULING = 0.05
STARTING = 0.25
BECOMING_READY = 0.35
STOPPING = 0.3
FIRST_BACKOFF = 1.0
LONGEST_BACKOFF = 30.0
PROBE_PERIOD = 5.0


class Kubelet:
    """Notices Pods and lives them."""

    def __init__(self, cluster: Cluster, recorder: Recorder, garbage: Garbage, logs: Logs) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._garbage = garbage
        self._logs = logs
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._addresses = (f"10.245.{i // 250}.{i % 250 + 2}" for i in itertools.count())
        cluster.store.listen(self._on_change)

    def adopt(self) -> None:
        """Lives the Pods that were there before."""
        for pod in self._cluster.store.all(PODS.key):
            self._begin(pod)

    async def stop(self) -> None:
        for life in self._lives.values():
            life.cancel()
        await asyncio.gather(*self._lives.values(), return_exceptions=True)

    def _on_change(self, change: Change) -> None:
        if change.storage != PODS.key:
            return
        uid = change.obj["metadata"]["uid"]
        if change.kind == "ADDED":
            self._begin(change.obj)
        elif change.kind == "DELETED":
            self._end(uid)
            self._logs.forget(uid)
        elif change.obj["metadata"].get("deletionTimestamp") and not _was_deleted(change):
            self._end(uid)
            self._keep(uid, self._terminate(change.obj))

    def _begin(self, pod: Obj) -> None:
        if pod["spec"]["schedulerName"] != SCHEDULER:
            return  # that scheduler does not run here, so the Pod waits for ever
        self._keep(pod["metadata"]["uid"], self._live(pod))

    def _keep(self, uid: str, life: "asyncio._CoroutineLike[None]") -> None:
        task = asyncio.get_running_loop().create_task(life)
        self._lives[uid] = task
        task.add_done_callback(lambda done: self._done(uid, done))

    def _done(self, uid: str, task: "asyncio.Task[None]") -> None:
        if self._lives.get(uid) is task:
            del self._lives[uid]

    def _end(self, uid: str) -> None:
        if (life := self._lives.pop(uid, None)) is not None:
            life.cancel()

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self._cluster.pace)

    async def _terminate(self, pod: Obj) -> None:
        for container in pod["spec"]["containers"]:
            text = f"Stopping container {container['name']}"
            self._tell(pod, "Normal", "Killing", text, container["name"])
        await self._pause(min(STOPPING, pod["metadata"].get("deletionGracePeriodSeconds", 30)))
        self._garbage.remove(PODS.key, pod)

    async def _live(self, pod: Obj) -> None:
        await self._pause(SCHEDULING)
        if why := fates.unschedulable(pod["spec"]):
            self._refuse(pod, why)
            return
        pod = self._schedule(pod)
        life = Life(pod, next(self._addresses))
        self._show(life)
        while missing := self._missing_config(pod):
            self._tell(pod, "Warning", "FailedMount", missing, "")
            await self._pause(FIRST_BACKOFF)
        await asyncio.gather(*(self._contain(life, i) for i in range(len(life.containers))))

    def _refuse(self, pod: Obj, why: str) -> None:
        text = f"0/1 nodes are available: 1 {why}."
        if self._cluster.modern:
            text += (
                " no new claims to deallocate, preemption: 0/1 nodes are available:"
                " 1 Preemption is not helpful for scheduling."
            )
        self._recorder.record(pod, "Warning", "FailedScheduling", text, SCHEDULER)
        self._write(pod, podstatus.pending(text, pod, self._cluster.now()))

    def _schedule(self, pod: Obj) -> Obj:
        live = self._fresh(pod)
        bound = {**live, "spec": {**live["spec"], "nodeName": NODE}}
        stored = self._cluster.store.put(PODS.key, bound)  # a binding has no field manager
        metadata = pod["metadata"]
        text = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {NODE}"
        self._recorder.record(pod, "Normal", "Scheduled", text, SCHEDULER)
        return stored

    def _missing_config(self, pod: Obj) -> str:
        """The complaint about a volume whose ConfigMap is not there, or nothing."""
        namespace = pod["metadata"]["namespace"]
        for volume in pod["spec"].get("volumes") or []:
            source = volume.get("configMap") or {}
            name = source.get("name")
            if not name or source.get("optional"):
                continue
            if self._cluster.store.get(CONFIGMAPS.key, namespace, name) is None:
                return (
                    f'MountVolume.SetUp failed for volume "{volume["name"]}" : configmap "{name}"'
                    " not found"
                )
        return ""

    async def _contain(self, life: "Life", index: int) -> None:
        """One container from pull to death and again."""
        spec = life.pod["spec"]["containers"][index]
        container, fate = life.containers[index], fates.foretold(spec)
        if fate.pull_error:
            await self._fail_to_pull(life, container, fate)
        backoff = FIRST_BACKOFF
        while True:
            await self._start(life, container, fate)
            if fate.exit_code is None:
                await self._run(life, container, fate)
                return
            self._die(life, container, fate)
            self._back_off(life, container, backoff)
            await self._pause(backoff)
            backoff = min(backoff * 2, LONGEST_BACKOFF)
            container.restarts += 1

    async def _fail_to_pull(self, life: "Life", container: Container, fate: Fate) -> None:
        """For ever: pull, fail, wait."""
        image, wait = container.image, FIRST_BACKOFF
        while True:
            self._tell(life.pod, "Normal", "Pulling", f'Pulling image "{image}"', container.name)
            await self._pause(STARTING)
            text = f'Failed to pull image "{image}": {fate.pull_error}'
            self._tell(life.pod, "Warning", "Failed", text, container.name)
            self._tell(life.pod, "Warning", "Failed", "Error: ErrImagePull", container.name)
            self._wait(life, container, "ErrImagePull", fate.pull_error)
            await self._pause(wait)
            wait = min(wait * 2, LONGEST_BACKOFF)
            text = f'Back-off pulling image "{image}"'
            self._tell(life.pod, "Normal", "BackOff", text, container.name)
            self._tell(life.pod, "Warning", "Failed", "Error: ImagePullBackOff", container.name)
            self._wait(life, container, "ImagePullBackOff", text)
            await self._pause(wait)

    async def _start(self, life: "Life", container: Container, fate: Fate) -> None:
        await self._pause(STARTING)
        pod, name = life.pod, container.name
        text = f'Container image "{container.image}" already present on machine'
        self._tell(pod, "Normal", "Pulled", text, name)
        self._tell(pod, "Normal", "Created", f"Created container {name}", name)
        self._tell(pod, "Normal", "Started", f"Started container {name}", name)
        uid = pod["metadata"]["uid"]
        self._logs.started(uid, name)
        for line in fate.log:
            time = self._cluster.clock().strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            self._logs.write(uid, name, time, line)
        container.state = {"running": {"startedAt": self._cluster.now()}}
        if fate.exit_code is None:
            self._show(life)

    async def _run(self, life: "Life", container: Container, fate: Fate) -> None:
        await self._pause(BECOMING_READY)
        if fate.ready:
            container.ready = True
            self._show(life)
            return
        while True:
            text = f"Readiness probe failed: {fate.probe_message}"
            self._tell(life.pod, "Warning", "Unhealthy", text, container.name)
            await self._pause(PROBE_PERIOD)

    def _die(self, life: "Life", container: Container, fate: Fate) -> None:
        now = self._cluster.now()
        started = container.state["running"]["startedAt"]
        terminated = {
            "exitCode": fate.exit_code,
            "reason": fate.reason,
            "startedAt": started,
            "finishedAt": now,
            "containerID": container.container_id(life.pod["metadata"]["uid"]),
        }
        container.state = {"terminated": terminated}
        self._show(life)

    def _back_off(self, life: "Life", container: Container, seconds: float) -> None:
        metadata, name = life.pod["metadata"], container.name
        told = f"container={name} pod={metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        container.last = container.state
        text = "Back-off restarting failed container"
        if self._cluster.modern:
            text += f" {name} in pod {told.partition('pod=')[2]}"
        self._tell(life.pod, "Warning", "BackOff", text, name)
        shown = f"back-off {seconds * 10:.0f}s restarting failed {told}"
        self._wait(life, container, "CrashLoopBackOff", shown)

    def _wait(self, life: "Life", container: Container, reason: str, message: str) -> None:
        container.state = {"waiting": {"reason": reason, "message": message}}
        self._show(life)

    def _tell(self, pod: Obj, kind: str, reason: str, message: str, container: str) -> None:
        self._recorder.record(pod, kind, reason, message, "kubelet", container=container)

    def _fresh(self, pod: Obj) -> Obj:
        metadata = pod["metadata"]
        return self._cluster.get(PODS, metadata["namespace"], metadata["name"])

    def _show(self, life: "Life") -> None:
        pod = self._fresh(life.pod)
        status = podstatus.placed(pod, life.containers, self._cluster.now(), life.address)
        life.pod = self._write(pod, status)

    def _write(self, pod: Obj, status: Obj) -> Obj:
        live = self._fresh(pod)
        return self._cluster.update_status(PODS, live, {**live, "status": status}, "kubelet")


class Life:
    """A Pod on the node, with what its containers do now."""

    def __init__(self, pod: Obj, address: str) -> None:
        self.pod = pod
        self.address = address
        self.containers = [
            Container(name=c["name"], image=c["image"]) for c in pod["spec"]["containers"]
        ]


def _was_deleted(change: Change) -> bool:
    return bool(change.before and change.before["metadata"].get("deletionTimestamp"))
