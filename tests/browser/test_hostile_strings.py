"""Every string of a hostile corpus in every field that can carry one, in a real Chromium."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from shared.approvals import Receipt, SignedReceipt
from shared.digests import plan_digest
from shared.outcomes import ObjectOutcome, Outcome, Rollout, Verdict, Written
from shared.plans import (
    MAX_REASON_LENGTH,
    Action,
    Identity,
    Intent,
    Note,
    Plan,
    Requester,
    RiskNote,
    State,
)
from tests.api.stage import changed_object, make_object
from tests.browser.conftest import Site, Watch, clock, sign_in
from tests.browser.hostile import HOSTILE, hidden_characters
from tests.browser.plans import fresh_plan

pytestmark = pytest.mark.browser

PARTS = 8

SHOWN = """() => [...document.querySelectorAll('*')].flatMap((e) => [
  ...[...e.attributes].map((a) => a.value),
  ...[...e.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data),
]).join('\\n')"""
"""All text of the document and all values of attributes."""

FOREIGN = """() => [...document.querySelectorAll('*')].filter((e) =>
  [...e.attributes].some((a) => a.name.startsWith('on') || a.name === 'style')
  || ['SCRIPT', 'IFRAME', 'OBJECT', 'EMBED', 'BASE', 'STYLE', 'SVG', 'MATH', 'VIDEO', 'AUDIO']
     .includes(e.tagName.toUpperCase()) && !(e.src || '').includes('/approvals/static/live.js?')
  || (e.tagName === 'META' && e.httpEquiv)
  || [e.href, e.src, e.action, e.formAction].some((u) =>
     typeof u === 'string' && u && new URL(u).origin !== location.origin)
).map((e) => e.outerHTML)"""
"""Elements that no page of ours has: they would come out of a string."""


def full_of(text: str, name: str) -> Plan:
    """A plan with `text` wherever a cluster, an agent or a person can put one."""
    note = Note(code=text, message=text, severity="critical")
    before: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "labels": {text: text}},
        "data": {text: text, "kept": text},
    }
    changed = changed_object(before, {**before, "data": {text: text + text, text + "2": text}})
    made = make_object(
        api_version=text, kind=text, name=text, uid=text, intent=Intent(verb="apply", body=[text])
    )
    return fresh_plan(
        name,
        namespace=text,
        summary=text,
        objects=(changed, made),
        findings=(note,),
        warnings=(text,),
        managers=(text,),
        touched=(note,),
        requester=Requester(iss=text, sub=text, client_id=text, assurance="gateway-asserted"),
        reason=text[:MAX_REASON_LENGTH],
        risk=RiskNote(level="high", reasons=(note,)),
    )


@pytest.mark.timeout(300)
@pytest.mark.promise("hostile-text-is-visible")
@pytest.mark.parametrize("part", range(PARTS))
def test_hostile_text_runs_nothing_and_hides_nothing_in_any_field(
    page: Page, site: Site, watch: Watch, part: int
) -> None:
    sign_in(page, site)
    for number, text in enumerate(HOSTILE[part::PARTS]):
        plan = site.workers.add(full_of(text, f"corpus-{part}-{number}"))
        page.goto(f"{site.base}/approvals/{plan.id}")

        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        _nothing_came_of(text, page, watch)

    page.goto(f"{site.base}/approvals")
    _nothing_came_of("the inbox", page, watch)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(PARTS))
def test_hostile_words_of_a_decision_and_an_outcome_run_nothing(
    page: Page, site: Site, watch: Watch, part: int
) -> None:
    sign_in(page, site)
    for number, text in enumerate(HOSTILE[part::PARTS]):
        plan = site.workers.add(fresh_plan(f"ended-{part}-{number}"))
        site.workers.record(
            plan.id, State.FAILED, **_ended_with(text), receipt=_receipt(plan, text)
        )
        page.goto(f"{site.base}/approvals/{plan.id}")

        expect(page.locator(".proof")).to_have_count(1)
        _nothing_came_of(text, page, watch)


def _ended_with(text: str) -> dict[str, str]:
    outcome = Outcome(
        objects=(
            ObjectOutcome(
                kind=text,
                name=text,
                action=Action.UPDATE,
                result=Written.REFUSED,
                message=text,
            ),
        ),
        rollouts=(Rollout(deployment=text, verdict=Verdict.FAILED, message=text),),
        findings=(Note(code=text, message=text, severity="critical"),),
        changed_since=(text,),
        message=text,
        code=text,
    )
    return {
        "outcome": outcome.model_dump_json(),
        "decided_by": json.dumps({"iss": text, "sub": text}),
        "decided_reason": text,
        "decided_at": str(clock()),
    }


def _receipt(plan: Plan, text: str) -> str:
    """What Redis may hold of an approval: nobody checked its signature yet."""
    receipt = Receipt(
        plan_id=plan.id,
        plan_digest=plan_digest(plan.document()),
        approver=Identity(iss=text, sub=text),
        auth_time=clock(),
        proof_sha256=text,
        key_thumbprint=text,
        policy_sha256=text,
        verified_at=clock(),
        apply_before=clock() + 900,
        groups=(text,),
        passkey=text,
    )
    return SignedReceipt(receipt=receipt, signature=text).model_dump_json()


def _nothing_came_of(text: str, page: Page, watch: Watch) -> None:
    assert page.evaluate("window.ran") is None, text
    assert page.evaluate(FOREIGN) == [], text
    assert hidden_characters(page.evaluate(SHOWN)) == set(), text
    assert (watch.violations, watch.foreign, watch.dialogs) == ([], [], []), text
