"""The gateway put together: which door answers what, with a real Redis and no worker."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from starlette.testclient import TestClient

from api.app import make_app
from api.catalog import TOOLS
from api.metrics import Metrics
from api.own_names import hosts, origins
from dev.redis_server import free_port
from shared.errors import BadConfiguration
from shared.settings import GatewaySettings

TOKEN = "a-static-token-for-tests"
ORIGIN = "http://127.0.0.1:3001"
METADATA = f"{ORIGIN}/.well-known/oauth-protected-resource/mcp"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
BOTH = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "tests", "version": "1"},
    },
}


def settings_for(redis_url: str, **changed: Any) -> GatewaySettings:
    return GatewaySettings(redis_url=redis_url, static_bearer_token=TOKEN, **changed)


@contextmanager
def gateway(settings: GatewaySettings, metrics: Metrics | None = None) -> Iterator[TestClient]:
    app = make_app(settings, metrics)
    with TestClient(app, base_url=ORIGIN, follow_redirects=False) as client:
        yield client


@pytest.fixture
def client(redis_url: str) -> Iterator[TestClient]:
    with gateway(settings_for(redis_url)) as it:
        yield it


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    key = generate_private_key(SECP256R1())
    path = tmp_path / "approval.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def test_without_workers_it_lives_and_waits(client: TestClient) -> None:
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")

    assert ready.status_code == 503
    assert ready.json() == {"status": "waiting for workers", "redis": "ok", "clusters": {}}


def test_without_redis_it_lives_and_says_so() -> None:
    unreachable = f"redis://127.0.0.1:{free_port()}/0"

    with gateway(settings_for(unreachable, redis_timeout_s=0.5)) as client:
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")

    assert ready.status_code == 503
    assert ready.json()["redis"] == "redis_unavailable"


def test_the_fourteen_tools_are_served_behind_the_token(client: TestClient) -> None:
    assert client.post("/mcp", json=INITIALIZE, headers=BOTH).status_code == 401
    opened = client.post("/mcp", json=INITIALIZE, headers=BOTH | BEARER)
    assert opened.status_code == 200
    session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}

    listed = client.post("/mcp", json=listing, headers=BOTH | BEARER | session)

    assert [tool["name"] for tool in listed.json()["result"]["tools"]] == [
        tool.name for tool in TOOLS
    ]


def test_a_call_without_workers_is_a_fault_that_says_so(client: TestClient) -> None:
    opened = client.post("/mcp", json=INITIALIZE, headers=BOTH | BEARER)
    session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
    params = {"name": "get_k8s_status", "arguments": {"namespace": "demo"}}
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}

    answer = client.post("/mcp", json=call, headers=BOTH | BEARER | session)

    result = answer.json()["result"]
    assert result["isError"]
    assert result["_meta"]["infragate/code"] == "no_worker"
    assert "Try again in 10 s" in result["content"][0]["text"]


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/mcp/x", "/metrics"])
def test_what_is_not_there_is_404(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_without_a_key_there_are_no_pages_and_the_log_says_so(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING), gateway(settings_for(redis_url)) as client:
        assert client.get("/approvals").status_code == 404

    assert "pages.off" in {record.msg for record in caplog.records}


def test_with_a_key_the_pages_are_behind_a_login(redis_url: str, key_file: Path) -> None:
    with gateway(settings_for(redis_url, approval_client_key_file=key_file)) as client:
        page = client.get("/approvals/some-plan")

    assert page.status_code in {302, 303, 401}
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.promise("dns-rebinding")
def test_pages_and_tools_answer_to_their_own_names_only(redis_url: str, key_file: Path) -> None:
    other = {"Host": "evil.example"}

    with gateway(settings_for(redis_url, approval_client_key_file=key_file)) as client:
        assert client.get("/approvals", headers=other).status_code == 421
        assert client.post("/mcp", json={}, headers=BEARER | other).status_code == 421
        assert client.get("/healthz", headers=other).status_code == 200


def test_a_key_that_cannot_be_read_stops_the_start(redis_url: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="INFRA_GATE_APPROVAL_CLIENT_KEY_FILE"):
        make_app(settings_for(redis_url, approval_client_key_file=tmp_path / "none.pem"))


def test_what_is_not_covered_is_said_at_the_start(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        make_app(settings_for(redis_url))

    said = {record.msg: getattr(record, "fields", {}) for record in caplog.records}
    assert "not covered" in said["approvals.share_the_gateways_origin"]["meaning"]
    assert "static_bearer.on" in said
    assert TOKEN not in caplog.text


def test_the_approvals_process_serves_pages_and_no_tools(redis_url: str, key_file: Path) -> None:
    settings = settings_for(redis_url, approval_client_key_file=key_file, serves="approvals")
    with gateway(settings) as client:
        pages, tools = client.get("/approvals/login"), client.post("/mcp", json={})

    assert pages.status_code == 200
    assert tools.status_code == 404
    assert client.get("/.well-known/oauth-protected-resource").status_code == 404


def test_a_gateway_with_an_approvals_process_serves_no_pages(
    redis_url: str, key_file: Path
) -> None:
    settings = settings_for(redis_url, approval_client_key_file=key_file, serves="gateway")
    with gateway(settings) as client:
        pages, tools = client.get("/approvals/login"), client.post("/mcp", json={})

    assert pages.status_code == 404
    assert tools.status_code == 401


def test_a_laptop_is_served_by_the_usual_names_and_production_by_its_own() -> None:
    laptop = GatewaySettings(port=4001, oauth_resource="http://127.0.0.1:4001/mcp")
    production = GatewaySettings(
        environment="Production",
        redis_url="rediss://gateway@redis.example",
        oauth_authority="https://id.example",
        oauth_resource="https://gate.example/mcp",
        approval_base_url="https://approve.example",
        approval_client_key_file=Path("key.pem"),
        serves="approvals",
        seal_public_keys=("k",),
        proof_public_key="k",
        extra_hosts=("gate.internal:8443",),
    )

    assert {"127.0.0.1:4001", "localhost:4001"} <= set(hosts(laptop))
    assert set(origins(laptop)) >= {"http://127.0.0.1:4001", "http://localhost:4001"}
    assert set(hosts(production)) == {"approve.example", "gate.internal:8443"}
    assert set(origins(production)) == {"https://approve.example"}


def test_terminals_have_a_door_where_their_client_is_named(redis_url: str, key_file: Path) -> None:
    named = settings_for(redis_url, approval_client_key_file=key_file)
    production = {"environment": "Production", "oauth_authority": "https://id.example"}
    unnamed = named.model_copy(update=production)
    door = "/approvals/api/session"

    with gateway(named) as on, gateway(unnamed) as off:
        assert on.post(door).status_code == 401
        assert off.post(door).status_code == 405  # as everywhere where only a page says so
        assert off.get(door).status_code == 404
        assert on.post(door).headers["cache-control"] == "no-store"


@pytest.mark.promise("bound-tokens-only")
def test_where_proofs_are_demanded_bearer_tokens_are_refused_and_clients_are_told(
    redis_url: str,
) -> None:
    with gateway(settings_for(redis_url, dpop_required=True)) as client:
        refused = client.post("/mcp", json=INITIALIZE, headers=BOTH | BEARER)
        metadata = client.get(METADATA).json()

    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith('DPoP error="invalid_token"')
    assert metadata["dpop_bound_access_tokens_required"] is True
