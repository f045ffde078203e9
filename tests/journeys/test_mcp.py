"""The HTTP side of /mcp that clients rely on, against a real gateway process."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from api.catalog import TOOLS
from tests.journeys.live import Live

pytestmark = pytest.mark.stack

BOTH = "application/json, text/event-stream"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2024-11-05",
        "capabilities": {},
        "clientInfo": {"name": "curl", "version": "1.0"},
    },
}
METADATA_PATHS = (
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-protected-resource",
)


@pytest.fixture(scope="module")
def curl(live: Live) -> Iterator[httpx2.Client]:
    """What somebody with a token and curl has."""
    with live.http(
        authorization=f"Bearer {live.token()}", accept=BOTH, **{"content-type": "application/json"}
    ) as client:
        yield client


@pytest.fixture
def stranger(live: Live) -> Iterator[httpx2.Client]:
    """The same without a token."""
    with live.http(accept=BOTH, **{"content-type": "application/json"}) as client:
        yield client


def _only_event(answer: httpx2.Response) -> dict[str, Any]:
    [data] = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
    message: dict[str, Any] = json.loads(data)
    return message


def _call(tool: str, **arguments: object) -> dict[str, object]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}


def test_the_curl_of_the_skill_opens_a_session(curl: httpx2.Client) -> None:
    answer = curl.post("/mcp", json=INITIALIZE)

    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["mcp-session-id"]
    result = _only_event(answer)["result"]
    assert result["protocolVersion"] == "2024-11-05"
    assert result["serverInfo"]["name"] == "infragate"


def test_the_session_lists_the_tools_and_ends(curl: httpx2.Client) -> None:
    session = {"mcp-session-id": curl.post("/mcp", json=INITIALIZE).headers["mcp-session-id"]}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}

    assert curl.post("/mcp", json=ready, headers=session).status_code == 202
    listed = curl.post("/mcp", json=listing, headers=session)
    assert [tool["name"] for tool in listed.json()["result"]["tools"]] == [t.name for t in TOOLS]
    assert curl.delete("/mcp", headers=session).status_code in {200, 204}
    assert curl.post("/mcp", json=listing, headers=session).status_code == 404


def test_what_is_listed_is_small_on_the_wire(curl: httpx2.Client) -> None:
    session = {"mcp-session-id": curl.post("/mcp", json=INITIALIZE).headers["mcp-session-id"]}
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}

    answer = curl.post("/mcp", json=listing, headers=session)

    assert len(answer.content) <= 12 * 1024, f"tools/list crosses in {len(answer.content)} bytes"


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_without_a_token_everything_is_401_with_the_way_in(
    method: str, live: Live, stranger: httpx2.Client
) -> None:
    answer = stranger.request(method, "/mcp", json=INITIALIZE)

    assert answer.status_code == 401
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("Bearer ")
    metadata = f"{live.record.origin}/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{metadata}"' in challenge
    assert 'scope="mcp:tools"' in challenge


@pytest.mark.parametrize("path", METADATA_PATHS)
def test_the_metadata_is_at_both_places(path: str, live: Live, stranger: httpx2.Client) -> None:
    document = stranger.get(path)

    assert document.status_code == 200
    assert document.json()["resource"] == live.mcp
    assert document.json()["authorization_servers"] == [live.record.issuer]
    assert "mcp:tools" in document.json()["scopes_supported"]


def test_other_documents_are_a_json_404(stranger: httpx2.Client) -> None:
    answer = stranger.get("/.well-known/openid-configuration")

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


def test_a_plain_get_with_a_token_says_that_the_session_id_is_required(
    curl: httpx2.Client,
) -> None:
    answer = curl.get("/mcp")

    assert answer.status_code == 400
    assert "session id is required" in answer.text


@pytest.mark.promise("dns-rebinding")
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:1", "localhost.evil.example"])
def test_a_foreign_host_is_421(host: str, curl: httpx2.Client) -> None:
    assert curl.post("/mcp", json=INITIALIZE, headers={"host": host}).status_code == 421


@pytest.mark.promise("dns-rebinding")
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
def test_a_foreign_origin_is_403(origin: str, curl: httpx2.Client) -> None:
    assert curl.post("/mcp", json=INITIALIZE, headers={"origin": origin}).status_code == 403


def test_a_body_that_is_too_large_is_413_said_or_sent(curl: httpx2.Client) -> None:
    def drip() -> Iterator[bytes]:
        for _ in range(2 * 1024):
            yield b" " * 1024

    said = curl.post("/mcp", content=b" " * (1024 * 1024 + 1))
    assert said.status_code == 413
    assert curl.post("/mcp", content=drip()).status_code == 413


def test_the_slash_makes_no_difference_and_no_redirect(curl: httpx2.Client) -> None:
    answer = curl.post("/mcp/", json=INITIALIZE)

    assert answer.status_code == 200
    assert answer.headers["mcp-session-id"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"jsonrpc":"2.0"}',
        b'{"jsonrpc":"1.0","id":1,"method":"initialize"}',
        b'{"jsonrpc":"2.0","id":1,"method":"initialize"}',
        b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":[]}',
        b'{"jsonrpc":"2.0","id":{},"method":"tools/list"}',
        b"[" * 100_000,
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":7}}',
    ],
    ids=lambda body: repr(body[:60]),
)
def test_what_is_no_json_rpc_is_an_error_of_the_client(body: bytes, curl: httpx2.Client) -> None:
    answer = curl.post("/mcp", content=body)

    assert 400 <= answer.status_code < 500 or (
        answer.status_code == 200 and "error" in answer.json()
    ), answer.text
    assert "Traceback" not in answer.text
    assert "pydantic" not in answer.text
    assert len(answer.text) < 300, answer.text


def test_an_unknown_method_is_a_json_rpc_error(curl: httpx2.Client) -> None:
    session = {"mcp-session-id": curl.post("/mcp", json=INITIALIZE).headers["mcp-session-id"]}
    request = {"jsonrpc": "2.0", "id": 3, "method": "tools/destroy"}

    answer = curl.post("/mcp", json=request, headers=session)

    assert answer.status_code == 200
    assert answer.json()["error"]["code"] == -32601


@pytest.mark.promise("tokens-are-checked")
@pytest.mark.parametrize("kind", ["expired", "another audience", "bent", "not a token", "basic"])
def test_a_bad_token_is_401(kind: str, live: Live, stranger: httpx2.Client) -> None:
    good = live.token()
    shown = {
        "expired": f"Bearer {live.expired_token()}",
        "another audience": "Bearer "
        + live.signed_token(clock=time.time(), resource="http://127.0.0.1:1/mcp"),
        "bent": f"Bearer {good[:-6]}{'AAAAAA' if good[-6:] != 'AAAAAA' else 'BBBBBB'}",
        "not a token": "Bearer letmein",
        "basic": "Basic YTpi",
    }[kind]

    answer = stranger.post("/mcp", json=INITIALIZE, headers={"authorization": shown})

    assert answer.status_code == 401
    assert "resource_metadata=" in answer.headers["www-authenticate"]
    assert good not in answer.text


@pytest.mark.promise("tokens-are-checked")
def test_the_same_issuers_good_token_is_accepted(live: Live, stranger: httpx2.Client) -> None:
    good = live.signed_token(clock=time.time(), resource=live.mcp)

    answer = stranger.post("/mcp", json=INITIALIZE, headers={"authorization": f"Bearer {good}"})

    assert answer.status_code == 200, "or the test of bad tokens shows nothing"


@pytest.mark.promise("scopes-per-tool")
@pytest.mark.parametrize(
    ("scope", "tool", "wanted"),
    [
        ("mcp:tools.read", "request_restart_deployment", "mcp:tools.plan"),
        ("mcp:tools.read", "apply_approved_plan", "mcp:tools.apply"),
        ("mcp:tools.plan", "get_k8s_status", "mcp:tools.read"),
        ("mcp:tools.plan", "apply_approved_plan", "mcp:tools.apply"),
    ],
)
def test_a_tool_beyond_the_scope_is_403_and_names_the_scope(
    scope: str, tool: str, wanted: str, live: Live
) -> None:
    with live.http(
        authorization=f"Bearer {live.token(scope=scope)}",
        accept=BOTH,
        **{"content-type": "application/json"},
    ) as client:
        opened = client.post("/mcp", json=INITIALIZE)
        session = {"mcp-session-id": opened.headers["mcp-session-id"]}
        answer = client.post("/mcp", json=_call(tool), headers=session)

    assert answer.status_code == 403
    challenge = answer.headers["www-authenticate"]
    assert 'error="insufficient_scope"' in challenge
    assert wanted in challenge
    assert "resource_metadata=" in challenge


def test_health_is_open_and_says_who_works(live: Live) -> None:
    with live.http() as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        ready = client.get("/readyz").json()

    assert ready["status"] == "ready"
    (cluster,) = ready["clusters"].values()
    assert cluster["simulated"] is True
    assert cluster["namespaces"] == [live.namespace]
    assert set(cluster["roles"]) == {"read", "plan", "apply"}
