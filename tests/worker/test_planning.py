"""What a fresh plan is called, and that none is made for nobody."""

from pathlib import Path

import pytest

from shared.errors import CallerLeft
from tests.worker.applying_stage import make_stage
from worker import errands
from worker.errands import Errand


def test_a_plans_id_is_no_option_to_a_command_line(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = ["-dashed", "--help", "plain"]
    monkeypatch.setattr("worker.planning.secrets.token_urlsafe", lambda _bytes: drawn.pop(0))

    plan = make_stage(redis_url, tmp_path).plan("one")

    assert plan.id == "plain"


@pytest.mark.promise("leaving-stops-no-apply")
def test_a_plan_for_which_nobody_waits_any_more_is_not_sealed(
    redis_url: str, tmp_path: Path
) -> None:
    stage = make_stage(redis_url, tmp_path)

    with errands.on(Errand(is_given_up=lambda: True)), pytest.raises(CallerLeft):
        stage.plan("one")

    assert stage.world.redis.keys("wk:plan*") == []
    assert not stage.world.context.audit.path.exists()
