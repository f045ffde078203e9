"""The log is anchored in time, and work stops when it has gone without an anchor for too long."""

import json
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.audit import AuditLog, Head
from shared.audit_anchors import FILE_NAME, MAX_UNANCHORED, Anchor, read_anchors
from shared.errors import AuditUnavailable
from worker import anchoring, serving
from worker.anchoring import EVERY_RECORDS, MAX_UNANCHORED_S, Anchoring
from worker.context import Context
from worker.keys import Keys

KEY = Ed25519PrivateKey.generate()
BELIEVED = (KEY.public_key(),)


class Desk:
    """A log, its anchoring, a second place for anchors that can be broken, and a clock."""

    def __init__(self, folder: Path) -> None:
        self.seconds = 0.0
        self.place = folder / "elsewhere"
        self.root = folder / "audit"
        self.anchoring = self.started()
        self.log = AuditLog(self.root, lambda: 1_800_000_000.0, self.anchoring)

    def started(self) -> Anchoring:
        return Anchoring(
            AuditLog(self.root, lambda: 1_800_000_000.0),
            self.place,
            KEY,
            worker="apply@here",
            clock=lambda: 1_800_000_000.0,
            monotonic=lambda: self.seconds,
        )

    @property
    def anchors(self) -> list[Anchor]:
        return list(read_anchors(self.place, BELIEVED).anchors)

    def record(self, count: int = 1) -> None:
        for _ in range(count):
            self.log.record("one")

    def break_place(self) -> None:
        self.place.mkdir(exist_ok=True)
        (self.place / FILE_NAME).unlink(missing_ok=True)
        (self.place / FILE_NAME).mkdir()

    def mend_place(self) -> None:
        (self.place / FILE_NAME).rmdir()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # hundreds of records; tests/shared has it
    return Desk(tmp_path)


def wait_for(condition: Callable[[], object]) -> None:
    """Waits for another thread, with an end."""
    pause = threading.Event()
    for _ in range(1000):
        if condition():
            return
        pause.wait(0.01)
    pytest.fail("it did not happen")


def test_an_anchor_is_for_the_last_record(desk: Desk) -> None:
    desk.record(3)
    assert desk.anchoring.anchor()

    (anchor,) = desk.anchors
    assert anchor.head == desk.log.head()
    assert (anchor.worker, anchor.time) == ("apply@here", "2027-01-15T08:00:00.000+00:00")


def test_an_empty_log_and_a_log_that_did_not_grow_get_no_anchor(desk: Desk) -> None:
    assert desk.anchoring.anchor()
    assert desk.anchors == []
    desk.record()
    assert desk.anchoring.anchor()
    assert desk.anchoring.anchor()
    assert len(desk.anchors) == 1


def test_what_other_processes_recorded_is_anchored_too(desk: Desk) -> None:
    AuditLog(desk.root, lambda: 0.0).record("a reader's")
    assert desk.anchoring.anchor()
    assert desk.anchors[0].seq == 1


def test_a_log_that_was_begun_anew_is_anchored_from_its_beginning(desk: Desk) -> None:
    desk.record(3)
    desk.anchoring.anchor()
    desk.log.path.rename(desk.root / "old.jsonl")
    desk.record()
    desk.anchoring.anchor()
    assert [anchor.seq for anchor in desk.anchors] == [3, 1]


def test_the_thread_is_woken_by_the_hundredth_record(desk: Desk) -> None:
    desk.record(EVERY_RECORDS - 1)
    assert not desk.anchoring._wake.is_set()
    desk.record()
    assert desk.anchoring._wake.is_set()


def test_the_thread_that_is_woken_anchors(desk: Desk) -> None:
    desk.anchoring.start()
    desk.record(EVERY_RECORDS)
    wait_for(lambda: desk.anchors)
    desk.anchoring.stop()


def test_the_thread_anchors_what_there_is_when_a_minute_is_over(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchoring, "EVERY_S", 0.01)
    desk.anchoring.start()
    desk.record()
    wait_for(lambda: desk.anchors)
    desk.record()
    wait_for(lambda: len(desk.anchors) == 2)
    desk.anchoring.stop()


def test_the_end_is_anchored_when_the_worker_stops(desk: Desk) -> None:
    desk.anchoring.start()
    desk.record(7)
    desk.anchoring.stop()
    assert desk.anchors[-1].seq == 7


def test_what_is_recorded_while_an_anchor_is_made_is_anchored_before_the_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, kept, go = desk.anchoring._keep, threading.Event(), threading.Event()

    def slowly(head: Head) -> None:
        keep(head)
        kept.set()
        assert go.wait(10)

    monkeypatch.setattr(desk.anchoring, "_keep", slowly)
    desk.record(1)
    desk.anchoring.start()
    assert kept.wait(10)
    desk.record(6)
    stopping = threading.Thread(target=desk.anchoring.stop)
    stopping.start()
    assert desk.anchoring._stopping.wait(10)
    go.set()
    stopping.join()
    assert desk.anchors[-1].seq == 7


def test_each_anchor_is_a_log_line_for_collectors_outside(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.record()
    with caplog.at_level(logging.INFO):
        desk.anchoring.anchor()
    fields = [record.__dict__["fields"] for record in caplog.records]
    assert fields == [{"seq": 1, "hash": desk.log.head().hash}]
    assert [record.msg for record in caplog.records] == ["audit.anchored"]


def test_an_anchor_that_cannot_be_written_stops_nothing_at_once_but_is_logged_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.break_place()
    desk.record()
    assert not desk.anchoring.anchor()
    assert not desk.anchoring.anchor()
    desk.record()
    assert [record.msg for record in caplog.records] == ["audit.unanchored"]


@pytest.mark.promise("audit-anchored")
def test_after_two_hundred_records_without_an_anchor_nothing_more_is_recorded(desk: Desk) -> None:
    desk.break_place()
    desk.record(MAX_UNANCHORED)
    with pytest.raises(AuditUnavailable, match="without an anchor"):
        desk.record()
    assert desk.log.head().seq == MAX_UNANCHORED


@pytest.mark.promise("audit-anchored")
def test_after_five_minutes_without_an_anchor_nothing_more_is_recorded(desk: Desk) -> None:
    desk.break_place()
    desk.record()
    desk.seconds = MAX_UNANCHORED_S - 1
    desk.record()
    desk.seconds = MAX_UNANCHORED_S
    with pytest.raises(AuditUnavailable, match="without an anchor"):
        desk.record()


def test_work_goes_on_as_soon_as_an_anchor_can_be_written_again(desk: Desk) -> None:
    desk.break_place()
    desk.record(MAX_UNANCHORED)
    with pytest.raises(AuditUnavailable):
        desk.record()
    desk.mend_place()
    desk.record(MAX_UNANCHORED)
    assert [anchor.seq for anchor in desk.anchors] == [MAX_UNANCHORED]


def test_time_counts_from_the_oldest_record_without_an_anchor(desk: Desk) -> None:
    desk.record()
    desk.anchoring.anchor()
    desk.seconds = 10 * MAX_UNANCHORED_S  # nothing happened for an hour
    desk.break_place()
    desk.record()
    desk.seconds += MAX_UNANCHORED_S - 1
    desk.record()


def test_a_disk_that_hangs_refuses_within_seconds_instead_of_hanging_the_call(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchoring, "WAIT_S", 0.01)
    desk.record()
    desk.seconds = MAX_UNANCHORED_S
    with desk.anchoring._writing, pytest.raises(AuditUnavailable):
        desk.record()


@pytest.mark.promise("audit-tail")
def test_a_worker_that_starts_finds_out_that_the_end_was_cut_off(desk: Desk) -> None:
    desk.record(3)
    desk.anchoring.anchor()
    assert desk.started().lost(BELIEVED) is None

    lines = desk.log.path.read_bytes().splitlines(keepends=True)
    desk.log.path.write_bytes(b"".join(lines[:2]))
    lost = desk.started().lost(BELIEVED)
    assert lost is not None
    assert lost.seq == 3


def test_what_was_cut_is_logged_and_put_on_record(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.record(3)
    desk.anchoring.anchor()
    hashes = [json.loads(line)["hash"] for line in desk.log.path.read_bytes().splitlines()]
    desk.log.path.write_bytes(b"")
    context = SimpleNamespace(
        keys=Keys(receipt_public=BELIEVED), anchoring=desk.started(), audit=desk.log
    )
    serving._record_what_was_cut(cast("Context", context))

    (record,) = [json.loads(line) for line in desk.log.path.read_bytes().splitlines()]
    assert (record["event"], record["anchored"], record["was"]) == ("audit.cut", 3, hashes[2])
    assert [line.msg for line in caplog.records] == ["audit.cut"]
