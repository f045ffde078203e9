"""What a container would do, foretold from its spec: run, crash, be killed, never start; pure.

Nothing is run. The rules recognize the images and commands of the demo and of tests, and let all
else run healthily.
"""

import re
from dataclasses import dataclass

from dev.sandbox.quantities import quantity
from dev.sandbox.resources import Obj

NODE_CPUS = 64
NODE_MEMORY = 1024**4

# What the simulated node has under localhost/; other registries have everything but `missing`.
LOCAL_IMAGES = {"localhost/nginx:1.22", "localhost/nginx:1.23", "localhost/busybox:1.35"}
ENDS = re.compile(r"(?:exec\s+)?(echo|true|false|exit|cat|ls|touch|date|printf)\b")
NGINX_LOG = (
    "/docker-entrypoint.sh: Configuration complete; ready for start up",
    "[notice] 1#1: start worker processes",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """`exit_code` None means that it runs on; `pull_error` that it never starts."""

    exit_code: int | None = None
    oom: bool = False
    ready: bool = True
    pull_error: str = ""
    log: tuple[str, ...] = ()
    probe_message: str = ""

    @property
    def reason(self) -> str:
        """The reason in a terminated state."""
        if self.oom:
            return "OOMKilled"
        return "Completed" if self.exit_code == 0 else "Error"


def unschedulable(spec: Obj) -> str:
    """Why no node takes the Pod, or nothing."""
    requests = [(c.get("resources") or {}).get("requests") or {} for c in spec["containers"]]
    if sum(quantity(r.get("cpu", 0)) for r in requests) > NODE_CPUS:
        return "Insufficient cpu"
    if sum(quantity(r.get("memory", 0)) for r in requests) > NODE_MEMORY:
        return "Insufficient memory"
    if spec.get("nodeSelector"):
        return "node(s) didn't match Pod's node affinity/selector"
    return ""


def foretold(container: Obj) -> Fate:
    image = container["image"]
    command = [*(container.get("command") or []), *(container.get("args") or [])]
    if error := pull_error(image):
        return Fate(pull_error=error)
    script = _script(command)
    if "oom" in image or "/dev/zero" in " ".join(command):
        log = echoed(script) or ("loading everything into memory",)
        return Fate(exit_code=137, oom=True, ready=False, log=log)
    if "crash" in image:
        log = ("starting", "fatal: no such file: /etc/app/config.yaml")
        return Fate(exit_code=1, ready=False, log=log)
    code = exit_code(script)
    log = echoed(script) or (NGINX_LOG if "nginx" in image and not command else ())
    if code is not None:
        return Fate(exit_code=code, ready=False, log=log)
    message = probe_failure(container, script)
    return Fate(ready=not message, log=log, probe_message=message)


def pull_error(image: str) -> str:
    """Why the image cannot be pulled, in containerd's words, or nothing."""
    special = any(word in image for word in ("crash", "oom", "unready"))
    absent = "missing" in image or image.endswith(":9.99")
    if image.startswith("localhost/") and image not in LOCAL_IMAGES and not special:
        absent = True
    if not absent:
        return ""
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{image}": failed to'
        f' resolve reference "{image}": {image}: not found'
    )


def _script(command: list[str]) -> str:
    """A command line as one shell script."""
    shell = command[:1] and command[0].rpartition("/")[2] in ("sh", "bash", "ash")
    if shell and command[1:2] == ["-c"] and command[2:]:
        return command[2]
    return " ".join(command)


def statements(script: str) -> list[str]:
    """A script's statements; separators within quotes do not count."""
    parts = re.findall(r"""(?:'[^']*'|"[^"]*"|[^;'"\n&]|&(?!&)|>&)+""", script)
    return [part.strip() for part in parts if part.strip()]


def echoed(script: str) -> tuple[str, ...]:
    """What a script prints."""
    lines: list[str] = []
    for statement in statements(script):
        if (found := re.match(r"(?:echo|printf)\s+(.*)", statement)) is not None:
            text = re.sub(r"\s*\d?>>?\s*(&\d|\S+)\s*$", "", found[1])
            lines += text.strip().strip("'\"").replace("\\n", "\n").splitlines()
    return tuple(lines)


def exit_code(script: str) -> int | None:
    """The code with which a script ends, or None when it runs on."""
    parts = statements(script)
    for statement in parts:
        if (found := re.fullmatch(r"exit\s*(\d*)", statement)) is not None:
            return int(found[1] or 0)
        if not ENDS.match(statement):
            if re.match(r"(exec\s+)?sleep\s+(\d+)$", statement) and statement is not parts[-1]:
                continue
            return None
    if not parts:
        return None
    return 1 if parts[-1] == "false" else 0


def probe_failure(container: Obj, script: str) -> str:
    """What the readiness probe says when it will not pass, or nothing."""
    if "unready" in container["image"]:
        return "HTTP probe failed with statuscode: 503"
    probe = container.get("readinessProbe") or {}
    command = (probe.get("exec") or {}).get("command") or []
    if not command:
        return ""
    if command[0].rpartition("/")[2] == "cat" and len(command) > 1:
        path = command[1]
        made = re.search(rf"(touch|>)\s*{re.escape(path)}", script)
        return "" if made else f"cat: can't open '{path}': No such file or directory\n"
    return "" if command[0].rpartition("/")[2] != "false" else "\n"
