"""Signed anchors of the audit log: what shows that its end was cut off or its past rewritten.

An anchor says: at this time the log had this many records, and the last one had this hash. Anchors
lie in a second place, one line each in `anchors.jsonl`; they are worth as much as the distance
between that place and the log. When they are made is the business of `worker.anchoring`.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.audit import Head, Line, Problem, head_of
from shared.digests import canonical
from shared.errors import AuditUnavailable
from shared.foreign_json import foreign_json
from shared.line_files import MAX_LINE, alone, append, end_of_last_line
from shared.seals import public_text, sign, signature_holds

FILE_NAME: Final = "anchors.jsonl"
DOMAIN: Final = b"infragate/anchor/v1\0"

MAX_UNANCHORED: Final = 200
"""Records: where the worker stops recording; more than that under no anchor is no accident."""

Keys = tuple[Ed25519PublicKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One signed look at the log: record `seq` had `hash`, says `worker` at `time` (UTC)."""

    seq: int
    hash: str
    time: str
    worker: str
    key: str
    """The signer's public key, base64url: which one to check with, not a reason to believe it."""
    signature: str

    @property
    def head(self) -> Head:
        """Returns the record that is anchored."""
        return Head(seq=self.seq, hash=self.hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchors:
    """The believed anchors of a file, oldest first, and what is wrong with its other lines."""

    anchors: tuple[Anchor, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def last(self) -> Anchor | None:
        """Returns the anchor that reaches furthest."""
        return max(self.anchors, key=lambda anchor: anchor.seq, default=None)


def make_anchor(key: Ed25519PrivateKey, head: Head, *, time: str, worker: str) -> Anchor:
    """Returns the signed anchor for a record."""
    public = public_text(key.public_key())
    unsigned = Anchor(
        seq=head.seq, hash=head.hash, time=time, worker=worker, key=public, signature=""
    )
    return _with_signature(unsigned, sign(key, DOMAIN, _document(unsigned)))


def anchor_holds(keys: Keys, anchor: Anchor) -> bool:
    """Says whether one of `keys` signed this anchor."""
    return signature_holds(keys, DOMAIN, _document(anchor), anchor.signature)


def keep_anchor(folder: Path, anchor: Anchor) -> None:
    """Appends an anchor to the file in `folder` and returns when it is on disk.

    Raises:
        AuditUnavailable: it is not.
    """
    try:
        with alone(folder / FILE_NAME) as descriptor:
            end = end_of_last_line(descriptor)
            os.ftruncate(descriptor, end)  # what a crash left behind anchors nothing
            append(descriptor, anchor_line(anchor), end)
    except OSError as error:
        raise AuditUnavailable(f"The anchor cannot be written ({error.strerror}).") from None


def read_anchors(folder: Path, keys: Keys) -> Anchors:
    """Returns what is in the file of anchors; nothing if there is no such file.

    Raises:
        AuditUnavailable: there is one that cannot be read.
    """
    try:
        with (folder / FILE_NAME).open("rb") as file:
            return checked_anchors(iter(lambda: file.readline(MAX_LINE), b""), keys)
    except FileNotFoundError:
        return Anchors()
    except OSError as error:
        raise AuditUnavailable(f"The anchors cannot be read ({error.strerror}).") from None


def newest_anchor(folder: Path, keys: Keys) -> Anchor | None:
    """Returns the furthest of the last few believed anchors, without reading the whole file.

    Raises:
        AuditUnavailable: the file is there and cannot be read.
    """
    try:
        with (folder / FILE_NAME).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - MAX_LINE))
            return checked_anchors(file.read().splitlines(keepends=True), keys).last
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuditUnavailable(f"The anchors cannot be read ({error.strerror}).") from None


def checked_anchors(lines: Iterable[bytes], keys: Keys) -> Anchors:
    """Returns the anchors in these lines that one of `keys` signed, and what the others are."""
    anchors: list[Anchor] = []
    problems: list[Problem] = []
    for number, raw in enumerate(lines, start=1):
        anchor = read_anchor(raw)
        if anchor is None:
            text = "This is no anchor."
            problems.append(Problem(line=number, code="anchor_unreadable", message=text))
        elif not anchor_holds(keys, anchor):
            text = "No key that is believed signed this anchor."
            problems.append(Problem(line=number, code="anchor_forged", message=text))
        else:
            anchors.append(anchor)
    return Anchors(anchors=tuple(anchors), problems=tuple(problems))


def anchor_line(anchor: Anchor) -> bytes:
    """Returns an anchor's line."""
    return json.dumps(asdict(anchor), separators=(",", ":")).encode("ascii") + b"\n"


def read_anchor(line: bytes) -> Anchor | None:
    """Returns the anchor in a line, if the line is exactly what we would write for it."""
    try:
        anchor = Anchor(**foreign_json(line))
        texts = (anchor.hash, anchor.time, anchor.worker, anchor.key, anchor.signature)
        good = type(anchor.seq) is int and all(isinstance(text, str) for text in texts)
        return anchor if good and anchor_line(anchor) == line else None
    except (ValueError, TypeError):
        return None


class Comparison:
    """Holds the records of a log, one after the other, against its anchors."""

    def __init__(self, anchors: Iterable[Anchor]) -> None:
        self._due: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            self._due.setdefault(anchor.seq, []).append(anchor)
        self._furthest = max(self._due, default=0)
        self._last = 0
        self.covered = 0
        """The last record that is under an anchor which fits."""

    @property
    def uncovered(self) -> int:
        """Returns how many records follow the last one that is under an anchor."""
        return max(0, self._last - self.covered)

    def pass_line(self, line: Line) -> tuple[Problem, ...]:
        """Returns what the anchors say against this line."""
        if line.record is None:
            return ()
        head = head_of(line.record)
        self._last = max(self._last, head.seq)
        anchors = self._due.pop(head.seq, [])
        if anchors and all(anchor.hash == head.hash for anchor in anchors):
            self.covered = head.seq
        return tuple(
            Problem(
                line=line.number,
                code="rewritten",
                message=f"Record {head.seq} is not the one anchored at {anchor.time}.",
            )
            for anchor in anchors
            if anchor.hash != head.hash
        )

    def missing(self, number: int) -> tuple[Problem, ...]:
        """Returns what is anchored and was not there, once all `number` lines have passed."""
        cut = max((seq for seq in self._due if seq > self._last), default=None)
        if cut is None:
            return ()
        anchor = self._due[cut][0]
        text = (
            f"The log ends with record {self._last}, but record {cut} was anchored at "
            f"{anchor.time} by {anchor.worker}: its end was cut off."
        )
        return (Problem(line=number, code="tail_cut", message=text),)


def _with_signature(anchor: Anchor, signature: str) -> Anchor:
    return Anchor(**{**asdict(anchor), "signature": signature})


def _document(anchor: Anchor) -> bytes:
    return canonical({k: v for k, v in asdict(anchor).items() if k != "signature"})
