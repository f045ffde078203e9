"""The tool notices what tests do not: a small tree of its own, with a test that leaves a hole."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.targets import ROOT, TARGETS

MODULE = '''\
"""A rule."""

LIMIT = 10


def refused(number: int) -> bool:
    return number > LIMIT
'''
NO_RULES = {"__init__.py", "field_table.py", "in_words.py"}
"""What only exports; what is data, held to its fixtures; what tells of rules and decides none."""

RUN = """
import sys
from pathlib import Path
from tests.mutation.__main__ import main
from tests.mutation.targets import Tests

target = Tests(quick=("tests/test_rule.py",), slow=tuple(sys.argv[2:]))
sys.exit(main(["shared/rule.py"], source=Path(sys.argv[1]), targets={"shared/rule.py": target}))
"""
HEAD = "from shared.rule import refused\n\n\n"
NO_HOLE = "def test_rule(): assert (refused(10), refused(11)) == (False, True)\n"
HOLE = "def test_rule(): assert (refused(9), refused(12)) == (False, True)\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one module and no test yet."""
    for folder in ("shared", "tests"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "shared" / "rule.py").write_text(MODULE)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def mutated(tree: Path, quick: str, slow: str = "") -> subprocess.CompletedProcess[str]:
    (tree / "tests" / "test_rule.py").write_text(HEAD + quick)
    (tree / "tests" / "test_more.py").write_text(HEAD + slow)
    command = [sys.executable, "-c", RUN, str(tree), *(["tests/test_more.py"] if slow else [])]
    return subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=100
    )


def test_a_mutant_that_no_test_notices_is_named_and_makes_the_run_fail(tree: Path) -> None:
    run = mutated(tree, HOLE)

    assert run.returncode == 1, run.stderr
    assert run.stdout.splitlines() == [
        "  survived shared/rule.py:3: 10 → 11    | LIMIT = 10",
        "  survived shared/rule.py:7: Gt → GtE    | return number > LIMIT",
        "shared/rule.py: 2 of 4 killed (50.0%)",
        "all: 2 of 4 killed (50.0%)",
    ]


@pytest.mark.parametrize(("quick", "slow"), [(NO_HOLE, ""), (HOLE, NO_HOLE)], ids=["quick", "slow"])
def test_a_run_whose_mutants_are_all_noticed_by_quick_or_slow_tests_passes(
    tree: Path, quick: str, slow: str
) -> None:
    run = mutated(tree, quick, slow)

    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "all: 4 of 4 killed (100.0%)"
    assert (tree / "shared" / "rule.py").read_text() == MODULE


def test_tests_that_fail_without_any_mutant_prove_nothing(tree: Path) -> None:
    run = mutated(tree, "def test_rule(): assert refused(10)\n")

    assert run.returncode == 1
    assert "its tests fail without any mutant" in run.stderr
    assert "killed" not in run.stdout


def test_every_target_and_its_tests_are_there() -> None:
    named = {name for tests in TARGETS.values() for name in (*tests.quick, *tests.slow)}

    assert [name for name in sorted({*TARGETS, *named}) if not (ROOT / name).exists()] == []


def test_every_rule_of_the_guardrails_is_under_mutation() -> None:
    rules = {path.name for path in (ROOT / "shared" / "guardrails").glob("*.py")}

    assert {f"shared/guardrails/{name}" for name in rules - NO_RULES} <= TARGETS.keys()
