"""Whoever owns the approval pages: the approval client's key, its Redis user, people's browsers.

This is the one place where something can be changed, within bounds that are shown here: what the
person really signed in for, once, where it is sealed and theirs to approve; and it is told.
"""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import redis

from dev.login_driver import browser
from shared.digests import words
from shared.messages import RollbackCall
from shared.plans import Operation
from tests.cluster.conftest import eventually
from tests.journeys.person import Person
from tests.redteam.attackers import Attacker, owner_of, redis_root, refused
from tests.redteam.overwriting import edited, our_seal
from tests.redteam.provider import PagesOwner, Visit
from tests.redteam.rollback import overwrite
from tests.redteam.stage import Stage
from tests.redteam.watching import creating, unchanged, written

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
owned = pytest.mark.promise("owned-approvals-bounded")


@pytest.fixture(scope="module")
def pages(stage: Stage) -> Iterator[Attacker]:
    with owner_of(stage, "approvals") as attacker:
        yield attacker


@pytest.fixture
def owner(stage: Stage) -> PagesOwner:
    return PagesOwner(stage=stage)


@pytest.fixture
def ada() -> Iterator[httpx2.Client]:
    """The approver's browser."""
    with browser() as it:
        yield it


def silent(owner: PagesOwner, nonce: str, victim: httpx2.Client, prompt: str) -> str | None:
    """A login in which the person is asked nothing; None where the provider insists on asking."""
    url, verifier = owner.begin(nonce, **({"prompt": prompt} if prompt else {}))
    answer = victim.get(url)
    location = answer.headers.get("location", "")
    return owner.redeem(location, verifier) if "code=" in location else None


@owned
def test_without_a_login_nothing_is_approved(
    stage: Stage, pages: Attacker, owner: PagesOwner, ada: httpx2.Client
) -> None:
    signed = pages.challenge(pages.plan("no-login"))
    with unchanged(stage):
        assert silent(owner, signed.statement.nonce(), ada, "none") is None
        assert refused(pages.prove(signed, "a.b.c"), "token_encoding", "token_header")
        assert pages.apply(signed.statement.plan_id)["body"]["state"] == "pending"


@owned
def test_the_pages_may_bind_another_plan_to_a_login_but_one_only_and_it_is_told(
    stage: Stage, pages: Attacker, owner: PagesOwner, ada: httpx2.Client
) -> None:
    """Left open, and bounded: Ada believes that she approves one plan, and approves another."""
    shown, meant = pages.plan("shown-to-ada"), pages.plan("bound-to-her-login")
    for_shown, for_meant = pages.challenge(shown), pages.challenge(meant)
    with unchanged(stage, logins=1):
        token = owner.login(for_meant.statement.nonce(), ada, "dev-approver", prompt="login")
        assert pages.prove(for_meant, token)["body"]["state"] == "approved"
        # The provider signs her in again without asking: for the same login, so it is spent.
        again = silent(owner, for_shown.statement.nonce(), ada, "none")
        assert again is not None
        assert refused(pages.prove(for_shown, again), "proof_replayed")
        assert pages.apply(shown)["body"]["state"] == "pending"
    notice = _told(stage, meant, "approved")
    assert notice["words"] == words(for_meant.statement.plan_digest)
    assert notice["by"]["sub"] == "dev-approver"
    assert "bound-to-her-login" in str(notice["summary"])
    assert notice["link"] == stage.page(meant)
    with written(stage, *creating("bound-to-her-login")):
        assert pages.apply(meant)["body"]["state"] == "applied"
    assert _told(stage, meant, "applied")["words"] == notice["words"]
    with Person(stage, "dev-approver") as person:
        assert "bound-to-her-login" in person.open(stage.page(meant)).text


def _told(stage: Stage, plan_id: str, event: str) -> dict[str, Any]:
    """What the notices' receiver heard from an applier, whose address the pages do not know."""

    def heard() -> list[dict[str, Any]]:
        return [one for one in stage.notices() if (one["plan"], one["event"]) == (plan_id, event)]

    eventually(heard, within_s=20)
    assert "INFRA_GATE_NOTICE_URL" not in stage.environment("approvals")
    return heard()[0]


@owned
def test_a_plan_outside_the_approvers_policy_is_not_bound_to_their_login(
    stage: Stage, pages: Attacker, owner: PagesOwner, ada: httpx2.Client
) -> None:
    """An operation that is another approver's: no statement in her name, and none for her."""
    plan_id = pages.planned(Operation.RESTART, "dev-requester", name="nginx")
    with unchanged(stage):
        call = {"verb": "challenge", "plan_id": plan_id, "approver": _person(stage)}
        assert refused(pages.ask(call), "not_an_approver")
        theirs = pages.challenge(plan_id, "dev-approver-2")
        token = owner.login(theirs.statement.nonce(), ada, "dev-approver", prompt="login")
        assert refused(pages.prove(theirs, token), "proof_of_somebody_else")
        assert pages.apply(plan_id)["body"]["state"] == "pending"


@owned
@pytest.mark.promise("rollback-is-a-plan")
def test_a_rollback_that_the_pages_ask_for_is_one_more_plan_that_nobody_approved(
    stage: Stage, pages: Attacker
) -> None:
    plan_id = pages.plan("undone-by-owned-pages")
    stage.approve(plan_id)
    assert pages.apply(plan_id)["body"]["state"] == "applied"
    with unchanged(stage):
        outsider = RollbackCall(plan_id=plan_id, approver=pages.person("dev-outsider"))
        assert refused(pages.ask(outsider), "not_an_approver")
        ada = RollbackCall(plan_id=plan_id, approver=pages.person("dev-approver"))
        made = pages.ask(ada)["body"]["plan_id"]
        assert pages.apply(made)["body"]["state"] == "pending"
        assert pages.ask(ada)["body"]["plan_id"] == made  # however often they ask


@owned
def test_a_login_for_one_plan_is_worth_nothing_for_another_one(
    stage: Stage, pages: Attacker, owner: PagesOwner, ada: httpx2.Client
) -> None:
    one, other = pages.challenge(pages.plan("login-for")), pages.challenge(pages.plan("not-for"))
    with unchanged(stage):
        token = owner.login(one.statement.nonce(), ada, "dev-approver", prompt="login")
        assert refused(pages.prove(other, token), "proof_nonce")
        other_id = other.statement.plan_id
        assert refused(pages.prove(one, token, plan_id=other_id), "statement_of_another_plan")


@owned
@pytest.mark.parametrize("subject", ["dev-approver-2", "dev-outsider", "dev-requester"])
def test_the_login_of_another_person_approves_nothing(
    subject: str, stage: Stage, pages: Attacker, owner: PagesOwner
) -> None:
    signed = pages.challenge(pages.plan(f"login-of-{subject}"))
    with unchanged(stage), browser() as theirs:
        token = owner.login(signed.statement.nonce(), theirs, subject, prompt="login")
        assert refused(pages.prove(signed, token), "proof_of_somebody_else")
        assert pages.apply(signed.statement.plan_id)["body"]["state"] == "pending"


@owned
def test_a_plan_that_is_not_sealed_is_not_bound_to_a_login(
    stage: Stage, pages: Attacker, owner: PagesOwner, ada: httpx2.Client
) -> None:
    """Even together with whoever owns Redis."""
    plan_id = pages.plan("not-sealed")
    signed = pages.challenge(plan_id)
    with redis_root(stage) as root, unchanged(stage):
        token = owner.login(signed.statement.nonce(), ada, "dev-approver", prompt="login")
        overwrite(root, plan_id, **our_seal(edited(root.stored(plan_id)[b"document"])))
        assert refused(pages.prove(signed, token), "plan_seal_broken")
        assert refused(pages.apply(plan_id), "plan_seal_broken")


@owned
def test_a_login_stays_spent_even_where_redis_is_made_to_forget_it(
    stage: Stage, pages: Attacker, owner: PagesOwner, ada: httpx2.Client
) -> None:
    """Together with whoever owns Redis: the provider signs again for the login, asking nobody."""
    one, other = (
        pages.challenge(pages.plan("spent-on")),
        pages.challenge(pages.plan("not-spent-on")),
    )
    with redis_root(stage) as root, unchanged(stage, logins=1):
        token = owner.login(one.statement.nonce(), ada, "dev-approver", prompt="login")
        assert pages.prove(one, token)["body"]["state"] == "approved"
        root.redis.delete(*root.redis.scan_iter("wk:spent:*"))
        again = silent(owner, other.statement.nonce(), ada, "none")
        assert again is not None
        assert refused(pages.prove(other, again), "proof_replayed")
        assert pages.apply(other.statement.plan_id)["body"]["state"] == "pending"


@owned
def test_its_redis_user_writes_no_plan_and_reads_no_proof(pages: Attacker) -> None:
    plan_id = pages.plan("pages-acl")
    for command in (
        ("HSET", f"wk:plan:{plan_id}", "state", "approved"),
        ("DEL", "wk:spent:x"),
        ("BLMPOP", "1", "1", "q:sandbox.apply", "RIGHT"),
        ("RPUSH", "r:somebody", "{}"),
        ("MONITOR",),
        ("FLUSHALL",),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            pages.run(*command)


@owned
@pytest.mark.parametrize("prompt", ["none", ""])
def test_a_login_from_before_approves_nothing_though_the_provider_asks_nobody(
    prompt: str, stage: Stage, pages: Attacker, owner: PagesOwner, visit: Visit
) -> None:
    """The pages leave `prompt` and `max_age` away: what counts is when the person signed in."""
    visit.until_long_ago()
    plan_id = pages.plan(f"stripped{prompt}")
    signed = pages.challenge(plan_id)
    with unchanged(stage):
        token = silent(owner, signed.statement.nonce(), visit.browser, prompt)
        assert token is not None
        assert refused(pages.prove(signed, token), "proof_not_fresh")
        assert pages.apply(plan_id)["body"]["state"] == "pending"


def _person(stage: Stage) -> dict[str, str]:
    return {"iss": stage.record.issuer, "sub": "dev-approver"}
