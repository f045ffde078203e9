"""Whoever owns the approval pages meets an approver who trusts none: `infragate approve`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.stack.approval import pinned
from shared.digests import words
from tests.cluster.conftest import eventually
from tests.journeys.terminals import Terminal, terminal
from tests.redteam.attackers import Attacker, owner_of
from tests.redteam.stage import Stage
from tests.redteam.swapping import swapping
from tests.redteam.watching import unchanged

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
trusts_none = pytest.mark.promise("terminal-trusts-no-page")
DISTRUST = 3


@pytest.fixture(scope="module")
def pages(stage: Stage) -> Iterator[Attacker]:
    with owner_of(stage, "approvals") as attacker:
        yield attacker


@pytest.fixture
def config(stage: Stage, tmp_path: Path) -> Path:
    """What the approver got from the operator, by a way that leads through nobody else."""
    pins = pinned(
        stage.record, [stage.places.of_role(name).keys for name in ("planner", "applier")]
    )
    file = tmp_path / "terminal.conf"
    file.touch(mode=0o600)
    file.write_text(
        f"INFRA_GATE_OAUTH_AUTHORITY={pins.oauth_authority}\n"
        f"INFRA_GATE_SEAL_PUBLIC_KEYS={','.join(pins.seal_public_keys)}\n"
        f"INFRA_GATE_RECEIPT_PUBLIC_KEYS={','.join(pins.receipt_public_keys)}\n"
        f"INFRA_GATE_PROOF_PUBLIC_KEY={pins.proof_public_key}\n"
    )
    return file


def words_of(pages: Attacker, plan_id: str) -> str:
    return words(pages.stored(plan_id)[b"digest"].decode())


def approving(plan_id: str, config: Path, approvals: str) -> list[str]:
    options = ["--config", str(config), "--approvals", approvals, "--no-browser"]
    return [sys.executable, "-m", "api.terminal", plan_id, *options]


@trusts_none
def test_a_terminal_of_the_approvers_own_shows_the_plan_that_is_approved(
    stage: Stage, pages: Attacker
) -> None:
    """And the notice, on its own way, tells the same words."""
    plan_id = pages.plan("in-a-terminal")
    state = ["--state", str(stage.places.state)]
    command = [sys.executable, "-m", "dev.cli", "approve", plan_id, "--no-browser", *state]
    with unchanged(stage, logins=1), terminal(command) as it:
        _approve(it)
        assert it.end() == 0, it.said

    assert words_of(pages, plan_id) in it.said
    assert "in-a-terminal" in it.said

    def told() -> list[object]:
        return [
            one["words"]
            for one in stage.notices()
            if (one["plan"], one["event"]) == (plan_id, "approved")
        ]

    eventually(told, within_s=20)
    assert told() == [words_of(pages, plan_id)]


def _approve(it: Terminal) -> None:
    it.sign_in()
    it.until("Type approve, deny or nothing")
    it.type("approve")
    it.sign_in()


@trusts_none
def test_another_plan_in_place_of_the_one_that_was_asked_for_is_not_shown(
    stage: Stage, pages: Attacker, config: Path
) -> None:
    asked, other = pages.plan("asked-in-terminal"), pages.plan("swapped-in-terminal")

    def swap(path: str, body: bytes) -> tuple[str, bytes]:
        return path.replace(asked, other), body

    with unchanged(stage), swapping(stage.approvals, swap) as approvals:
        with terminal(approving(asked, config, approvals)) as it:
            it.sign_in()
            assert it.end() == DISTRUST, it.said
        assert "swapped-in-terminal" not in it.said
        for plan_id in (asked, other):
            assert pages.apply(plan_id)["body"]["state"] == "pending"


@trusts_none
def test_a_challenge_for_another_plan_leads_to_no_login(
    stage: Stage, pages: Attacker, config: Path
) -> None:
    """The page is honest until Approve is chosen, then it asks the applier about another plan."""
    asked, other = pages.plan("asked-honestly"), pages.plan("challenged-instead")
    digests = [pages.stored(plan_id)[b"digest"] for plan_id in (asked, other)]

    def swap(path: str, body: bytes) -> tuple[str, bytes]:
        if not path.endswith("/challenge"):
            return path, body
        return path.replace(asked, other), body.replace(digests[0], digests[1])

    with unchanged(stage), swapping(stage.approvals, swap) as approvals:
        with terminal(approving(asked, config, approvals)) as it:
            it.sign_in()
            it.until("Type approve, deny or nothing")
            it.type("approve")
            assert it.end() == DISTRUST, it.said
        assert it.said.count("Open:") == 1, "a second login was asked for"
        for plan_id in (asked, other):
            assert pages.apply(plan_id)["body"]["state"] == "pending"
