"""Each process starts with only its own extra and its own folder, as in its image."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from dev.redis_server import RedisServer, free_port

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def lean_api(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lean(tmp_path_factory.mktemp("lean-api"), "api")


@pytest.fixture(scope="module")
def lean_worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lean(tmp_path_factory.mktemp("lean-worker"), "worker")


def lean(folder: Path, package: str) -> Path:
    """A folder as the image has it: an environment from the lock file alone, and two packages."""
    lock = REPOSITORY / "requirements" / f"{package}.lock"
    environment = os.environ | {"VIRTUAL_ENV": str(folder / ".venv")}
    steps = (
        [
            ["uv", "venv", "-q", "--python", sys.executable, str(folder / ".venv")],
            ["uv", "pip", "install", "-q", "--no-deps", "--require-hashes", "-r", str(lock)],
        ]
        if shutil.which("uv")
        else [
            [sys.executable, "-m", "venv", str(folder / ".venv")],
            [
                f"{folder}/.venv/bin/pip",
                "install",
                "-q",
                "--no-deps",
                "--require-hashes",
                "-r",
                str(lock),
            ],
        ]
    )
    for step in steps:
        done = subprocess.run(step, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:  # the index may be out of reach; CI allows no such skip
            pytest.skip(f"the locked packages of {package} cannot be installed: {done.stderr}")
    for name in (package, "shared"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=ignored)
    return folder


def imports(folder: Path, module: str) -> bool:
    """Says whether the lean environment can import the module; fails on any other error."""
    done = subprocess.run(
        [f"{folder}/.venv/bin/python", "-c", f"import {module}"],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    absent = f"ModuleNotFoundError: No module named '{module.partition('.')[0]}'" in done.stderr
    assert absent or done.returncode == 0, done.stderr
    return not absent


@pytest.mark.timeout("400")
def test_the_gateway_starts_with_only_its_own_extra(lean_api: Path, tmp_path: Path) -> None:
    assert not imports(lean_api, "kubernetes")
    assert not imports(lean_api, "worker")
    assert not imports(lean_api, "dev")
    assert imports(lean_api, "api.terminal.__main__")

    with (
        RedisServer(free_port(), tmp_path, aof=False) as server,
        _serving(lean_api, server.url) as url,
    ):
        assert httpx2.get(f"{url}/healthz").json() == {"status": "ok"}
        assert httpx2.get(f"{url}/mcp").status_code == 401


@pytest.mark.timeout("400")
def test_the_worker_starts_with_only_its_own_extra(lean_worker: Path) -> None:
    for module in ("fastapi", "starlette", "uvicorn", "mcp", "jinja2", "api", "dev"):
        assert not imports(lean_worker, module), module

    assert imports(lean_worker, "worker.__main__")
    assert imports(lean_worker, "kubernetes")


@contextmanager
def _serving(folder: Path, redis_url: str) -> Iterator[str]:
    """The address of a gateway that runs in the folder, once it answers."""
    port = free_port()
    process = subprocess.Popen(
        [f"{folder}/.venv/bin/python", "-m", "api"],
        cwd=folder,
        env={"INFRA_GATE_PORT": str(port), "INFRA_GATE_REDIS_URL": redis_url},
    )
    try:
        deadline = time.monotonic() + 60
        while not _listens(port):
            assert process.poll() is None, "the gateway ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.05)  # another process: nothing here can be awaited but its answer
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
