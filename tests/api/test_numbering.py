"""Every request has an id of ours, and one line that says how it ended."""

import logging
from functools import partial

import anyio
import pytest
from starlette.types import Receive, Scope, Send

from api.numbering import PROBES, Numbering
from shared import request_ids
from tests.api.asgi import send_request

Headers = list[tuple[str, str]]


async def answering(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answers every request with 204."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [r.fields for r in caplog.records if r.msg == "request.answered"]  # type: ignore[attr-defined]  # set by `Log`


@pytest.mark.promise("request-ids-are-ours")
@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ([("X-Request-Id", "abc-1")], "abc-1"),
        ([], None),
        ([("X-Request-Id", "x" * 65)], None),
        ([("X-Request-Id", "a\nb")], None),
        ([("X-Request-Id", "")], None),
        ([("X-Request-Id", "a"), ("X-Request-Id", "b")], None),
    ],
    ids=["plain", "none", "long", "broken", "empty", "twice"],
)
def test_the_id_is_ours_and_a_clients_own_is_shown_beside_it_if_it_is_plain(
    headers: Headers, shown: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    app = Numbering(answering, make_id=lambda: "made")

    with caplog.at_level(logging.INFO):
        answer = anyio.run(partial(send_request, app, "GET", "/where", headers=headers))

    assert answer.headers["x-request-id"] == "made"
    [line] = lines(caplog)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/where", 204)
    assert line.get("client_request") == shown
    assert ("client_request" in line) == (shown is not None)


def test_what_a_request_causes_knows_its_id_and_nothing_does_afterwards() -> None:
    known: list[str] = []

    async def inner(_scope: Scope, _receive: Receive, _send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(note)

    async def note() -> None:
        known.append(request_ids.current())

    async def story() -> None:
        app = Numbering(inner, make_id=lambda: "made")
        await app({"type": "http", "path": "/", "method": "GET", "headers": []}, never, note_send)
        await note()

    anyio.run(story)

    assert known == ["made", ""]


@pytest.mark.parametrize("path", sorted(PROBES))
def test_probes_leave_no_lines(path: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        anyio.run(partial(send_request, Numbering(answering), "GET", path))
    assert lines(caplog) == []


def test_a_request_that_ends_without_an_answer_has_a_line_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def breaks(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError

    with caplog.at_level(logging.INFO), pytest.raises(RuntimeError):
        anyio.run(partial(send_request, Numbering(breaks), "GET", "/x"))
    assert [line["status"] for line in lines(caplog)] == [0]


async def never() -> dict[str, object]:
    raise AssertionError


async def note_send(_message: object) -> None:
    raise AssertionError
