"""The people's door: what pages show, which POSTs count, and that a GET changes nothing."""

import re
from collections.abc import Iterator

import pytest

from api.rendering import Templates
from shared.errors import ClusterUnreachable, QueueFull, RedisUnavailable, WorkerTimeout
from shared.manifests import Object
from shared.messages import ChallengeCall, DenyCall, ProofCall
from shared.outcomes import ObjectOutcome, Outcome, Rollout, Verdict, Written
from shared.plans import (
    Action,
    ClusterRef,
    Intent,
    Note,
    Operation,
    Plan,
    PlannedChange,
    Requester,
    RiskNote,
    State,
)
from tests.api.stage import (
    ADA,
    BASE,
    ISSUER,
    NOW,
    Stage,
    changed_object,
    make_object,
    make_plan,
    staged,
)

OUR_SCRIPT = f'src="{Templates().assets["live.js"].address}" defer>'
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'--><svg/onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{7*7}}{% raw %}",
    "a\u202eb\u200bc\u2066d",
    "\x1b[31mred\x00",
    "\u0440aypal",
)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with staged() as stage:
        yield stage


@pytest.fixture
def plan(stage: Stage) -> Plan:
    """A waiting plan, and somebody who is signed in and may approve it."""
    stage.sign_in()
    return stage.workers.add(make_plan())


# -- what is shown


def test_the_plan_page_shows_everything_that_is_sealed(stage: Stage, plan: Plan) -> None:
    page = stage.browser.get(f"/approvals/{plan.id}").text

    for shown in (
        plan.summary,
        "mcp-nginx-demo",
        "simulated cluster",
        "Deployment",
        ">change<",
        "spec.replicas",
        "<del>",
        "<ins>",
        "All nodes are in one zone.",
        "spec.x is deprecated",
        "Low risk",
        "Two more Pods are started.",
        "dev-requester",
        "codex",
        "The gateway says so",
        "Written by the agent, not verified",
        "Traffic has doubled since noon.",
        "kubectl-client-side-apply",
        "in 58 minutes",
        "21 Sep 2026, 15:11:20 UTC",
        "path: /spec/replicas",
        plan.policy_sha256,
    ):
        assert shown in page, shown


def test_digest_and_words_are_recomputed_from_the_sealed_bytes(stage: Stage, plan: Plan) -> None:
    stage.workers.redis.hset(f"wk:plan:{plan.id}", "digest", "sha256:" + "0" * 64)

    page = stage.browser.get(f"/approvals/{plan.id}").text

    stored = stage.workers.store.load(plan.id)
    assert stored is not None
    assert stored.sealed.digest in page
    assert re.search(r'class="words"[^>]*>(\w+ ){5}\w+<', page)


@pytest.mark.promise("only-sealed-plans-are-shown")
def test_a_plan_with_a_bad_seal_is_not_rendered(stage: Stage, plan: Plan) -> None:
    forged = make_plan(summary="harmless, really")
    stage.workers.redis.hset(f"wk:plan:{plan.id}", "document", forged.document())

    answer = stage.browser.get(f"/approvals/{plan.id}")

    assert answer.status_code == 500
    assert "cannot be trusted" in answer.text
    assert "harmless" not in answer.text


def test_a_sealed_plan_under_another_id_is_not_rendered(stage: Stage, plan: Plan) -> None:
    """Whoever owns Redis puts one sealed plan in the place of another."""
    raw = stage.workers.redis.hgetall(f"wk:plan:{plan.id}")
    stage.workers.redis.hset("wk:plan:another", mapping=raw)  # type: ignore[arg-type]  # bytes

    assert stage.browser.get("/approvals/another").status_code == 500


def test_the_inbox_lists_waiting_plans_first_and_names_what_it_cannot_show(stage: Stage) -> None:
    stage.sign_in()
    old = stage.workers.add(make_plan(id="old", summary="old one", created_at=NOW - 900))
    stage.workers.add(make_plan(id="new", summary="new one"))
    denied = stage.workers.add(make_plan(id="denied", summary="denied one", created_at=NOW - 5))
    stage.workers.record(denied.id, State.DENIED)
    stage.workers.add(make_plan(id="bad", summary="bad one"))
    stage.workers.redis.hset("wk:plan:bad", "seal", "AAAA")

    page = stage.browser.get("/approvals").text

    order = [page.index(text) for text in ("one</strong>", "denied one")]
    assert order == sorted(order)
    assert "bad one" not in page
    assert "<code>bad</code>" in page
    assert old.id in page


def test_an_empty_inbox_explains_itself(stage: Stage) -> None:
    stage.sign_in()

    assert "Nothing waits." in stage.browser.get("/approvals").text


def test_long_values_fold_but_are_there_and_high_risk_is_unfolded(stage: Stage) -> None:
    stage.sign_in()
    text = "\n".join(f"line {number}" for number in range(100))
    change = PlannedChange(path='data["a.txt"]', op="add", new=text)
    objects = (make_object(changes=(change,)),)
    stage.workers.add(make_plan(id="low", objects=objects))
    stage.workers.add(make_plan(id="high", objects=objects, risk=RiskNote(level="high")))

    low = stage.browser.get("/approvals/low").text
    high = stage.browser.get("/approvals/high").text

    assert "line 99" in low
    assert "<details>\n<summary>61 more lines" in low
    assert "<details open>\n<summary>61 more lines" in high


def test_an_object_is_shown_before_and_after_with_what_leads_to_each_change(stage: Stage) -> None:
    """Live to result as one outline: changed lines, their parents, the rest folded."""
    stage.sign_in()
    before: Object = {
        "apiVersion": "v1",
        "data": {"a": "1", "mode": "slow"},
        "kind": "ConfigMap",
        "metadata": {"labels": {f"l{n}": "x" for n in range(9)}, "name": "web"},
    }
    after: Object = {**before, "data": {"a": "1", "mode": "fast"}}
    plan = stage.workers.add(make_plan(objects=(changed_object(before, after),)))

    page = stage.browser.get(f"/approvals/{plan.id}").text

    assert "<del>  mode: <b>slow</b></del>\n<ins>  mode: <b>fast</b></ins>" in page
    assert "<div>data:</div>" in page
    assert "<summary>14 lines unchanged</summary>" in page
    assert "<li><code>data.mode</code> <span><del>slow</del>" in page


def test_an_object_that_the_plan_does_not_hold_whole_is_shown_path_by_path(stage: Stage) -> None:
    stage.sign_in()
    before: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}}
    changed = changed_object(before, {**before, "data": {"a": "1"}})
    plan = stage.workers.add(make_plan(objects=(changed.model_copy(update={"before": None}),)))

    page = stage.browser.get(f"/approvals/{plan.id}").text

    assert "<h4><code>data</code></h4>" in page


@pytest.mark.promise("drift-is-told")
def test_a_page_says_before_the_click_that_the_cluster_has_changed(
    stage: Stage, plan: Plan
) -> None:
    before = stage.browser.get(f"/approvals/{plan.id}").text
    stage.workers.changed = ("Deployment/nginx: changed since the plan was made",)

    page = stage.browser.get(f"/approvals/{plan.id}").text
    pressed = stage.browser.press(f"/approvals/{plan.id}", "/approve")

    assert "The cluster has changed since this plan was made" not in before
    assert "The cluster has changed since this plan was made" in page
    assert "Deployment/nginx: changed since the plan was made" in page
    assert '<button class="primary" disabled' in page
    assert pressed.status_code == 409
    assert stage.workers.calls == []


def test_that_nobody_could_check_the_cluster_is_said_and_stops_nobody(
    stage: Stage, plan: Plan
) -> None:
    stage.workers.fault = ClusterUnreachable("The API server does not answer.")

    page = stage.browser.get(f"/approvals/{plan.id}").text

    assert "could not be checked just now" in page
    assert '<button class="primary">' in page


def test_a_plan_that_has_ended_is_not_checked_any_more(stage: Stage, plan: Plan) -> None:
    stage.workers.record(plan.id, State.DENIED)

    assert "could not be checked" not in stage.browser.get(f"/approvals/{plan.id}").text
    assert stage.workers.rechecks == []


def test_beside_the_button_stands_how_much_its_reader_approved_lately(stage: Stage) -> None:
    first = stage.workers.add(make_plan(id="first"))
    stage.sign_in()
    stage.approve(first)
    second = stage.workers.add(make_plan(id="second", expires_at=NOW + 200_000))

    today = stage.browser.get(f"/approvals/{second.id}").text
    stage.clock.now += 24 * 60 * 60 + 1
    stage.sign_in()
    tomorrow = stage.browser.get(f"/approvals/{second.id}").text

    assert "You have approved 1 plan in the last 24 hours." in today
    assert "You have approved" not in tomorrow


@pytest.mark.promise("hostile-text-is-visible")
def test_every_hostile_string_is_text_and_its_hidden_characters_are_seen(stage: Stage) -> None:
    stage.sign_in()
    hostile = " ".join(HOSTILE)
    note = Note(code=hostile, message=hostile, severity="critical")
    plan = make_plan(
        cluster=ClusterRef(name="local", id=hostile, ca_sha256=hostile),
        namespace=hostile,
        summary=hostile,
        objects=(
            make_object(
                api_version=hostile,
                kind=hostile,
                name=hostile,
                uid=hostile,
                intent=Intent(verb="apply", body={hostile: [hostile]}),
                changes=(PlannedChange(path=hostile, op="change", old={hostile: 1}, new=hostile),),
            ),
        ),
        findings=(note,),
        warnings=(hostile,),
        managers=(hostile,),
        requester=Requester(iss=hostile, sub=hostile, client_id=hostile, assurance="verified"),
        reason=hostile,
        risk=RiskNote(level="high", reasons=(note,)),
        policy_sha256=hostile,
    )
    stage.workers.add(plan)
    outcome = Outcome(
        objects=(
            ObjectOutcome(
                kind=hostile, name=hostile, action=Action.UPDATE, result=Written.REFUSED,
                message=hostile,
            ),
        ),
        rollouts=(Rollout(deployment=hostile, verdict=Verdict.FAILED, message=hostile),),
        findings=(note,),
        changed_since=(hostile,),
        message=hostile,
        code=hostile,
    )  # fmt: skip
    stage.workers.record(
        plan.id,
        State.FAILED,
        outcome=outcome.model_dump_json(),
        decided_by=f'{{"iss": "{ISSUER}", "sub": "<script>x</script>"}}',
        decided_reason=hostile,
        decided_at=str(NOW),
    )

    for path in (f"/approvals/{plan.id}", "/approvals"):
        page = stage.browser.get(path).text
        tags = re.findall(r"<[a-zA-Z/!][^<>]*>", page.replace(f"<script {OUR_SCRIPT}", ""))
        assert not [tag for tag in tags if re.match(r"<(script|img src=x|svg)|.*\son\w+=", tag)]
        assert "{{7*7}}{% raw %}" in page
        assert "<U+202E>" not in page
        assert page.count("&lt;U+202E&gt;") >= 3
        assert not set(page) & set("\u202e\u200b\u2066\x1b\x00")


def test_templates_trust_no_string() -> None:
    loader = Templates()._environment.loader
    assert loader is not None
    for name in loader.list_templates():
        source = loader.get_source(Templates()._environment, name)[0]
        assert "|safe" not in source.replace(" ", "")
        ours = {"passkey.html": "passkey", "enroll.html": "passkey", "live.html": "live"}
        if name in ours:  # one script, and nothing in its place
            ours_alone = f"<script src=\"{{{{ assets['{ours[name]}.js'] }}}}\" defer></script>"
            source = source.replace(ours_alone, "", 1)
        assert not re.search(r"autoescape|<script|<style|\sstyle=|\son[a-z]+=", source), name


def test_the_outcome_of_an_applied_plan_is_shown(stage: Stage, plan: Plan) -> None:
    outcome = Outcome(
        objects=(
            ObjectOutcome(
                kind="Deployment", name="nginx", action=Action.UPDATE, result=Written.WRITTEN
            ),
        ),
        rollouts=(
            Rollout(
                deployment="nginx",
                verdict=Verdict.COMPLETE,
                desired=4,
                updated=4,
                ready=4,
                available=3,
            ),
        ),
    )
    stage.workers.record(plan.id, State.APPLIED, outcome=outcome.model_dump_json())

    page = stage.browser.get(f"/approvals/{plan.id}").text

    assert "changed</span> <div><strong>Deployment nginx</strong>" in page
    assert "4 of 4 Pods ready, 4 updated, 3 available" in page
    assert 'id="decide"' not in page


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (Verdict.FAILED, "Applied, but the rollout failed"),
        (Verdict.PROGRESSING, "Applied, rollout not finished"),
        (Verdict.COMPLETE, ">Applied</span>"),
    ],
)
def test_a_rollout_that_failed_is_not_shown_as_a_success(
    stage: Stage, plan: Plan, verdict: Verdict, told: str
) -> None:
    outcome = Outcome(objects=(), rollouts=(Rollout(deployment="nginx", verdict=verdict),))
    stage.workers.record(plan.id, State.APPLIED, outcome=outcome.model_dump_json())

    assert told in stage.browser.get(f"/approvals/{plan.id}").text
    assert told in stage.browser.get("/approvals").text


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_page(stage: Stage, plan: Plan, state: State) -> None:
    stage.workers.record(plan.id, state)

    assert stage.browser.get(f"/approvals/{plan.id}").status_code == 200
    assert stage.browser.get("/approvals").status_code == 200


@pytest.mark.parametrize("operation", list(Operation))
@pytest.mark.parametrize("action", list(Action))
def test_every_operation_and_action_has_a_page(
    stage: Stage, operation: Operation, action: Action
) -> None:
    stage.sign_in()
    changed = make_object(action=action, changes=())
    plan = stage.workers.add(make_plan(operation=operation, objects=(changed,)))

    assert stage.browser.get(f"/approvals/{plan.id}").status_code == 200


def test_an_expired_plan_cannot_be_decided(stage: Stage, plan: Plan) -> None:
    stage.clock.now = plan.expires_at

    page = stage.browser.get(f"/approvals/{plan.id}").text

    assert "Expired" in page
    assert 'id="decide"' not in page


def test_in_development_every_page_says_what_is_not_covered(stage: Stage, plan: Plan) -> None:
    for path in ("/approvals/login", "/approvals", f"/approvals/{plan.id}", "/approvals/none"):
        assert "not covered in this mode" in stage.browser.get(path).text


def test_pages_of_their_own_origin_do_not_say_so() -> None:
    with staged(base_url="https://approvals.example") as stage:
        assert "not covered" not in stage.browser.get("/approvals/login").text


def test_static_files_have_their_type_and_nothing_else_is_served(stage: Stage) -> None:
    css = stage.browser.get("/approvals/static/approvals.css")

    assert css.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in css.headers["cache-control"]
    assert len(css.content) < 20_000
    for name in ("..%2fpages.py", "%2e%2e/pages.py", "none.css", "../templates/base.html"):
        assert stage.browser.get(f"/approvals/static/{name}").status_code in {404, 303}


# -- approving


def test_an_approval_is_a_fresh_login_that_commits_to_the_statement(
    stage: Stage, plan: Plan
) -> None:
    departure = stage.browser.press(f"/approvals/{plan.id}", "/approve")
    (request,) = stage.provider.pushed.values()

    assert stage.browser.location(departure).startswith(f"{ISSUER}/authorize?")
    assert request["scope"] == "openid"
    assert (request["prompt"], request["max_age"]) == ("login", "0")
    assert request["claims"] == '{"id_token": {"auth_time": {"essential": true}}}'
    assert stage.workers.state(plan) is State.PENDING

    answer = stage.browser.get(stage.provider.sign_in(stage.browser.location(departure)))

    assert answer.headers["location"] == f"/approvals/{plan.id}"
    assert stage.workers.state(plan) is State.APPROVED
    proof = stage.workers.calls[-1]
    assert isinstance(proof, ProofCall)
    assert proof.signed.statement.nonce() == request["nonce"]


def test_after_the_approval_the_page_says_who_and_until_when(stage: Stage, plan: Plan) -> None:
    stage.approve(plan)

    page = stage.browser.get(f"/approvals/{plan.id}").text

    assert "Approved, not applied yet" in page
    assert "Approved by <strong>dev-approver</strong>" in page
    assert "in 15 minutes" in page
    assert 'Revoke<span class="wide"> the approval</span>' in page


@pytest.mark.promise("no-tokens-anywhere")
def test_the_id_token_lies_nowhere_in_the_clear(
    stage: Stage, plan: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    minted: list[str] = []
    original = stage.provider.id_token

    def remembering(request: dict[str, object]) -> str:
        minted.append(original(request))
        return minted[-1]

    monkeypatch.setattr(stage.provider, "id_token", remembering)
    stage.approve(plan)
    (token,) = minted

    everything = [stage.workers.redis.dump(key) for key in stage.workers.redis.keys("*")]
    assert token.encode() not in b"".join(part for part in everything if part)
    assert token not in caplog.text
    assert token not in str(stage.workers.calls[-1])


def test_a_replayed_callback_of_an_approval_is_refused(stage: Stage, plan: Plan) -> None:
    departure = stage.browser.press(f"/approvals/{plan.id}", "/approve")
    back = stage.provider.sign_in(stage.browser.location(departure))
    stage.browser.get(back)
    proofs = len(stage.workers.calls)

    assert stage.browser.get(back).status_code == 400
    assert len(stage.workers.calls) == proofs


def test_an_approval_ends_in_the_session_in_which_it_began(stage: Stage, plan: Plan) -> None:
    departure = stage.browser.press(f"/approvals/{plan.id}", "/approve")
    stage.sign_in("somebody-else")

    answer = stage.browser.get(stage.provider.sign_in(stage.browser.location(departure)))

    assert answer.status_code == 403
    assert "signed in as somebody else" in answer.text
    assert stage.workers.state(plan) is State.PENDING


def test_an_approval_by_another_persons_login_is_refused(stage: Stage, plan: Plan) -> None:
    answer = stage.approve(plan, sub="dev-outsider")

    assert answer.status_code == 403
    assert "Somebody else signed in" in answer.text
    assert stage.workers.state(plan) is State.PENDING


@pytest.mark.promise("looking-is-for-approvers")
def test_a_plan_is_shown_to_its_requester_and_its_approvers_only(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())
    shown = {}

    for person in ("dev-outsider", "dev-requester", ADA):
        stage.sign_in(person)
        shown[person] = (
            stage.browser.get(f"/approvals/{plan.id}").status_code,
            plan.id in stage.browser.get("/approvals").text,
        )

    assert shown == {
        "dev-outsider": (403, False),
        "dev-requester": (200, True),
        ADA: (200, True),
    }


def test_the_requester_who_is_no_approver_is_shown_no_buttons(stage: Stage) -> None:
    stage.sign_in("dev-requester")
    plan = stage.workers.add(make_plan())

    page = stage.browser.get(f"/approvals/{plan.id}").text

    assert "The decision is not yours" in page
    assert f"{plan.id}/approve" not in page
    assert f"{plan.id}/deny" not in page


def test_who_is_no_approver_any_more_is_told_so_before_signing_in_again(
    stage: Stage, plan: Plan
) -> None:
    form = stage.browser.form(f"/approvals/{plan.id}", "/approve")
    stage.workers.approvers.clear()

    answer = stage.browser.post(form.action, form.fields)

    assert answer.status_code == 403
    assert "You may not decide this" in answer.text
    assert not stage.provider.pushed


def test_an_old_login_does_not_approve(stage: Stage, plan: Plan) -> None:
    stage.provider.bend = {"auth_time": NOW - 60}

    assert stage.approve(plan).status_code == 403
    assert stage.workers.state(plan) is State.PENDING


def test_a_statement_about_another_plan_is_not_signed_in_to(stage: Stage, plan: Plan) -> None:
    """Whoever owns the queue answers the challenge for plan A with a statement about plan B."""
    other = stage.workers.add(make_plan(id="other", summary="delete everything"))
    honest = stage.workers._challenge

    def about_other(call: ChallengeCall) -> object:
        return honest(call.model_copy(update={"plan_id": other.id}))

    stage.workers._challenge = about_other  # type: ignore[assignment,method-assign]  # the attack

    answer = stage.browser.press(f"/approvals/{plan.id}", "/approve")

    assert answer.status_code == 500
    assert not stage.provider.pushed


def test_a_plan_that_changed_under_the_page_is_not_approved(stage: Stage, plan: Plan) -> None:
    form = stage.browser.form(f"/approvals/{plan.id}", "/approve")
    stage.workers.add(make_plan(summary="another plan"))

    answer = stage.browser.post(form.action, form.fields)

    assert answer.status_code == 409
    assert not stage.workers.calls


def test_high_risk_is_approved_only_with_its_namespace_typed(stage: Stage) -> None:
    stage.sign_in()
    plan = stage.workers.add(make_plan(risk=RiskNote(level="high")))
    page = f"/approvals/{plan.id}"

    assert stage.browser.press(page, "/approve", namespace="default").status_code == 422
    assert not stage.workers.calls
    assert stage.approve(plan, namespace=plan.namespace).status_code == 303
    assert stage.workers.state(plan) is State.APPROVED


# -- denying and revoking


def test_a_denial_carries_its_reason_and_needs_no_new_login(stage: Stage, plan: Plan) -> None:
    answer = stage.browser.press(f"/approvals/{plan.id}", "/deny", reason=" not on Friday ")

    assert answer.headers["location"] == f"/approvals/{plan.id}"
    assert stage.workers.state(plan) is State.DENIED
    call = stage.workers.calls[-1]
    assert isinstance(call, DenyCall)
    assert call.reason == "not on Friday"
    assert "not on Friday" in stage.browser.get(f"/approvals/{plan.id}").text


def test_an_approval_can_be_taken_back(stage: Stage, plan: Plan) -> None:
    stage.approve(plan)

    stage.browser.press(f"/approvals/{plan.id}", "/deny")

    assert stage.workers.state(plan) is State.REVOKED
    assert "Approval taken back" in stage.browser.get(f"/approvals/{plan.id}").text


def test_a_reason_that_is_too_long_is_refused(stage: Stage, plan: Plan) -> None:
    answer = stage.browser.press(f"/approvals/{plan.id}", "/deny", reason="x" * 501)

    assert answer.status_code == 422
    assert not stage.workers.calls


# -- who may post


@pytest.mark.promise("forms-are-ours")
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:3011"},
        {"origin": "null"},
        {"origin": None},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
    ids=str,
)
@pytest.mark.parametrize("ending", ["/approve", "/deny", "/logout"])
def test_a_form_from_elsewhere_does_nothing(
    stage: Stage, plan: Plan, ending: str, headers: dict[str, str | None]
) -> None:
    form = stage.browser.form(f"/approvals/{plan.id}", ending)

    answer = stage.browser.post(form.action, form.fields, headers)

    assert answer.status_code == 403
    assert "Nothing was done" in answer.text
    assert not stage.workers.calls
    assert stage.browser.get("/approvals").status_code == 200


@pytest.mark.parametrize("ending", ["/approve", "/deny", "/logout"])
@pytest.mark.parametrize("token", [None, "", "x" * 43, "é"])
def test_a_form_without_its_token_does_nothing(
    stage: Stage, plan: Plan, ending: str, token: str | None
) -> None:
    form = stage.browser.form(f"/approvals/{plan.id}", ending)
    sent = {name: v for name, v in form.fields.items() if name != "form_token"}
    sent |= {} if token is None else {"form_token": token}

    assert stage.browser.post(form.action, sent or {"a": "b"}).status_code == 403
    assert not stage.workers.calls


@pytest.mark.promise("forms-are-ours")
def test_the_token_of_one_form_does_not_fit_another(stage: Stage, plan: Plan) -> None:
    deny = stage.browser.form(f"/approvals/{plan.id}", "/deny")
    approve = stage.browser.form(f"/approvals/{plan.id}", "/approve")
    sent = approve.fields | {"form_token": deny.fields["form_token"]}

    assert stage.browser.post(approve.action, sent).status_code == 403


def test_a_token_of_an_earlier_session_does_not_fit(stage: Stage, plan: Plan) -> None:
    form = stage.browser.form(f"/approvals/{plan.id}", "/deny")
    stage.sign_in()

    assert stage.browser.post(form.action, form.fields).status_code == 403
    assert not stage.workers.calls


@pytest.mark.parametrize(
    "body",
    [b"digest=a&digest=b", b"a", b"a=%ff", b"a=" + b"x" * 20_000, b"\xff=1", b"&" * 40],
    ids=["twice", "no value", "not UTF-8", "too long", "not ASCII", "too many"],
)
def test_a_form_that_cannot_be_read_does_nothing(stage: Stage, plan: Plan, body: bytes) -> None:
    answer = stage.browser.http.post(
        f"/approvals/{plan.id}/deny",
        content=body,
        headers={
            "origin": "http://127.0.0.1:3001",
            "content-type": "application/x-www-form-urlencoded",
        },
    )

    assert answer.status_code == 400
    assert not stage.workers.calls


def test_json_and_multipart_are_no_forms(stage: Stage, plan: Plan) -> None:
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain"):
        answer = stage.browser.http.post(
            f"/approvals/{plan.id}/deny",
            content=b"{}",
            headers={"origin": "http://127.0.0.1:3001", "content-type": kind},
        )
        assert answer.status_code == 400
    assert not stage.workers.calls


def test_who_is_not_signed_in_sees_nothing_and_decides_nothing(stage: Stage) -> None:
    plan = stage.workers.add(make_plan())

    for path in ("/approvals", f"/approvals/{plan.id}", "/approvals/none"):
        answer = stage.browser.get(path)
        assert answer.status_code == 303
        assert "/approvals/login?next=" in answer.headers["location"]
        assert plan.summary not in answer.text
    for action in ("approve", "deny"):
        answer = stage.browser.post(f"/approvals/{plan.id}/{action}", {"a": "b"})
        assert answer.headers["location"].startswith("/approvals/login?next=")
    assert not stage.workers.calls


@pytest.mark.promise("get-changes-nothing")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_never_changes_anything(stage: Stage, plan: Plan, method: str) -> None:
    before = {key: stage.workers.redis.dump(key) for key in stage.workers.redis.keys("wk:*")}
    logins = set(stage.workers.redis.keys("gw:*"))

    for path in (
        "/approvals",
        "/approvals/login",
        f"/approvals/{plan.id}",
        f"/approvals/{plan.id}/approve",
        f"/approvals/{plan.id}/deny",
        "/approvals/logout",
        "/approvals/callback",
        "/approvals/callback?state=x&code=y",
    ):
        stage.browser.http.request(method, path)

    after = {key: stage.workers.redis.dump(key) for key in stage.workers.redis.keys("wk:*")}
    assert after == before
    assert set(stage.workers.redis.keys("gw:*")) == logins
    assert not stage.workers.calls
    assert not stage.provider.pushed


def test_approve_and_deny_cannot_be_got(stage: Stage, plan: Plan) -> None:
    for action in ("approve", "deny"):
        answer = stage.browser.get(f"/approvals/{plan.id}/{action}")
        assert stage.browser.location(answer) == f"{BASE}/approvals/{plan.id}"

    assert stage.workers.state(plan) is State.PENDING
    assert not stage.workers.calls


# -- when something does not work


@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        (WorkerTimeout("Too slow."), 504, "did not answer in time"),
        (QueueFull("Too many."), 503, "Nothing was lost"),
        (RedisUnavailable("Gone."), 503, "Nothing was lost"),
    ],
)
def test_a_fault_is_a_page_that_says_what_to_do(
    stage: Stage, plan: Plan, fault: WorkerTimeout, status: int, says: str
) -> None:
    form = stage.browser.form(f"/approvals/{plan.id}", "/deny")
    stage.workers.fault = fault

    answer = stage.browser.post(form.action, form.fields)

    assert answer.status_code == status
    assert says in answer.text
    assert answer.headers["retry-after"] == "5"


def test_without_redis_every_page_says_not_now(stage: Stage, plan: Plan) -> None:
    stage.server.connected = False
    try:
        answer = stage.browser.get(f"/approvals/{plan.id}")
    finally:
        stage.server.connected = True

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


def test_without_a_planner_no_seal_can_be_checked_in_development(stage: Stage, plan: Plan) -> None:
    stage.workers.running = False

    answer = stage.browser.get(f"/approvals/{plan.id}")

    assert answer.status_code == 503
    assert "No worker is running" in answer.text
    assert "seal cannot be checked" in stage.browser.get("/approvals").text


def test_a_provider_that_is_down_stops_an_approval_before_it_begins(
    stage: Stage, plan: Plan
) -> None:
    form = stage.browser.form(f"/approvals/{plan.id}", "/approve")
    stage.provider.down = True
    stage.clock.now += 700

    answer = stage.browser.post(form.action, form.fields)

    assert answer.status_code == 503
    assert "Nothing was decided" in answer.text
    assert stage.workers.state(plan) is State.PENDING


def test_a_plan_that_is_not_there_is_a_404(stage: Stage) -> None:
    stage.sign_in()

    for plan_id in ("none", "a" * 65, "%20", "%00"):
        assert stage.browser.get(f"/approvals/{plan_id}").status_code == 404


def test_an_address_at_which_nothing_is_has_a_page_that_says_so(stage: Stage) -> None:
    for path in ("no/such/page", "history/x"):
        answer = stage.browser.get(f"/approvals/{path}")
        assert answer.status_code == 404
        assert "There is no such page" in answer.text
