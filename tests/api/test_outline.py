"""Values as lines for people."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from api.outline import outline
from shared.manifests import JSON

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def _text(value: JSON) -> str:
    return "\n".join(outline(value))


def test_an_object_reads_like_yaml() -> None:
    value: JSON = {
        "image": "nginx:1.27",
        "args": ["-g"],
        "env": [],
        "memory": "128Mi",
        "m": {"a": 1},
    }

    assert list(outline(value)) == [
        "image: nginx:1.27",
        "args:",
        '  - "-g"',
        "env: []",
        "memory: 128Mi",
        "m:",
        "  a: 1",
    ]


def test_a_string_that_could_pass_for_something_else_is_quoted() -> None:
    for text in (
        "true",
        "No",
        "1",
        "1.5",
        "",
        "null",
        "a: b",
        "- a",
        "|",
        "{}",
        '"',
        "a:",
        "0x1f",
        "1e3",
        "1_0",
    ):
        assert _text(text) == json.dumps(text)


def test_a_text_of_several_lines_is_a_block() -> None:
    assert _text("x\ny") == "|-\nx\ny"
    assert _text({"a": "x\ny\n", "b": "x\ny"}) == "a: |\n  x\n  y\nb: |-\n  x\n  y"


@given(VALUES, VALUES)
@settings(max_examples=60)
def test_different_values_never_look_the_same(one: JSON, other: JSON) -> None:
    if json.dumps(one, sort_keys=False) != json.dumps(other, sort_keys=False):
        assert _text(one) != _text(other)
