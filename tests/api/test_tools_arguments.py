"""Arguments as they come from agents: known names, strict types, defaults filled in."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.arguments import checked
from api.catalog import ENTRIES, Entry
from shared.errors import Refusal

SCHEMA: dict[str, Any] = {
    "name": {"type": "string"},
    "limit": {"type": "integer", "default": 50},
    "previous": {"type": "boolean", "default": False},
}
ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


def _refused(arguments: dict[str, object]) -> str:
    refusal = checked(SCHEMA, arguments)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "invalid_arguments"
    return refusal.message


def test_what_is_not_given_has_its_default() -> None:
    assert checked(SCHEMA, {}) == {"limit": 50, "previous": False}


def test_null_counts_as_not_given() -> None:
    assert checked(SCHEMA, {"name": None, "limit": None}) == {"limit": 50, "previous": False}


def test_what_is_given_is_kept_even_when_it_is_false_or_empty() -> None:
    given = {"name": "", "limit": 0, "previous": False}

    assert checked(SCHEMA, given) == given


def test_an_unknown_argument_is_refused_with_those_that_exist() -> None:
    assert _refused({"nmae": "web"}) == (
        "There is no argument 'nmae'. Arguments: name, limit, previous."
    )
    assert len(_refused({"x" * 5000: "web"})) < 150


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("name", 1, "string"),
        ("name", ["a"], "string"),
        ("name", {"a": 1}, "string"),
        ("limit", "5", "integer"),
        ("limit", 5.0, "integer"),
        ("limit", True, "integer"),
        ("previous", 1, "boolean"),
        ("previous", "true", "boolean"),
    ],
)
def test_a_value_of_another_type_is_refused_and_not_repeated(
    name: str, value: object, wanted: str
) -> None:
    assert _refused({name: value}) == f"Argument '{name}' must be of type {wanted}."


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
@given(data=st.data())
@settings(max_examples=15)
def test_whatever_comes_is_an_answer(entry: Entry, data: st.DataObject) -> None:
    names = st.sampled_from([*entry.arguments, "other"])

    result = checked(entry.arguments, data.draw(st.dictionaries(names, ANY, max_size=4)))

    if not isinstance(result, Refusal):
        types = {"string": str, "integer": int, "boolean": bool}
        for name, value in result.items():
            assert type(value) is types[entry.arguments[name]["type"]]
