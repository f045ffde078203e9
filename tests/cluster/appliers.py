"""Applier processes for tests, and what reached the sandbox of all that they sent."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.cluster.conftest import NAMESPACE, ClusterWorld, Kube
from tests.cluster.kill_runner import Spec


@dataclass
class Applier:
    """One process of `tests.cluster.kill_runner`."""

    process: "subprocess.Popen[str]"

    def order(self, plan_id: str, now: float, point: str | None = None) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"plan": plan_id, "now": now, "point": point}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> object:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the applier process died"
        return json.loads(line)


@contextmanager
def applier(here: ClusterWorld, redis_url: str, folder: Path) -> Iterator[Applier]:
    """Starts an applier with the keys, the audit log and the cluster of a world."""
    seal, receipt = here.world.planner, here.world.context.keys.receipt
    assert receipt is not None
    spec = Spec(
        redis_url=redis_url,
        kubeconfig=str(here.kube.applier),
        folder=str(folder),
        namespace=NAMESPACE,
        seal=_hex(seal),
        receipt=_hex(receipt),
    )
    path = folder / "spec.json"
    path.write_text(json.dumps(asdict(spec)), "utf-8")
    command = [sys.executable, "-m", "tests.cluster.kill_runner", str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        started = Applier(process)
        assert started.answer() == "ready"
        yield started
        assert process.stdin is not None
        process.stdin.close()


class Requests:
    """The sandbox's request log: what really arrived, whatever any process believes."""

    def __init__(self, kube: Kube) -> None:
        config = json.loads(kube.admin.read_text("utf-8"))
        self._url = config["clusters"][0]["cluster"]["server"] + "/_sandbox/requests"
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
        self._http = urllib3.PoolManager(ca_certs=str(kube.admin.with_name("ca.crt")))

    def forget(self) -> None:
        self._http.request("DELETE", self._url, headers=self._headers)

    def writes(self) -> list[str]:
        """Verbs of the writes to ConfigMaps that took effect, in order; dry-runs are none."""
        answer = self._http.request("GET", self._url, headers=self._headers)
        entries = [json.loads(line) for line in answer.data.decode().splitlines()]
        return [
            entry["verb"]
            for entry in entries
            if entry["resource"] == "configmaps"
            and entry["verb"] in {"create", "patch", "update", "delete"}
            and not entry["dryRun"]
            and entry["status"] < 300
        ]

    def close(self) -> None:
        self._http.clear()


def _hex(key: Ed25519PrivateKey) -> str:
    return key.private_bytes_raw().hex()
