"""`infragate audit` and `infragate keys` find the files of the stack, whether it runs or not."""

from pathlib import Path

import pytest

from dev.cli import main
from dev.stack.opening import claimed
from dev.stack.places import Places, write_record
from dev.stack.redis_users import prepare
from dev.stack.trail import trails
from shared.audit import AuditLog
from shared.settings import WorkerSettings
from worker.anchoring import Anchoring
from worker.keys import load_keys


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """What a stack leaves behind: keys, one record and its anchor."""
    places = Places(state=tmp_path)
    prepare(places)
    write_record(places, claimed(places, gateway_port=0, issuer_port=0))
    trail = trails(tmp_path)[0]
    keys = load_keys(WorkerSettings(keys_root=trail.keys_root))
    log = AuditLog(trail.audit_root, lambda: 1_800_000_000.0)
    log.record("plan.denied", plan="p1", iss="i", sub="ada")
    assert keys.anchor is not None
    anchoring = Anchoring(log, trail.anchors, keys.anchor, worker="here", clock=lambda: 1.0)
    assert anchoring.anchor()
    return tmp_path


def test_the_log_of_the_stack_is_checked(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "verify", "--state", str(state)]) == 0
    assert "checked 1 records, 1 anchors" in capsys.readouterr().out


def test_a_story_is_told_from_the_log_of_the_stack(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["audit", "show", "p1", "--state", str(state)]) == 0
    assert "ada (i) denied it" in capsys.readouterr().out


def test_the_keys_of_the_stack_are_shown_and_rotated_in_their_folder(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "rotate", "receipt", "--state", str(state)]) == 0
    assert main(["keys", "show", "--state", str(state)]) == 0
    assert str(trails(state)[0].keys_root / "receipt.key.1") in capsys.readouterr().out
    assert main(["audit", "verify", "--state", str(state)]) == 0


def test_a_named_folder_wins_over_the_stack(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "own"
    assert main(["keys", "make", "--role", "plan", "--to", str(folder)]) == 0
    assert main(["keys", "show", "--keys", str(folder), "--state", str(state)]) == 0
    assert "receipt" not in capsys.readouterr().out


def test_where_no_stack_ever_ran_the_environment_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFRA_GATE_GUARD_AUDIT_ROOT", str(tmp_path / "audit"))
    monkeypatch.setenv("INFRAGATE_STATE", str(tmp_path / "nowhere"))
    assert trails(None) == ()
    assert main(["audit", "verify"]) == 2
    assert str(tmp_path / "audit") in capsys.readouterr().err


@pytest.mark.parametrize("command", [["audit", "verify"], ["keys", "show"]])
def test_a_named_state_without_a_stack_is_not_replaced_by_something_else(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, "--state", str(tmp_path / "nowhere")]) == 2
    assert "No stack was ever started" in capsys.readouterr().err
