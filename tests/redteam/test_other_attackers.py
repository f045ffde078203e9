"""Agents, insiders and web pages; gateway, pages and Redis are as they should be."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from dev.login_driver import browser, forms
from shared.audit import verify
from shared.plans import Operation
from tests.journeys.live import code_of
from tests.journeys.person import Person
from tests.redteam.attackers import MANIFEST, Attacker, owner_of, refused
from tests.redteam.stage import WORKERS, Stage
from tests.redteam.watching import unchanged

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def gateway(stage: Stage) -> Iterator[Attacker]:
    with owner_of(stage, "gateway") as attacker:
        yield attacker


def put(stage: Stage, name: str, value: str) -> None:
    """A ConfigMap as somebody with kubectl makes it."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    stage.admin().create(
        "ConfigMap", stage.namespace, {**body, "data": {"value": value}}, dry_run=False
    )


def remove(stage: Stage, name: str) -> None:
    live = stage.admin().get("ConfigMap", stage.namespace, name)
    assert live is not None
    stage.admin().delete(
        "ConfigMap",
        stage.namespace,
        name,
        uid=live["metadata"]["uid"],
        resource_version=live["metadata"]["resourceVersion"],
        propagation="Background",
        dry_run=False,
    )


@pytest.mark.promise("drift-is-stale")
@pytest.mark.parametrize("meanwhile", ["recreated", "changed", "deleted"])
def test_what_was_changed_between_the_approval_and_the_write_is_not_written_over(
    meanwhile: str, stage: Stage, gateway: Attacker
) -> None:
    """Deleted and created anew with the very same content is another object, too."""
    name = f"drifts-{meanwhile}"
    put(stage, name, "0")
    plan_id = gateway.plan(name)
    stage.approve(plan_id)
    remove(stage, name)
    if meanwhile != "deleted":
        put(stage, name, "0" if meanwhile == "recreated" else "2")

    with unchanged(stage):
        assert gateway.apply(plan_id)["body"]["state"] == "stale"
        assert gateway.apply(plan_id)["body"]["state"] == "stale"


@pytest.mark.promise("four-eyes")
def test_an_approver_who_asked_does_not_approve_it(stage: Stage, gateway: Attacker) -> None:
    asked = stage.call(
        "request_apply_manifest",
        "dev-approver",
        namespace=stage.namespace,
        manifest=MANIFEST.format(name="own-request", value="1"),
    )
    plan: dict[str, Any] = asked.structured_content or {}
    assert plan["approvalUrl"].startswith(stage.approvals)
    with unchanged(stage), Person(stage) as ada:
        page = ada.open(plan["approvalUrl"])
        assert "own-request" in page.text
        if any(form.action.endswith("/approve") for form in forms(page)):
            assert ada.press(page, "/approve").status_code >= HTTPStatus.BAD_REQUEST
        call = {
            "verb": "challenge",
            "plan_id": plan["planId"],
            "approver": gateway.person("dev-approver").model_dump(),
        }
        assert refused(gateway.ask(call), "four_eyes")


@pytest.mark.promise("approver-policy")
def test_an_approver_of_another_namespace_is_shown_and_approves_nothing(
    stage: Stage, gateway: Attacker
) -> None:
    plan_id = gateway.plan("wrong-namespace")
    with unchanged(stage), Person(stage, "dev-approver-2") as other:
        page = other.open(stage.page(plan_id))
        assert "wrong-namespace" not in page.text
        assert page.status_code == HTTPStatus.FORBIDDEN
        assert refused(gateway.deny(plan_id, "dev-approver-2"), "not_an_approver")


@pytest.mark.promise("plans-are-private")
def test_plans_of_others_are_like_none_however_they_are_asked_for(
    stage: Stage, gateway: Attacker
) -> None:
    plan_id = gateway.plan("private")
    with unchanged(stage):
        theirs = stage.call("apply_approved_plan", "dev-outsider", planId=plan_id)
        guesses = [plan_id[:-1] + "A", plan_id.swapcase(), "x" * len(plan_id)]
        for guess in guesses:
            nobodys = stage.call("apply_approved_plan", "dev-outsider", planId=guess)
            assert nobodys.content == theirs.content
        assert code_of(theirs) == "no_such_plan"
        for odd in ("../" + plan_id, plan_id + "\n", f"wk:plan:{plan_id}", "*"):
            assert stage.call("apply_approved_plan", "dev-outsider", planId=odd).is_error


PREFETCHING: dict[str, dict[str, str]] = {
    "a browser": {},
    "a prefetch": {"purpose": "prefetch", "sec-purpose": "prefetch;prerender"},
    "a link unfurler": {"user-agent": "Slackbot-LinkExpanding 1.0"},
    "an overriding proxy": {"x-http-method-override": "POST", "x-forwarded-host": "evil.example"},
}


@pytest.mark.promise("get-changes-nothing")
@pytest.mark.parametrize("who", PREFETCHING)
def test_no_request_but_a_posted_form_decides_anything(
    who: str, stage: Stage, gateway: Attacker
) -> None:
    plan_id = gateway.plan(f"prefetched-{len(who)}")
    with Person(stage) as ada, unchanged(stage):
        ada.open(stage.page(plan_id))
        for path in ("", "/approve", "/deny", "/approve?digest=x", "/deny?reason=x"):
            for method in ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"):
                url = stage.page(plan_id) + path
                answer = ada.browser.request(method, url, headers=PREFETCHING[who])
                assert answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
        assert gateway.apply(plan_id)["body"]["state"] == "pending"
    assert [one["event"] for one in stage.records(plan_id)] == ["plan.created"]


@pytest.mark.promise("forms-are-ours")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
        {"origin": "{gateway}", "sec-fetch-site": "same-site"},
        {"origin": "{own}", "sec-fetch-site": "cross-site"},
    ],
    ids=lambda given: " ".join(given.values()) or "none",
)
def test_a_form_that_another_page_posts_decides_nothing(
    headers: dict[str, str], stage: Stage, gateway: Attacker
) -> None:
    """With the person's cookies and a form token that is right: the gateway's own page is one."""
    plan_id = gateway.plan("posted-by-others")
    sent = {
        name: value.format(gateway=stage.record.origin, own=stage.approvals)
        for name, value in headers.items()
    }
    with Person(stage) as ada, unchanged(stage):
        page = ada.open(stage.page(plan_id))
        actions = [form for form in forms(page) if plan_id in form.action]
        assert {form.action.rpartition("/")[2] for form in actions} == {"approve", "deny"}
        for form in actions:
            answer = ada.browser.post(form.action, data=form.fields, headers=sent)
            assert answer.status_code == HTTPStatus.FORBIDDEN
        assert gateway.apply(plan_id)["body"]["state"] == "pending"


@pytest.mark.promise("dns-rebinding")
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "{other}", ""])
def test_each_origin_answers_to_its_own_name_only(host: str, stage: Stage) -> None:
    """A name that was bound to this machine, and the name of the other origin."""
    origins = {"gateway": stage.record.origin, "approvals": stage.approvals}
    for serves, origin in origins.items():
        other = origins["approvals" if serves == "gateway" else "gateway"].partition("//")[2]
        path = "/mcp" if serves == "gateway" else "/approvals"
        headers = {"host": host.format(other=other)}
        with browser() as client, unchanged(stage):
            answer = client.get(f"{origin}{path}", headers=headers)
            assert answer.status_code in {HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.BAD_REQUEST}
            assert "set-cookie" not in answer.headers


def test_neither_origin_serves_what_is_the_others(stage: Stage, gateway: Attacker) -> None:
    plan_id = gateway.plan("other-origin")
    with browser() as client, unchanged(stage):
        for path in ("/approvals", f"/approvals/{plan_id}", "/approvals/callback?code=x&state=y"):
            assert client.get(stage.record.origin + path).status_code == HTTPStatus.NOT_FOUND
        answer = client.post(
            f"{stage.approvals}/mcp",
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
            headers={"authorization": f"Bearer {stage.token()}"},
        )
        assert answer.status_code == HTTPStatus.NOT_FOUND


SPLITTING = 'x\r\n{"event": "proof.accepted", "plan": "forged"}\n\x1b[2K\x1b[1A\u202e\u2028\x00'


@pytest.mark.promise("logs-are-not-steered")
def test_what_agents_and_people_write_begins_no_line_and_steers_no_terminal(
    stage: Stage, gateway: Attacker
) -> None:
    with unchanged(stage):
        call = gateway.plan_call(
            Operation.SCALE, SPLITTING, name="nginx", replicas=3, reason=SPLITTING
        )
        plan_id = str(gateway.ask(call)["body"]["plan_id"])
        for wrong in ({"name": SPLITTING}, {"namespace": SPLITTING}):
            gateway.ask(
                gateway.plan_call(Operation.SCALE, "dev-requester", **{"replicas": 3, **wrong})
            )
        stage.call("apply_approved_plan", planId=SPLITTING)
        with browser() as client:
            client.get(f"{stage.approvals}/approvals/{plan_id}", headers={"x-request-id": "a b"})
            client.get(f"{stage.approvals}/approvals/%0d%0a%1b[2K")
    gateway.deny(plan_id, "dev-approver", SPLITTING)

    for name in WORKERS:
        assert stage.log(name), "each line is a JSON object of its own"
    for path in sorted(stage.places.logs.glob("*.log")):
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", path.read_bytes()), path
        assert not re.search(r"[\u202e\u2028\u0085]", path.read_text("utf-8")), path
    for path in _audit_logs(stage):
        assert path.read_bytes().isascii()
        assert verify(path) == ()
    assert not [one for one in stage.audit() if one.get("plan") == "forged"]


def _audit_logs(stage: Stage) -> list[Path]:
    return sorted(stage.places.state.rglob("audit.jsonl"))
