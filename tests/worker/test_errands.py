"""How long a request to the cluster may take, and for whom none is sent any more."""

from dataclasses import dataclass

import pytest

from shared.errors import CallerLeft, WorkerTimeout
from worker import errands
from worker.errands import LOOK_S, Errand


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_request_has_no_longer_than_what_is_left_for_the_call() -> None:
    clock = Clock()
    errand = Errand(latest=112.0, clock=clock)
    assert errand.seconds_left(10.0) == 10.0
    clock.now = 109.0
    assert errand.seconds_left(10.0) == 3.0
    clock.now = 112.0
    with pytest.raises(WorkerTimeout):
        errand.seconds_left(10.0)


def test_whether_somebody_waits_is_looked_up_in_long_calls_only_and_not_all_the_time() -> None:
    clock, looks = Clock(), 0

    def is_given_up() -> bool:
        nonlocal looks
        looks += 1
        return looks == 2

    errand = Errand(latest=999, is_given_up=is_given_up, clock=clock)
    for _ in range(9):
        errand.seconds_left(1.0)
    assert looks == 0
    clock.now += LOOK_S
    for _ in range(9):
        errand.seconds_left(1.0)
    assert looks == 1
    clock.now += LOOK_S
    with pytest.raises(CallerLeft):
        errand.seconds_left(1.0)


def test_what_must_end_goes_on_whoever_waits() -> None:
    clock = Clock()
    errand = Errand(latest=101.0, is_given_up=lambda: True, must_end=True, clock=clock)
    clock.now += 1e6
    assert errand.seconds_left(10.0) == 10.0
    errand.require_wanted()


def test_requests_at_the_same_time_count_once() -> None:
    clock = Clock()
    errand = Errand(clock=clock)
    with errand.asking():
        clock.now += 1
        with errand.asking():
            clock.now += 2
        clock.now += 4
    clock.now += 8
    with errand.asking():
        clock.now += 16
    assert errand.asked_s == 23.0


def test_an_errand_is_known_while_it_lasts() -> None:
    errand = Errand()
    with errands.on(errand):
        assert errands.current() is errand
    assert errands.current() is not errand
