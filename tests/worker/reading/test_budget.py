"""Results within their bytes: nothing is lost in silence, nothing grows beyond."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from worker.reading.budget import fitted, last_lines_within, lines_within, shortened


def test_what_fits_is_left_alone() -> None:
    dump = {"pods": [{"name": "a"}], "notes": []}

    assert fitted(dump, 1000) == (dump, False)


def test_lists_are_cut_to_one_length_so_that_short_ones_stay() -> None:
    rows = [{"name": f"pod-{number}"} for number in range(1000)]
    dump = {
        "pods": {"total": 1000, "truncated": False, "items": rows},
        "services": {"total": 1, "truncated": False, "items": [{"name": "web"}]},
        "findings": [{"code": "x"}],
    }

    fit, was_cut = fitted(dump, 2000)

    assert was_cut
    assert len(json.dumps(fit, separators=(",", ":"))) <= 2000
    assert fit["pods"]["truncated"]
    assert 50 < len(fit["pods"]["items"]) < 1000
    assert fit["services"] == dump["services"]
    assert fit["findings"] == [{"code": "x"}]
    assert len(rows) == 1000


def test_long_texts_go_before_anything_else() -> None:
    assert shortened({"a": ["x" * 50]}, 10) == {"a": ["x" * 9 + "…"]}


_rows = st.lists(st.dictionaries(st.sampled_from("abc"), st.text(max_size=300)), max_size=40)


@given(_rows, _rows, st.integers(2_000, 20_000))
def test_rows_always_fit_and_are_a_prefix(pods: list[Any], events: list[Any], budget: int) -> None:
    fit, was_cut = fitted({"pods": pods, "events": events}, budget)

    assert len(json.dumps(fit, ensure_ascii=False, separators=(",", ":")).encode()) <= budget
    assert was_cut == (len(fit["pods"]) < len(pods) or len(fit["events"]) < len(events))


@given(st.text(alphabet="ab\n…", max_size=200), st.integers(1, 100))
def test_lines_are_kept_from_the_start(text: str, budget: int) -> None:
    kept = lines_within(text, budget)

    assert text.startswith(kept)
    assert len(kept.encode()) <= budget


@given(st.text(alphabet="ab\n…", max_size=200), st.integers(4, 100))
def test_lines_are_kept_from_the_end(text: str, budget: int) -> None:
    kept = last_lines_within(text, budget)

    assert text.endswith(kept)
    assert len(kept.encode()) <= budget
