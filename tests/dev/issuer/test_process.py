"""The issuer as a process: loud, never in production, the same after a restart."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from dev.issuer.__main__ import REFUSED, main
from dev.issuer.minting import NoToken, mint_token
from dev.login_driver import LoginFailed, browser, sign_in
from tests.dev.issuer.provider import CHALLENGE, REDIRECT, callback

PATIENCE = 20.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(state: Path, port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """An issuer that answers, stopped at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dev.issuer", "--port", str(port), "--state", state, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        await_answer(f"http://127.0.0.1:{port}/healthz")
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def await_answer(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            httpx2.get(url, timeout=1)
        except httpx2.TransportError:
            time.sleep(0.02)  # another process: nothing here can be awaited but its answer
        else:
            return
    pytest.fail(f"nobody answers at {url}")


@pytest.mark.parametrize("environment", ["Production", "production", " PRODUCTION "])
def test_it_refuses_production(
    state: Path, environment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--state", str(state)]

    code = main(arguments, {"INFRA_GATE_ENVIRONMENT": environment})

    assert code == REFUSED == 2
    assert "INFRA_GATE_ENVIRONMENT=Production" in capsys.readouterr().err
    assert not state.exists()


def test_it_mints_no_token_in_production(state: Path) -> None:
    assert main(["token", "--state", str(state)], {"INFRA_GATE_ENVIRONMENT": "Production"}) == 2


def test_the_real_process_refuses_production_too(state: Path) -> None:
    environment = os.environ | {"INFRA_GATE_ENVIRONMENT": "Production"}
    command = [sys.executable, "-m", "dev.issuer", "--state", str(state)]

    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert "identity provider" in done.stderr


@pytest.mark.parametrize("content", [None, "{", "{}", '{"keys": [{"kty": "oct", "k": "AA"}]}'])
def test_bad_keys_of_the_approval_client_stop_it(
    state: Path, tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    jwks = tmp_path / "approval.jwks.json"
    if content is not None:
        jwks.write_text(content)

    code = main(["--state", str(state), "--approval-client-jwks", str(jwks)], {})

    assert code == REFUSED
    assert "approval.jwks.json" in capsys.readouterr().err


def test_a_taken_port_is_named(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        code = main(["--state", str(state), "--port", str(port)], {})

    assert code == 1
    assert f"127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_what_it_is_and_stops_when_told(state: Path, stop: signal.Signals) -> None:
    with running(state, free_port()) as process:
        process.send_signal(stop)
        output, _ = process.communicate(timeout=PATIENCE)

    assert "DEVELOPMENT   ONLY" in output
    assert process.returncode == 0


def test_a_restart_keeps_clients_logins_and_keys(state: Path) -> None:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    with browser() as one_browser:
        with running(state, port):
            wish = {"redirect_uris": [REDIRECT]}
            client_id = one_browser.post(f"{issuer}/register", json=wish).json()["client_id"]
            first = sign_in(link(issuer, client_id), "dev-approver", client=one_browser)
            keys = one_browser.get(f"{issuer}/jwks").json()
        with running(state, port):
            silent = sign_in(link(issuer, client_id, "none"), "nobody", client=one_browser)
            keys_again = one_browser.get(f"{issuer}/jwks").json()

    assert "code" in callback(first)
    assert "code" in callback(silent)
    assert keys == keys_again


def test_a_token_is_printed_alone(state: Path) -> None:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    with running(state, port, "--resource", "http://127.0.0.1:9/mcp"):
        token = mint_token(issuer, state, subject="dev-approver")
        command = [sys.executable, "-m", "dev.issuer", "token", "--port", str(port)]
        printed = subprocess.run(
            [*command, "--state", str(state)], capture_output=True, text=True, check=True
        )
        with pytest.raises(NoToken, match="subject must be one of"):
            mint_token(issuer, state, subject="root")

    assert token.count(".") == 2
    assert printed.stdout.strip().count(".") == 2
    assert printed.stdout.count("\n") == 1
    assert printed.stderr == ""


def test_asking_for_a_token_says_what_is_missing(state: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(NoToken, match="start the development issuer"):
        mint_token(nowhere, state)
    state.mkdir()
    (state / "dev-secret").write_text("x")
    with pytest.raises(NoToken, match="No development issuer answers"):
        mint_token(nowhere, state)


def test_the_driver_says_what_came_instead_of_a_login_page(state: Path) -> None:
    port = free_port()
    issuer = f"http://127.0.0.1:{port}"
    with running(state, port), pytest.raises(LoginFailed, match="unknown client_id"):
        sign_in(link(issuer, "unknown"), "dev-approver")


def link(issuer: str, client_id: str, prompt: str | None = None) -> str:
    params = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": REDIRECT,
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return (
        f"{issuer}/authorize?{httpx2.QueryParams(params | ({'prompt': prompt} if prompt else {}))}"
    )
