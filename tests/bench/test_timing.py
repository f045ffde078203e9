"""The arithmetic over many durations."""

import pytest

from bench.timing import Timed, joined, linearity, median


def test_percentiles_are_those_of_the_durations() -> None:
    timed = Timed(each=tuple(n / 1000 for n in range(101)), together=2.0)

    assert timed.p50 == 0.05
    assert timed.p99 == pytest.approx(0.099)
    assert timed.per_second == 50.5


def test_of_one_call_everything_is_that_call() -> None:
    timed = Timed(each=(0.2,), together=0.2)

    assert (timed.p50, timed.p99, timed.per_second) == (0.2, 0.2, 5.0)


def test_of_no_calls_everything_is_nothing() -> None:
    timed = Timed(each=(), together=0.0)

    assert (timed.p50, timed.p99, timed.per_second) == (0.0, 0.0, 0.0)


def test_rounds_are_joined_call_by_call_and_their_time_adds_up() -> None:
    rounds = [Timed(each=(1.0, 2.0), together=2.0), Timed(each=(3.0,), together=4.0)]

    assert joined(rounds) == Timed(each=(1.0, 2.0, 3.0), together=6.0)
    assert joined(rounds).per_second == 0.5


def test_one_disturbed_round_does_not_move_the_median() -> None:
    assert median([1.0, 1.1, 90.0]) == 1.1
    assert median([]) == 0.0


def test_growth_is_as_linear_as_its_worst_step() -> None:
    assert linearity([(1, 80.0), (2, 160.0), (4, 240.0)], until=1000) == 0.75


def test_growth_is_not_judged_where_something_else_is_full() -> None:
    rates = [(1, 80.0), (2, 152.0), (4, 160.0)]

    assert linearity(rates, until=200) == 0.95
    assert linearity(rates, until=100) == 1.0
