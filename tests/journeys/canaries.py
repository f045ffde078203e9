"""Secrets put where secrets are, and the search for them everywhere else."""

import base64
import json
from pathlib import Path
from typing import Any

from dev.sandbox.seeds import CANARY as SECRET_VALUE
from tests.journeys.live import JWT, Live

CONFIG_VALUE = "canary-config-value-51c0"
ENV_VALUE = "canary-env-value-93be"
LOG_VALUE = "canary-log-value-7d2f"
LOG_SECRET = "canary-log-key-e816"
"""Printed as `password=…` and as JSON."""

NAME = "canary"


def plant(live: Live) -> None:
    """A ConfigMap and a Deployment as the admin's kubectl would leave them."""
    admin = live.admin()
    admin.create("ConfigMap", live.namespace, _config_map(), dry_run=False)
    admin.create("Deployment", live.namespace, _deployment(), dry_run=False)


def found_in(live: Live) -> dict[str, list[str]]:
    """Which canaries lie where they must not, by the place."""
    places = {
        **{str(path): path.read_bytes() for folder in folders(live) for path in files_in(folder)},
        "replies": "\n".join(live.heard).encode(),
        "redis": _redis_values(live),
    }
    wanted = canaries(live)
    found = {
        place: [name for name, value in wanted.items() if value.encode() in content]
        for place, content in places.items()
    }
    for place, content in places.items():
        if place != "replies" and JWT.search(content.decode("latin-1")):
            found[place].append("a token")
    return {place: names for place, names in found.items() if names}


def canaries(live: Live) -> dict[str, str]:
    """Every secret of this stack that nobody may see, by what it is."""
    tokens: dict[str, str] = json.loads((live.places.sandbox / "tokens.json").read_text())
    return {
        "a Secret's value": SECRET_VALUE,
        "a Secret's value, encoded": base64.b64encode(SECRET_VALUE.encode()).decode(),
        "a ConfigMap's value": CONFIG_VALUE,
        "an env value": ENV_VALUE,
        "a password in a log": LOG_VALUE,
        "a key in a log": LOG_SECRET,
        **{f"the kubeconfig token of {name}": token for name, token in tokens.items()},
    }


def folders(live: Live) -> tuple[Path, ...]:
    """Logs, audit, evidence, and what Redis keeps on disk; not the cluster's own state."""
    state = live.places.state
    return (live.places.logs, live.places.redis, state / "guardrails", state / "approvals")


def files_in(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _redis_values(live: Live) -> bytes:
    values: list[bytes] = []
    with live.redis() as client:
        for key in client.scan_iter():
            kind = client.type(key).decode()  # type: ignore[union-attr]  # stubs know futures
            read: dict[str, Any] = {
                "string": client.get,
                "hash": client.hgetall,
                "list": lambda k: client.lrange(k, 0, -1),
                "set": client.smembers,
                "zset": lambda k: client.zrange(k, 0, -1),
                "stream": client.xrange,
            }
            values += [key, repr(read[kind](key)).encode()]
    assert values
    return b"\n".join(values)


def _config_map() -> dict[str, Any]:
    data = {"kept": CONFIG_VALUE, "mode": "a"}
    return _remembered({"metadata": {"name": NAME}, "data": data}, "v1", "ConfigMap")


def _deployment() -> dict[str, Any]:
    said = f"echo starting; echo 'password={LOG_VALUE}'; echo '{{\"api_key\": \"{LOG_SECRET}\"}}'"
    container = {
        "name": "app",
        "image": "localhost/busybox:1.35",
        "command": ["sh", "-c", f"{said}; sleep 360000"],
        "env": [{"name": "GREETING", "value": ENV_VALUE}],
    }
    labels = {"app": NAME}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    body = {"metadata": {"name": NAME, "labels": labels}, "spec": spec}
    return _remembered(body, "apps/v1", "Deployment")


def _remembered(body: dict[str, Any], api_version: str, kind: str) -> dict[str, Any]:
    """With the annotation in which kubectl remembers everything that it sent."""
    whole = {"apiVersion": api_version, "kind": kind, **body}
    annotation = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(whole)}
    return {**whole, "metadata": {**body["metadata"], "annotations": annotation}}
