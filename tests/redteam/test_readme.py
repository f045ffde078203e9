"""The table of attacks names every test of this folder, and no test that does not exist."""

import re
from pathlib import Path

HERE = Path(__file__).parent
_TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def written_in(folder: Path) -> set[str]:
    files = (path for path in folder.rglob("test_*.py") if path != Path(__file__))
    return {name for path in files for name in _TEST.findall(path.read_text("utf-8"))}


def named() -> list[str]:
    return re.findall(r"`(test_\w+)`", (HERE / "README.md").read_text("utf-8"))


def test_every_attack_is_in_the_table_once() -> None:
    ours = [name for name in named() if name in written_in(HERE)]

    assert sorted(ours) == sorted(written_in(HERE))


def test_the_table_names_no_test_that_does_not_exist() -> None:
    assert set(named()) <= written_in(HERE.parent)
