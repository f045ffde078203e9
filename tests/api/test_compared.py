"""Two values as one outline: nothing is lost, and what did not change is recognised."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from api.compared import MAX_COMPARED, compared
from shared.manifests import JSON

KEYS = st.sampled_from(["name", "image", "env", "data", "a b"])
LEAVES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "a\nb", "a\nc", "1"])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
).map(lambda value: json.loads(json.dumps(value, sort_keys=True)))
"""Sealed values are canonical: their keys are sorted."""


def lines(old: JSON, new: JSON) -> list[str]:
    return [f"{line.sign} {line.text}" for line in compared(old, new)]


def one_side(old: JSON, new: JSON, sign: str) -> list[str]:
    return [line.text for line in compared(old, new) if line.sign in {" ", sign}]


@given(old=VALUES, new=VALUES)
@settings(max_examples=200)
def test_each_side_alone_is_the_whole_value(old: JSON, new: JSON) -> None:
    assert one_side(old, new, "-") == one_side(old, old, "-")
    assert one_side(old, new, "+") == one_side(new, new, "+")


@given(value=VALUES)
@settings(max_examples=50)
def test_what_is_the_same_has_no_signs(value: JSON) -> None:
    assert {line.sign for line in compared(value, value)} == {" "}


@given(old=VALUES, new=VALUES)
@settings(max_examples=200)
def test_a_mark_is_where_two_lines_differ(old: JSON, new: JSON) -> None:
    found = list(compared(old, new))
    gone = [line for line in found if line.sign == "-" and line.mark]
    came = [line for line in found if line.sign == "+" and line.mark]

    assert len(gone) == len(came)
    for before, after in zip(gone, came, strict=True):
        assert before.mark is not None
        assert after.mark is not None
        assert before.text[: before.mark[0]] == after.text[: after.mark[0]]
        assert before.text[before.mark[1] :] == after.text[after.mark[1] :]


def test_true_is_not_one() -> None:
    assert lines({"a": True}, {"a": 1}) == ["- a: true", "+ a: 1"]


def test_items_are_told_apart_by_their_names() -> None:
    web: JSON = {"name": "web", "image": "nginx:1"}
    log: JSON = {"name": "log", "image": "fluent:1"}

    assert lines([web], [log, {"name": "web", "image": "nginx:2"}]) == [
        "+ - name: log",
        "+   image: fluent:1",
        "  - name: web",
        "-   image: nginx:1",
        "+   image: nginx:2",
    ]


def test_what_leads_to_a_change_says_so() -> None:
    old: JSON = {"spec": {"template": {"image": "a"}, "other": 1}}
    new: JSON = {"spec": {"template": {"image": "b"}, "other": 1}}

    assert [line.text for line in compared(old, new) if line.leads] == ["spec:", "  template:"]


def test_look_alikes_are_not_cut_from_their_neighbours() -> None:
    """`visible` knows them by the ASCII around them."""
    assert all(line.mark is None for line in compared({"host": "paypal"}, {"host": "p\u0430ypal"}))


def test_texts_too_long_to_compare_are_shown_whole() -> None:
    old = "\n".join(f"old {number}" for number in range(MAX_COMPARED))
    new = "\n".join(f"new {number}" for number in range(MAX_COMPARED))

    told = lines(f"same\n{old}\nend", f"same\n{new}\nend")

    assert told[:2] == ["  |-", "  same"]
    assert [line[0] for line in told[2:-1]] == ["-"] * MAX_COMPARED + ["+"] * MAX_COMPARED
    assert told[-1] == "  end"
