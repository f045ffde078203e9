"""A sandbox process per test session, seeded with the demo, and raw clients of each identity."""

import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

DEMO = "/namespaces/mcp-nginx-demo"
DEPLOYMENTS = f"/apis/apps/v1{DEMO}/deployments"
SERVICES = f"/api/v1{DEMO}/services"
CONFIGMAPS = f"/api/v1{DEMO}/configmaps"
PODS = f"/api/v1{DEMO}/pods"
EVENTS = f"/apis/events.k8s.io/v1{DEMO}/events"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/infragate-system/leases"
APPLY = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    code: int
    body: Any
    headers: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One identity's raw HTTP access."""

    pool: urllib3.PoolManager
    server: str
    token: str

    def __call__(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> Reply:
        headers = {"Content-Type": kind, "User-Agent": "tests/1"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        reply = self.pool.request(
            method, self.server + path, body=data, headers=headers, retries=False, timeout=10
        )
        text = reply.data.decode()
        plain = reply.headers.get("Content-Type", "") != "application/json"
        shown = text if plain else json.loads(text)
        return Reply(
            code=reply.status, body=shown, headers={k.lower(): v for k, v in reply.headers.items()}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    process: subprocess.Popen[str]
    state: Path
    server: str

    def client(self, identity: str) -> Client:
        config = json.loads((self.state / f"{identity}.kubeconfig").read_text())
        context = ssl.create_default_context(cafile=str(self.state / "ca.crt"))
        pool = urllib3.PoolManager(ssl_context=context)
        return Client(pool=pool, server=self.server, token=config["users"][0]["user"]["token"])


def start(state: Path, *arguments: str) -> Running:
    process = subprocess.Popen(
        [sys.executable, "-m", "dev.sandbox", "--state", str(state), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "ready at" in line, line + process.stdout.read()
    server = line.split()[-1]
    return Running(process=process, state=state, server=server)


def stop(running: Running) -> None:
    running.process.send_signal(signal.SIGTERM)
    running.process.wait(timeout=20)  # less than TLS waits for the farewell of an idle client
    if running.process.stdout is not None:
        running.process.stdout.close()


def until(look: Callable[[], Any], seconds: float = 15) -> Any:
    """Waits for something true; the cluster is another process, so there is nothing to await."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(tmp_path_factory.mktemp("sandbox"), "--seed", "demo", "--pace", "0.3")
    yield running
    stop(running)


@pytest.fixture(scope="session")
def old_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(tmp_path_factory.mktemp("old"), "--emulate", "1.20", "--pace", "0.1")
    yield running
    stop(running)


@pytest.fixture(scope="session")
def admin(sandbox: Running) -> Client:
    return sandbox.client("admin")


@pytest.fixture(scope="session")
def applier(sandbox: Running) -> Client:
    return sandbox.client("applier")


@pytest.fixture(scope="session")
def reader(sandbox: Running) -> Client:
    return sandbox.client("reader")


@pytest.fixture
def web(admin: Client) -> Iterator[str]:
    """A Deployment of its own for each test; created by POST, so its manager is `tests`."""
    made = admin("POST", DEPLOYMENTS, {**deployment("x"), "metadata": {"generateName": "web-"}})
    name = made.body["metadata"]["name"]
    yield name
    admin("DELETE", f"{DEPLOYMENTS}/{name}")


def deployment(name: str, image: str = "localhost/nginx:1.22", **spec: Any) -> Obj:
    container = {"name": "app", "image": image, "ports": [{"containerPort": 8080}]}
    pod = {"terminationGracePeriodSeconds": 0, "containers": [container]}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    wanted = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {**wanted, **spec},
    }


def configmap(name: str, **data: str) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def rolled_out(client: Client, name: str) -> Obj | None:
    live: Obj = client("GET", f"{DEPLOYMENTS}/{name}").body
    status, replicas = live["status"], live["spec"]["replicas"]
    counts = [status.get(k, 0) for k in ("replicas", "updatedReplicas", "availableReplicas")]
    fresh = status.get("observedGeneration") == live["metadata"]["generation"]
    return live if fresh and counts == [replicas] * 3 else None


def pods_of(client: Client, app: str) -> list[Obj]:
    items: list[Obj] = client("GET", f"{PODS}?labelSelector=app%3D{app}").body["items"]
    return items
