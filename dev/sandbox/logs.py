"""What containers wrote, kept while their Pod exists, and the answers to `pods/log`."""

from dataclasses import dataclass, field

from dev.sandbox.resources import Obj
from dev.sandbox.status import bad_request

Line = tuple[str, str]  # RFC 3339 time with nanoseconds, text


@dataclass(slots=True, kw_only=True)
class Written:
    """The lines of a container's present and last run."""

    present: list[Line] = field(default_factory=list)
    last: list[Line] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The query of a log request; `tail` in lines, `limit` in bytes."""

    container: str = ""
    previous: bool = False
    timestamps: bool = False
    tail: int | None = None
    limit: int | None = None


class Logs:
    """Lines by Pod uid and container."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, str], Written] = {}

    def started(self, uid: str, container: str) -> None:
        """A new run: what was present becomes the last."""
        old = self._written.get((uid, container))
        self._written[uid, container] = Written(last=old.present if old else None)

    def write(self, uid: str, container: str, time: str, text: str) -> None:
        self._written.setdefault((uid, container), Written()).present.append((time, text))

    def forget(self, uid: str) -> None:
        for key in [key for key in self._written if key[0] == uid]:
            del self._written[key]

    def read(self, pod: Obj, wish: Wish) -> str:
        """The text that was asked for; raises 400 as the real server and kubelet do."""
        container = chosen(pod, wish.container)
        if not pod["spec"].get("nodeName"):
            return ""
        written = self._written.get((pod["metadata"]["uid"], container), Written())
        lines = written.present
        if wish.previous:
            if written.last is None:
                told = f'"{container}" in pod "{pod["metadata"]["name"]}"'
                raise bad_request(f"previous terminated container {told} not found")
            lines = written.last
        else:
            self._check_started(pod, container)
        if wish.tail is not None:
            lines = lines[max(0, len(lines) - wish.tail) :]
        text = "".join(f"{t} {s}\n" if wish.timestamps else f"{s}\n" for t, s in lines)
        return text if wish.limit is None else text.encode()[: wish.limit].decode(errors="ignore")

    def _check_started(self, pod: Obj, container: str) -> None:
        statuses = pod["status"].get("containerStatuses", [])
        status = next((s for s in statuses if s["name"] == container), None)
        waiting = status["state"].get("waiting") if status else {"reason": "ContainerCreating"}
        if waiting is None or (status and status.get("lastState")):
            return
        told = f'container "{container}" in pod "{pod["metadata"]["name"]}"'
        reason = waiting["reason"]
        why = {
            "ErrImagePull": "image can't be pulled",
            "ImagePullBackOff": "trying and failing to pull image",
        }
        raise bad_request(f"{told} is waiting to start: {why.get(reason, reason)}")


def chosen(pod: Obj, name: str) -> str:
    """The container meant; raises 400 when unclear or unknown."""
    names = [c["name"] for c in pod["spec"]["containers"]]
    every = names + [c["name"] for c in pod["spec"].get("initContainers") or []]
    told = pod["metadata"]["name"]
    if name in every:
        return name
    if name:
        raise bad_request(f"container {name} is not valid for pod {told}")
    if len(names) > 1:
        raise bad_request(
            f"a container name must be specified for pod {told}, choose one of: [{' '.join(names)}]"
        )
    return str(names[0])
