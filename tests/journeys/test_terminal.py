"""An approver decides in a terminal of their own: `infragate approve`, with real processes."""

import sys
from pathlib import Path
from typing import Any

import pytest

from dev.stack.approval import pinned
from tests.journeys.live import JWT, Live, started
from tests.journeys.terminals import terminal

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


def _command(live: Live, plan: str) -> list[str]:
    state = str(live.places.state)
    return [sys.executable, "-m", "dev.cli", "approve", plan, "--no-browser", "--state", state]


def _state(live: Live, plan: dict[str, Any]) -> dict[str, Any]:
    return live.run(lambda agent: agent.facts("apply_approved_plan", planId=plan["planId"]))


def test_a_plan_is_read_approved_in_a_terminal_and_applied(live: Live) -> None:
    wanted = live.other_replicas()
    plan = live.plan_to_scale(reason="because \u202eof traffic")

    with terminal(_command(live, plan["approvalUrl"])) as it:
        it.sign_in()
        it.until("Type approve, deny or nothing")
        for words in (plan["words"], plan["digest"], "written by the agent, not verified"):
            assert words in it.said
        assert "<U+202E>" in it.said
        it.type("approve")
        it.sign_in()
        code = it.end()

    assert (code, JWT.search(it.said)) == (0, None), it.said
    assert "\x1b" not in it.said
    live.heard.append(it.said)
    assert "Approved: the applier's signed receipt" in it.said
    assert _state(live, plan)["status"] == "applied"
    assert live.replicas() == wanted


def test_somebody_else_who_signs_in_to_approve_approves_nothing(live: Live) -> None:
    plan = live.plan_to_scale()

    with terminal(_command(live, plan["planId"])) as it:
        it.sign_in()
        it.until("Type approve")
        it.type("approve")
        it.sign_in("dev-approver-2")
        code = it.end()

    assert code == 1
    assert "Somebody else signed in" in it.said
    assert _state(live, plan)["status"] == "approval_required"


def test_a_plan_is_denied_in_a_terminal_without_a_second_sign_in(live: Live) -> None:
    plan = live.plan_to_scale()

    with terminal(_command(live, plan["planId"])) as it:
        it.sign_in()
        it.until("Type approve")
        it.type("deny")
        it.until("Why?")
        it.type("not today")
        code = it.end()

    assert code == 0, it.said
    assert _state(live, plan)["status"] == "denied"


def test_with_a_file_of_pins_a_plan_is_read_screen_by_screen_and_left_alone(
    live: Live, tmp_path: Path
) -> None:
    plan = live.plan_to_scale()
    pins = pinned(live.record, [live.places.state / "keys"])
    config = tmp_path / "terminal.conf"
    config.touch(mode=0o600)
    config.write_text(
        f"INFRA_GATE_OAUTH_AUTHORITY={pins.oauth_authority}\n"
        f"INFRA_GATE_SEAL_PUBLIC_KEYS={','.join(pins.seal_public_keys)}\n"
        f"INFRA_GATE_RECEIPT_PUBLIC_KEYS={','.join(pins.receipt_public_keys)}\n"
        f"INFRA_GATE_PROOF_PUBLIC_KEY={pins.proof_public_key}\n"
    )
    given = ["--config", str(config), "--approvals", live.record.origin, "--no-browser"]
    screens = 0

    with terminal([sys.executable, "-m", "api.terminal", plan["planId"], *given], lines=16) as it:
        it.sign_in()
        while it.until("press Enter --|Type approve, deny or nothing")[0].startswith("press"):
            screens += 1
            it.type("")
        it.type("nothing")
        code = it.end()

    assert (code, screens > 1) == (1, True), it.said
    assert "Nothing was decided." in it.said
    assert _state(live, plan)["status"] == "approval_required"


def test_where_each_process_has_its_own_a_terminal_approves_all_the_same(tmp_path: Path) -> None:
    with started(tmp_path, strict=True) as apart:
        plan = apart.plan_to_scale()
        with terminal(_command(apart, plan["approvalUrl"])) as it:
            it.sign_in()
            it.until("Type approve")
            it.type("approve")
            it.sign_in()
            code = it.end()
        told = _state(apart, plan)

    assert (code, told["status"]) == (0, "applied"), it.said
    assert apart.record.approvals != apart.record.origin


def test_a_stack_that_never_ran_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dev.cli", "approve", "x", "--state", str(tmp_path)]

    with terminal(command) as it:
        code = it.end()

    assert code == 2
    assert "infragate up" in it.said
