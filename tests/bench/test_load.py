"""What the load process is told, and how it reads answers."""

import pytest

from bench.load.drives import (
    Drive,
    Driven,
    Outcome,
    Target,
    answered,
    heard,
    read_answer,
    told,
)
from bench.load.wire import Reply
from bench.requests import Door

TARGET = Target(host="127.0.0.1", port=1)


def test_a_drive_arrives_as_it_was_sent() -> None:
    drive = Drive(targets=(TARGET,), requests=(b"GET \xff", b"x"), clients=3, seconds=1.5, rate=9)

    assert heard(told([drive, drive])) == [drive, drive]


def test_what_came_back_arrives_as_it_was() -> None:
    driven = Driven(
        durations={Outcome.ANSWERED: (0.1, 0.2), Outcome.REFUSED: (0.3,)},
        together=1.0,
        first_failure="no",
    )

    assert read_answer(answered([driven])) == [driven]
    assert driven.count(Outcome.FAILED) == 0
    assert driven.timed().per_second == 2.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"calls": 0},
        {"calls": 1, "seconds": 1.0},
        {"calls": 1, "requests": ()},
        {"calls": 1, "targets": ()},
        {"calls": 1, "clients": 0},
    ],
    ids=str,
)
def test_a_drive_without_an_end_or_a_beginning_is_none(wrong: dict[str, object]) -> None:
    usual: dict[str, object] = {"targets": (TARGET,), "requests": (b"x",)}

    with pytest.raises(ValueError, match=r"nothing to send|either a number"):
        Drive(**{**usual, **wrong})  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b'{"result":{"isError":false}}', Outcome.ANSWERED),
        (202, b"", Outcome.ANSWERED),
        (200, b'{"result":{"isError":true,"code":"queue_full"}}', Outcome.REFUSED),
        (429, b"", Outcome.REFUSED),
        (503, b"", Outcome.REFUSED),
        (200, b'{"result":{"isError":true,"code":"not_found"}}', Outcome.FAILED),
        (200, b'{"error":{"code":-32600}}', Outcome.FAILED),
        (500, b"", Outcome.FAILED),
        (401, b"", Outcome.FAILED),
    ],
)
def test_an_answer_counts_only_when_something_was_done(
    status: int, body: bytes, outcome: Outcome
) -> None:
    assert Reply(status=status, body=body).outcome is outcome


def test_a_prepared_request_says_how_long_its_body_is() -> None:
    head, _, body = Door(host="h", token="t").modern("tools/list").partition(b"\r\n\r\n")

    assert b"content-length: %d" % len(body) in head
    assert head.startswith(b"POST /mcp HTTP/1.1\r\nhost: h\r\n")
    assert b"mcp-method: tools/list" in head
    assert b"authorization: Bearer t" in head
