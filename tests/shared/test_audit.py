"""The audit log is on disk before it returns, chained, and shows every change to its lines."""

import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.audit import MAX_TEXT, NOTHING, AuditLog, verify
from shared.errors import AuditUnavailable


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit", lambda: 1_800_000_000.5)


def lines(log: AuditLog) -> list[bytes]:
    return log.path.read_bytes().splitlines(keepends=True)


def test_a_record_says_when_what_and_what_came_before(log: AuditLog) -> None:
    log.record("plan.created", plan="p1", objects=2, high=True)
    log.record("plan.denied", plan="p1")
    first, second = (json.loads(line) for line in lines(log))
    assert first == {
        "seq": 1,
        "time": "2027-01-15T08:00:00.500+00:00",
        "event": "plan.created",
        "plan": "p1",
        "objects": 2,
        "high": True,
        "prev": NOTHING,
        "hash": first["hash"],
    }
    assert (second["seq"], second["prev"]) == (2, first["hash"])
    assert verify(log.path) == ()


def test_the_head_is_the_last_record(log: AuditLog) -> None:
    assert log.head().seq == 0
    assert log.record("a") == log.head()


def test_only_the_owner_can_read_the_log(log: AuditLog) -> None:
    log.record("a")
    assert log.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.promise("audit-chain")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda rows: [rows[0].replace(b"p1", b"p2"), *rows[1:]], "changed", id="edit"),
        pytest.param(lambda rows: [rows[0], *rows[2:]], "gap", id="hole"),
        pytest.param(lambda rows: rows[1:], "gap", id="no start"),
        pytest.param(lambda rows: [rows[1], rows[0], rows[2]], "gap", id="swap"),
        pytest.param(lambda rows: [*rows, rows[2]], "gap", id="twice"),
        pytest.param(lambda rows: [*rows[:2], rows[2][:-20]], "unreadable", id="torn"),
        pytest.param(
            lambda rows: [rows[0].replace(b":", b": ", 1), *rows[1:]], "unreadable", id="spaces"
        ),
        pytest.param(
            lambda rows: [b'{"seq":1,' + rows[0][1:], *rows[1:]], "unreadable", id="doubled key"
        ),
        pytest.param(lambda rows: [b"null\n", *rows], "unreadable", id="no record"),
    ],
)
def test_a_changed_log_is_found_out(
    log: AuditLog, change: Callable[[list[bytes]], list[bytes]], code: str
) -> None:
    for event in ("one", "two", "three"):
        log.record(event, plan="p1")
    log.path.write_bytes(b"".join(change(lines(log))))
    assert code in {problem.code for problem in verify(log.path)}


def test_a_line_torn_by_a_crash_is_replaced_by_a_record_that_says_so(log: AuditLog) -> None:
    log.record("one")
    with log.path.open("ab") as file:
        file.write(b'{"seq":2,"time":"2027')
    log.record("two")
    events = [json.loads(line)["event"] for line in lines(log)]
    assert events == ["one", "audit.torn_line", "two"]
    assert verify(log.path) == ()


def test_a_damaged_last_record_stops_the_log_instead_of_starting_it_anew(log: AuditLog) -> None:
    log.record("one")
    log.path.write_bytes(b"rubbish\n")
    with pytest.raises(AuditUnavailable):
        log.record("two")
    assert log.path.read_bytes() == b"rubbish\n"


def test_an_unwritable_place_is_an_audit_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AuditUnavailable):
        AuditLog(tmp_path / "file", lambda: 0.0).record("one")


def test_a_link_in_place_of_the_log_is_not_followed(log: AuditLog, tmp_path: Path) -> None:
    log.path.parent.mkdir()
    log.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditUnavailable):
        log.record("one")
    assert not (tmp_path / "elsewhere").exists()


def test_a_record_that_does_not_reach_the_disk_is_taken_back(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.record("one")
    before = log.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(AuditUnavailable, match="No space left"):
            log.record("two")
    assert log.path.read_bytes() == before
    log.record("three")
    assert verify(log.path) == ()


@pytest.mark.parametrize("name", ["seq", "time", "event", "prev", "hash"])
def test_a_field_cannot_take_the_place_of_one_of_ours(log: AuditLog, name: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        log.record("one", **{name: "forged"})


@pytest.mark.parametrize("value", [None, 1.5, ["x"], {"a": 1}, b"x", 2**53])
def test_only_short_facts_are_recorded(log: AuditLog, value: object) -> None:
    with pytest.raises(ValueError, match="audit field"):
        log.record("one", fact=value)  # type: ignore[arg-type]  # wrong on purpose


def test_a_long_text_is_cut_and_says_so(log: AuditLog) -> None:
    log.record("one", reason="x" * (MAX_TEXT + 7))
    assert json.loads(lines(log)[0])["reason"] == "x" * MAX_TEXT + "…(+7)"


@settings(max_examples=60)
@given(text=st.text(max_size=60))
def test_no_text_breaks_the_line_or_steers_a_terminal(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    log = AuditLog(tmp_path_factory.mktemp("audit"), lambda: 0.0)
    log.record("one", reason=text)
    assert len(lines(log)) == 1
    assert all(0x20 <= byte < 0x7F for byte in lines(log)[0].rstrip(b"\n"))
    assert verify(log.path) == ()


def test_lone_surrogates_are_recorded_as_escapes(log: AuditLog) -> None:
    log.record("one", reason="\ud800")
    assert verify(log.path) == ()


def _write_many(folder: str, count: int) -> None:
    log = AuditLog(Path(folder), lambda: 0.0)
    for number in range(count):
        log.record("busy", number=number)


def test_threads_and_processes_share_one_chain(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_write_many, args=(str(tmp_path), 15)) for _ in range(2)]
    threads = [threading.Thread(target=_write_many, args=(str(tmp_path), 15)) for _ in range(2)]
    for process, thread in zip(processes, threads, strict=True):
        process.start()
        thread.start()
    for process, thread in zip(processes, threads, strict=True):
        process.join()
        thread.join()
    log = AuditLog(tmp_path, lambda: 0.0)
    assert verify(log.path) == ()
    assert log.head().seq == 60
