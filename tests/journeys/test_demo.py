"""`infragate demo` keeps its word: on its own stack, on one that runs, and again on the same."""

import tempfile
from pathlib import Path

import pytest

from tests.journeys.stacks import infragate, running

pytestmark = [pytest.mark.stack, pytest.mark.real_redis, pytest.mark.timeout("400")]

STEPS = (
    "Look around",
    "Diagnose broken-image",
    "image_pull_failed",
    "Request a fix",
    "approval_required",
    "simulated browser",
    "the page shows the same words",
    "signed in afresh for exactly this plan",
    "applied, rollout complete",
    "findings: none",
    "answered with the recorded result",
    "Everything went as promised",
)


def test_on_a_stack_of_its_own_the_whole_story_goes_as_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)

    done = infragate("demo", "--own")

    assert done.returncode == 0, done.stdout + done.stderr
    positions = [done.stdout.find(step) for step in STEPS]
    assert -1 not in positions
    assert positions == sorted(positions)
    assert list(tmp_path.glob("infragate-demo-*")) == []


def test_on_a_running_stack_it_can_be_played_again_and_again(tmp_path: Path) -> None:
    with running(tmp_path / "state") as up:
        first = infragate("demo", "--state", up.state)
        second = infragate("demo", "--state", up.state)

    assert (first.returncode, second.returncode) == (0, 0), first.stdout + second.stdout
    assert up.record.mcp in first.stdout
    assert "Break it again" not in first.stdout
    assert "Break it again" in second.stdout


def test_a_promise_that_is_not_kept_makes_it_fail(tmp_path: Path) -> None:
    with running(tmp_path / "state") as up:
        up.places.policy.write_text("approvers: []\n")  # nobody may approve, from the next start
        up.interrupt()
    with running(tmp_path / "state") as up:
        done = infragate("demo", "--state", up.state)

    assert done.returncode == 1
    assert "not as promised" in done.stdout
    assert "The demo failed" in done.stdout
