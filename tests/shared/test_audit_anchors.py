"""Anchors are believed under a known key only, and show that a log was cut or rewritten."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.audit import AuditLog, Head, Problem, walk
from shared.audit_anchors import (
    FILE_NAME,
    Anchor,
    Comparison,
    anchor_holds,
    anchor_line,
    keep_anchor,
    make_anchor,
    newest_anchor,
    read_anchor,
    read_anchors,
)
from shared.errors import AuditUnavailable

KEY = Ed25519PrivateKey.generate()
BELIEVED = (KEY.public_key(),)
TIME = "2027-01-15T08:00:00.000+00:00"


def anchor(seq: int = 3, key: Ed25519PrivateKey = KEY, digest: str = "ab" * 32) -> Anchor:
    return make_anchor(key, Head(seq=seq, hash=digest), time=TIME, worker="apply@here")


@pytest.fixture
def log(tmp_path: Path) -> AuditLog:
    log = AuditLog(tmp_path / "audit", lambda: 1_800_000_000.0)
    for number in range(5):
        log.record("one", number=number)
    return log


def compared(log: AuditLog, *anchors: Anchor) -> tuple[list[Problem], int]:
    """What a whole reading of a log against anchors finds, and how much no anchor covers."""
    comparison, number = Comparison(anchors), 0
    found: list[Problem] = []
    for line in walk(log.path):
        number = line.number
        found += comparison.pass_line(line)
    return [*found, *comparison.missing(number)], comparison.uncovered


def cut(log: AuditLog, keep: int) -> None:
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:keep]))


def test_an_anchor_holds_under_the_key_that_signed_it_and_no_other() -> None:
    assert anchor_holds(BELIEVED, anchor())
    assert not anchor_holds((), anchor())
    assert not anchor_holds((Ed25519PrivateKey.generate().public_key(),), anchor())


@pytest.mark.parametrize(
    "changed",
    [
        {"seq": 4},
        {"hash": "cd" * 32},
        {"time": "2027-01-15T09:00:00.000+00:00"},
        {"worker": "plan@there"},
        {"key": "x"},
        {"signature": "AAAA"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_no_field_of_an_anchor_can_be_changed(changed: dict[str, object]) -> None:
    assert not anchor_holds(BELIEVED, replace(anchor(), **changed))  # type: ignore[arg-type]


def test_an_anchor_comes_back_from_its_line() -> None:
    assert read_anchor(anchor_line(anchor())) == anchor()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null\n",
        b"{}\n",
        b"[" * 100_000,
        anchor_line(anchor())[:-1],
        anchor_line(anchor()).replace(b":", b": ", 1),
        anchor_line(anchor()).replace(b'"seq":3', b'"seq":"3"'),
        anchor_line(anchor()).replace(b'"seq":3', b'"seq":3,"seq":3'),
        anchor_line(anchor()).replace(b'"seq":3', b'"seq":3,"more":1'),
    ],
)
def test_what_is_not_exactly_an_anchors_line_is_none(line: bytes) -> None:
    assert read_anchor(line) is None


def test_anchors_are_kept_in_order_for_their_owner_only(tmp_path: Path) -> None:
    keep_anchor(tmp_path / "new", anchor(1))
    keep_anchor(tmp_path / "new", anchor(2))

    kept = read_anchors(tmp_path / "new", BELIEVED)
    assert [one.seq for one in kept.anchors] == [1, 2]
    assert kept.problems == ()
    assert (tmp_path / "new" / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_what_a_crash_left_behind_an_anchor_is_written_over(tmp_path: Path) -> None:
    keep_anchor(tmp_path, anchor(1))
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"seq":2,"ha')
    keep_anchor(tmp_path, anchor(2))

    assert [one.seq for one in read_anchors(tmp_path, BELIEVED).anchors] == [1, 2]


def test_forged_and_unreadable_anchors_are_told_with_their_line(tmp_path: Path) -> None:
    keep_anchor(tmp_path, anchor(1))
    keep_anchor(tmp_path, anchor(9, Ed25519PrivateKey.generate()))
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b"rubbish\n")

    kept = read_anchors(tmp_path, BELIEVED)
    assert [one.seq for one in kept.anchors] == [1]
    assert [(one.line, one.code) for one in kept.problems] == [
        (2, "anchor_forged"),
        (3, "anchor_unreadable"),
    ]


def test_without_a_file_there_are_no_anchors(tmp_path: Path) -> None:
    assert read_anchors(tmp_path, BELIEVED).anchors == ()
    assert newest_anchor(tmp_path, BELIEVED) is None


def test_the_newest_anchor_is_found_at_the_end_of_a_long_file(tmp_path: Path) -> None:
    lines = b"".join(anchor_line(anchor(1)) for _ in range(300)) + anchor_line(anchor(301))
    (tmp_path / FILE_NAME).write_bytes(lines)

    newest = newest_anchor(tmp_path, BELIEVED)
    assert newest is not None
    assert newest.seq == 301


@pytest.mark.parametrize("call", [keep_anchor, read_anchors, newest_anchor])
def test_a_place_that_cannot_be_used_is_an_audit_fault(
    tmp_path: Path, call: Callable[..., object]
) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(AuditUnavailable):
        call(tmp_path, anchor() if call is keep_anchor else BELIEVED)


def test_a_link_in_place_of_the_anchors_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(AuditUnavailable):
        keep_anchor(tmp_path, anchor())
    assert not (tmp_path / "elsewhere").exists()


def test_a_disk_that_fills_up_in_the_middle_of_an_anchor_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_anchor(tmp_path, anchor(1))
    before = (tmp_path / FILE_NAME).read_bytes()
    real = os.pwrite

    def nearly_full(descriptor: int, content: bytes, offset: int) -> int:
        if offset > len(before):
            raise OSError(28, "No space left on device")
        return real(descriptor, content[:10], offset)

    monkeypatch.setattr(os, "pwrite", nearly_full)
    with pytest.raises(AuditUnavailable, match="No space left"):
        keep_anchor(tmp_path, anchor(2))

    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_whole_log_fits_its_anchors(log: AuditLog) -> None:
    head = log.head()
    assert compared(log, anchor(head.seq, digest=head.hash)) == ([], 0)


def test_records_behind_the_last_anchor_are_counted(log: AuditLog) -> None:
    head = log.head()
    log.record("more")
    log.record("more")
    assert compared(log, anchor(head.seq, digest=head.hash)) == ([], 2)


@pytest.mark.promise("audit-tail")
@pytest.mark.parametrize("keep", [0, 1, 4])
def test_a_log_whose_end_was_cut_off_is_found_out_by_its_anchor(log: AuditLog, keep: int) -> None:
    head = log.head()
    cut(log, keep)

    found, _ = compared(log, anchor(2, digest="any"), anchor(head.seq, digest=head.hash))
    assert "tail_cut" in {problem.code for problem in found}
    assert any("record 5 was anchored" in problem.message for problem in found)


@pytest.mark.promise("audit-tail")
def test_a_log_that_was_cut_and_grew_again_is_found_out_by_its_anchor(log: AuditLog) -> None:
    head = log.head()
    cut(log, 3)
    for _ in range(4):
        log.record("innocent")

    found, uncovered = compared(log, anchor(head.seq, digest=head.hash))
    assert [problem.code for problem in found] == ["rewritten"]
    assert uncovered == 7


def test_of_two_anchors_for_one_record_both_must_fit(log: AuditLog) -> None:
    head = log.head()
    found, _ = compared(log, anchor(head.seq, digest=head.hash), anchor(head.seq, digest="other"))
    assert [problem.code for problem in found] == ["rewritten"]


def test_the_line_is_plain_json(tmp_path: Path) -> None:
    keep_anchor(tmp_path, anchor())
    line = json.loads((tmp_path / FILE_NAME).read_text("ascii"))
    assert set(line) == {"seq", "hash", "time", "worker", "key", "signature"}
