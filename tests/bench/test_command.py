"""The command line of the bench."""

import pytest

from bench.__main__ import main
from bench.groups import GROUPS


def test_a_group_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "reading,nothing"])

    assert "nothing" in capsys.readouterr().err


def test_every_group_has_a_name_of_its_own_and_says_what_it_is_about() -> None:
    assert len({group.name for group in GROUPS}) == len(GROUPS)
    assert all(group.about for group in GROUPS)
