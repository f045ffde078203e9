"""Changed values as blocks of lines: what stays in sight, what folds, and that nothing is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.changed_lines import CONTEXT_LINES, FOLD_LINES, PREVIEW_LINES, ShownChange, change
from shared.plans import PlannedChange

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "x" * 500]), max_size=120).map("\n".join)


def shown(old: object, new: object, *, open_all: bool = False) -> ShownChange:
    planned = PlannedChange.model_validate({"path": "data", "op": "change", "old": old, "new": new})
    return change(planned, open_all=open_all)


def texts(it: ShownChange, *signs: str) -> list[str]:
    return [line.text for block in it.blocks for line in block.lines if line.sign in signs]


@given(old=TEXTS, new=TEXTS, open_all=st.booleans())
@settings(max_examples=40)
def test_folding_leaves_nothing_out_and_hides_nothing_of_high_risk(
    old: str, new: str, open_all: bool
) -> None:
    it = shown(old, new, open_all=open_all)

    assert texts(it, "-", " ") == texts(shown(old, old), " ")
    assert texts(it, "+", " ") == texts(shown(new, new), " ")
    assert all(block.label for block in it.blocks if block.folded)
    assert not (open_all and any(block.folded for block in it.blocks))


def test_a_change_in_a_long_text_stays_in_sight_with_its_neighbors() -> None:
    old = [f"option_{number}" for number in range(200)]
    new = [*old[:100], "changed", *old[101:]]

    it = shown("\n".join(old), "\n".join(new))

    mark, *seen = [line.text for block in it.blocks if not block.folded for line in block.lines]
    assert mark == "|-"
    around = old[100 - CONTEXT_LINES : 101]
    assert seen == [*around, "changed", *old[101 : 101 + CONTEXT_LINES]]
    labels = [block.label for block in it.blocks if block.folded]
    assert labels == ["98 lines unchanged", "97 lines unchanged"]


def test_an_ordinary_object_is_seen_whole() -> None:
    it = shown(None, [f"line {number}" for number in range(FOLD_LINES - 1)])

    assert not any(block.folded for block in it.blocks)


def test_a_very_long_value_shows_its_beginning_and_how_much_is_left() -> None:
    it = shown(None, [f"line {number:03}" for number in range(300)])

    (first, rest) = it.blocks
    assert len(first.lines) == PREVIEW_LINES
    assert (rest.folded, rest.label) == (True, "261 more lines, 3,132 characters")


def test_one_enormous_line_folds_whole() -> None:
    it = shown("x", "y" * 100_000)

    assert [block.label for block in it.blocks if block.folded] == [
        "1 more line, 100,000 characters"
    ]


@pytest.mark.parametrize(
    ("op", "told"), [("add", "The whole new object"), ("remove", "The whole object, as it is now")]
)
def test_a_whole_object_has_words_for_a_path(op: str, told: str) -> None:
    planned = PlannedChange.model_validate({"path": "", "op": op, "old": {"a": 1}, "new": {"a": 1}})

    assert change(planned, open_all=False).path == told
