"""Which mutants come of which code: what decides is changed, words for people are left alone."""

import ast
from textwrap import dedent

import pytest

from tests.mutation.operators import mutants


def made_of(source: str) -> list[str]:
    return [mutant.change for mutant in mutants(dedent(source))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", ["Lt → LtE", "Lt → GtE"]),
        ("a >= b", ["GtE → Gt", "GtE → Lt"]),
        ("a == b", ["Eq → NotEq"]),
        ("a is not b", ["IsNot → Is"]),
        ("a in b", ["In → NotIn"]),
        ("a < b == c", ["Lt → LtE", "Lt → GtE", "Eq → NotEq"]),
        ("a and b", ["and → or"]),
        ("a or b", ["or → and"]),
        ("not a", ["not dropped"]),
        ("a + b", ["Add → Sub"]),
        ("a = True", ["True → False"]),
        ("a = 7", ["7 → 8"]),
        ("a = 'ab'", ["'ab' → 'abX'"]),
        ("a = b'ab'", ["b'ab' → b'abX'"]),
        ("a = b if c else d", ["condition negated"]),
        ("while a: b", ["condition negated"]),
        ("f(a)", ["removed: f(a)"]),
        ("raise a", ["removed: raise a"]),
        ("a = [b for b in c if d]", ["filter dropped"]),
        ("def f(): return a", ["return None"]),
    ],
)
def test_what_decides_is_changed(source: str, expected: list[str]) -> None:
    assert made_of(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring."""',
        "import a",
        "a: int",
        "__all__ = ['a']",
        "@dataclass(slots=True)\nclass A: pass",
        "a = Refusal(message='whatever')",
        "a = 'a whole sentence'",
        "def f() -> None: return None",
    ],
)
def test_what_is_for_people_or_for_the_type_checker_is_left_alone(source: str) -> None:
    assert made_of(source) == []


def test_a_mutant_differs_from_the_module_in_one_place_and_says_on_which_line() -> None:
    source = "def f(a, b):\n    if a < b:\n        return a\n    return b\n"

    changed = [(mutant.line, ast.unparse(mutant.tree)) for mutant in mutants(source)]

    assert changed == [
        (2, "def f(a, b):\n    if a <= b:\n        return a\n    return b"),
        (2, "def f(a, b):\n    if a >= b:\n        return a\n    return b"),
        (3, "def f(a, b):\n    if a < b:\n        return None\n    return b"),
        (4, "def f(a, b):\n    if a < b:\n        return a\n    return None"),
    ]
