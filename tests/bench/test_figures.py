"""What the bench's table says of a figure."""

import pytest

from bench.figures import (
    Better,
    Budget,
    Figure,
    Judged,
    Measure,
    Unit,
    Verdict,
    per_second,
    seconds,
    size,
    times,
)


def figure(ours: float, reference: float | None, budget: Budget | None) -> Figure:
    return Figure(
        group="g",
        name="it",
        ours=seconds(ours),
        reference=None if reference is None else seconds(reference),
        budget=budget,
    )


@pytest.mark.parametrize(
    ("ours", "verdict"), [(2.9, Verdict.MET), (3.0, Verdict.MET), (3.1, Verdict.NOT_MET)]
)
def test_lower_is_better_unless_the_budget_says_otherwise(ours: float, verdict: Verdict) -> None:
    assert figure(ours, 1.0, Budget(limit=3.0)).verdict is verdict


@pytest.mark.parametrize(
    ("ours", "verdict"), [(3.9, Verdict.NOT_MET), (4.0, Verdict.MET), (9.0, Verdict.MET)]
)
def test_a_budget_can_ask_for_at_least_so_much(ours: float, verdict: Verdict) -> None:
    assert figure(ours, 1.0, Budget(limit=4.0, better=Better.HIGHER)).verdict is verdict


def test_a_budget_of_ours_does_not_look_at_the_reference() -> None:
    budget = Budget(limit=0.5, of=Judged.OURS)

    assert figure(0.4, 0.001, budget).verdict is Verdict.MET
    assert figure(0.6, 100.0, budget).verdict is Verdict.NOT_MET


def test_a_figure_without_a_budget_is_neither_met_nor_missed() -> None:
    assert figure(1.0, 1.0, None).verdict is Verdict.NO_BUDGET


@pytest.mark.parametrize("reference", [None, 0.0])
def test_a_budget_for_a_ratio_needs_something_to_be_a_ratio_to(reference: float | None) -> None:
    with pytest.raises(ValueError, match="no reference"):
        figure(1.0, reference, Budget(limit=1.0))


def test_a_ratio_is_ours_over_the_references() -> None:
    assert figure(3.0, 2.0, None).ratio == 1.5
    assert figure(3.0, None, None).ratio is None


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        (seconds(0.00123), "1.23 ms"),
        (seconds(12.34), "12.3 s"),
        (size(109_600_000), "109.6 MB"),
        (per_second(459.6), "460/s"),
        (times(2.345), "2.35\N{MULTIPLICATION SIGN}"),
        (Measure(value=7, unit=Unit.COUNT), "7"),
    ],
)
def test_a_measure_is_said_in_the_unit_of_its_size(measure: Measure, said: str) -> None:
    assert str(measure) == said
