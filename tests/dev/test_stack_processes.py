"""Processes of a stack: none outlives the one that started it, and a crash is told with its log."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # has no types
import pytest

from dev.stack import running
from dev.stack.parts import Part
from dev.stack.places import Places
from dev.stack.processes import Running, stop_all
from dev.stack.running import PartFailed, Signals, Stack, ToldToStop, noted_signals

REPOSITORY = Path(__file__).parents[2]
SLEEPS = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS
PATIENCE_S = 15.0

PARENT = """
import os, sys, time
from pathlib import Path
from dev.stack.processes import Guardian, Running
guardian = Guardian()
child = Running([sys.executable, "-c", {program!r}], os.environ, Path(sys.argv[1]))
guardian.watch(child.pid)
print(child.pid, flush=True)
time.sleep(600)
"""


def started(program: str, folder: Path) -> Running:
    """A process that has said that it is up."""
    running = Running([sys.executable, "-c", program], {}, folder / "part.log")
    await_true(lambda: running.said(1) == ["up"])
    return running


def await_true(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)  # another process: nothing here can be awaited but what it does


def part(program: str, *, ready: bool = True) -> Part:
    return Part(
        name="thing",
        title="thing",
        command=(sys.executable, "-c", program),
        environment={},
        ready=lambda: ready,
    )


def stack(tmp_path: Path, *parts: Part) -> Stack:
    places = Places(state=tmp_path)
    places.logs.mkdir()
    return Stack(places, parts, Signals())


def nothing() -> None:
    """Nothing is to be forgotten."""


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    stubborn = started(STUBBORN, tmp_path)

    stop_all([stubborn], within_s=0.3)

    assert stubborn.exit_code() == -signal.SIGKILL


def test_what_a_stop_may_take_is_less_than_five_seconds() -> None:
    assert running.WATCH_S + running._FIRST_S + running._LAST_S < 5


def test_children_die_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = PARENT.format(program=SLEEPS)
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "log")],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))

    parent.kill()

    parent.communicate()
    await_true(lambda: not child.is_running())


def test_a_part_that_ends_by_itself_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    one = stack(tmp_path, part("print('the reason'); raise SystemExit(3)", ready=False))

    with pytest.raises(PartFailed) as failed:
        one.start(lambda _, __: None, nothing)

    one.stop()
    assert "The thing stopped by itself (exit code 3)" in str(failed.value)
    assert "| the reason" in str(failed.value)


def test_a_part_that_crashes_later_ends_the_watch(tmp_path: Path) -> None:
    one = stack(tmp_path, part("import time; time.sleep(0.5)"))
    one.start(lambda _, __: None, nothing)

    with pytest.raises(PartFailed, match="exit code 0"):
        one.watch()

    one.stop()


def test_a_signal_ends_the_start_between_two_steps(tmp_path: Path) -> None:
    signals = Signals()
    places = Places(state=tmp_path)
    places.logs.mkdir()
    one = Stack(places, [part(SLEEPS, ready=False)], signals)
    signals.note(signal.SIGINT, None)

    with pytest.raises(ToldToStop):
        one.start(lambda _, __: None, nothing)

    one.stop()


def test_signals_are_noted_only_in_the_block() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with noted_signals() as signals:
        signal.raise_signal(signal.SIGTERM)

    assert signals.arrived
    assert signal.getsignal(signal.SIGTERM) == before
