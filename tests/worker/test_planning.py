"""What a fresh plan is called."""

from pathlib import Path

import pytest

from tests.worker.applying_stage import make_stage


def test_a_plans_id_is_no_option_to_a_command_line(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = ["-dashed", "--help", "plain"]
    monkeypatch.setattr("worker.planning.secrets.token_urlsafe", lambda _bytes: drawn.pop(0))

    plan = make_stage(redis_url, tmp_path).plan("one")

    assert plan.id == "plain"
