"""What counts as growth in a soak, and what does not."""

import pytest

from bench.growth import Bound, Trend
from bench.soak import Soak

TIGHT = Bound(ratio=1.05, spare=2.0)


def trend(*samples: float, bound: Bound = TIGHT) -> Trend:
    return Trend(name="memory", samples=samples, bound=bound)


def test_what_only_fills_up_at_the_start_is_steady() -> None:
    assert not trend(10, 50, 90, 100, 100, 100, 101, 100, 101).grew


def test_a_slow_leak_is_growth() -> None:
    assert trend(*(100 + 2 * number for number in range(30))).grew


def test_one_odd_sample_decides_nothing() -> None:
    assert not trend(100, 100, 100, 100, 100, 100, 100, 900, 100).grew


@pytest.mark.parametrize(("last", "grew"), [(107.0, False), (107.1, True)])
def test_the_bound_is_a_ratio_and_what_is_spare(last: float, grew: bool) -> None:
    assert trend(0, 100, last).grew is grew


def test_with_samples_left_over_the_first_third_is_the_longer_one() -> None:
    assert (trend(1, 2, 3, 4, 5).middle, trend(1, 2, 3, 4, 5).last) == (4, 5)


def test_two_samples_show_nothing() -> None:
    with pytest.raises(ValueError, match="three"):
        _ = trend(1, 2).grew


def test_a_soak_with_a_failed_call_or_something_that_grew_is_not_steady() -> None:
    soak = Soak(capacity=100, rate=70)
    for trend_ in soak.trends:
        soak.samples[trend_.name] = [1.0, 1.0, 1.0]
    assert soak.is_steady
    soak.failed = 1
    assert not soak.is_steady
    soak.failed = 0
    soak.samples["Redis, keys"] = [1.0, 1.0, 18.0]
    assert not soak.is_steady


def test_a_soak_on_a_busy_machine_shows_its_slowest_calls_and_does_not_judge_them() -> None:
    soak = Soak(capacity=100, rate=70)
    for trend_ in soak.trends:
        soak.samples[trend_.name] = [1.0, 1.0, 1.0]
    soak.samples["p99, ms"] = [1.0, 1.0, 100.0]
    assert soak.grew == ["p99, ms"]

    soak.judges_speed = False

    assert soak.is_steady
