"""An operator follows one request through gateway, queue and worker with one grep."""

import re
import time
from collections.abc import Iterator

import httpx2
import pytest

from tests.journeys.live import Live
from tests.journeys.test_mcp import BOTH, INITIALIZE, _call

pytestmark = pytest.mark.stack


@pytest.fixture
def curl(live: Live) -> Iterator[httpx2.Client]:
    with live.http(
        authorization=f"Bearer {live.token()}", accept=BOTH, **{"content-type": "application/json"}
    ) as client:
        yield client


@pytest.mark.promise("request-ids-are-ours")
def test_one_grep_finds_a_call_at_the_gateway_at_the_worker_and_in_the_audit_log(
    live: Live, curl: httpx2.Client
) -> None:
    session = {"mcp-session-id": curl.post("/mcp", json=INITIALIZE).headers["mcp-session-id"]}
    theirs = "a-client.s-own-1"
    call = _call("request_scale_deployment", **live.scale(), reason="r")
    answer = curl.post("/mcp", json=call, headers={**session, "x-request-id": theirs})
    request = answer.headers["x-request-id"]

    assert re.fullmatch(r"[0-9a-f]{32}", request)
    called, answered = _lines(live, "gateway", request, 2)
    assert [_event_of(line) for line in (called, answered)] == ["tool.called", "request.answered"]
    assert [_event_of(line) for line in _lines(live, "worker", request, 1)] == ["call.done"]
    assert theirs in answered
    plan = answer.json()["result"]["structuredContent"]["planId"]
    recorded = [one for one in live.audit() if one.get("request") == request]
    assert [(one["event"], one["plan"]) for one in recorded] == [("plan.created", plan)]
    assert theirs not in str(live.audit())


def test_an_answer_about_something_that_failed_names_its_request(curl: httpx2.Client) -> None:
    answer = curl.get("/approvals/callback")
    assert answer.status_code >= 400
    assert f"request <code>{answer.headers['x-request-id']}</code>" in answer.text


def _lines(live: Live, part: str, request: str, count: int) -> list[str]:
    """What grep finds in a part's log; the last line may come a moment after the answer."""
    log = live.places.logs / f"{part}.log"
    while True:
        found = [line for line in log.read_text().splitlines() if request in line]
        if len(found) >= count:
            return found
        time.sleep(0.01)


def _event_of(line: str) -> str:
    return line.split()[3]
