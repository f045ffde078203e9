"""The headers of every page."""

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from api.headers import PageHeaders, content_security_policy


async def _hello(_: Request) -> Response:
    return PlainTextResponse("hello")


async def _kept(_: Request) -> Response:
    return PlainTextResponse("hello", headers={"Cache-Control": "public"})


def _client(*, production: bool = False) -> TestClient:
    routes = [
        Route(path, page)
        for path, page in {
            "/approvals": _hello,
            "/approvals/kept": _kept,
            "/approvalsandmore": _hello,
        }.items()
    ]
    targets = ["https://id.example"]
    app = PageHeaders(Starlette(routes=routes), form_targets=lambda: targets, production=production)
    return TestClient(app)


@pytest.fixture
def client() -> Iterator[TestClient]:
    with _client() as client:
        yield client


@pytest.mark.promise("pages-run-no-script")
def test_a_page_may_load_its_own_style_and_run_no_script(client: TestClient) -> None:
    policy = client.get("/approvals").headers["content-security-policy"].split("; ")

    assert policy[0] == "default-src 'none'"
    assert not any(part.startswith("script-src") for part in policy)
    assert "require-trusted-types-for 'script'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy


def test_forms_lead_here_and_to_the_identity_provider_only() -> None:
    policy = content_security_policy(["https://id.example"])

    assert "form-action 'self' https://id.example;" in policy


def test_pages_are_not_kept_not_sniffed_not_framed_and_not_shared(client: TestClient) -> None:
    headers = client.get("/approvals").headers

    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


def test_an_error_below_the_prefix_carries_the_headers_too(client: TestClient) -> None:
    answer = client.get("/approvals/nothing/there")

    assert answer.status_code == 404
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_other_paths_are_left_alone(client: TestClient) -> None:
    assert "content-security-policy" not in client.get("/approvalsandmore").headers


def test_a_response_may_choose_its_own_caching(client: TestClient) -> None:
    assert client.get("/approvals/kept").headers["cache-control"] == "public"


def test_https_is_insisted_on_in_production_only(client: TestClient) -> None:
    with _client(production=True) as real:
        assert "max-age" in real.get("/approvals").headers["strict-transport-security"]

    assert "strict-transport-security" not in client.get("/approvals").headers
