"""Log lines: one per event, nothing of what was worked on."""

import json
import logging
from collections.abc import Iterator

import pytest

from shared import request_ids
from shared.logs import MAX_TEXT, Log, configure, trace_of

CANARY = "canary-91c2"


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level


def test_json_lines_hold_event_service_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    configure("worker", "json")
    Log("worker.tasks").warning("reply.lost", call="c1", ms=3)
    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "reply.lost"
    assert line["service"] == "worker"
    assert (line["level"], line["call"], line["ms"]) == ("warning", "c1", 3)


def test_text_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure("worker", "text")
    Log("worker").info("worker.started", cluster="local")
    assert capsys.readouterr().err.endswith('info    worker worker.started cluster="local"\n')


@pytest.mark.parametrize("form", ["text", "json"])
def test_every_line_of_a_request_has_its_id_whoever_wrote_it(
    capsys: pytest.CaptureFixture[str], form: str
) -> None:
    configure("worker", form)  # type: ignore[arg-type]  # parametrized literals
    with request_ids.serving("ab" * 16):
        Log("worker.tasks").info("call.done", ms=3)
        logging.getLogger("some.library").warning("said something")
    Log("worker.tasks").info("call.done", ms=4)
    lines = capsys.readouterr().err.splitlines()
    assert ["ab" * 16 in line for line in lines] == [True, True, False]


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_value_cannot_forge_a_line(capsys: pytest.CaptureFixture[str], form: str) -> None:
    configure("worker", form)  # type: ignore[arg-type]  # parametrized literals
    Log("worker").info("x", value="a\n2027 info worker.started \x1b[31m\u202e")
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert written.isascii()
    assert "\x1b" not in written


def test_long_values_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    configure("worker", "json")
    Log("worker").info("x", value="y" * 5000)
    assert json.loads(capsys.readouterr().err)["value"] == "y" * MAX_TEXT + "…"


def test_what_libraries_log_keeps_the_form_and_shows_no_exception_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure("worker", "json")
    try:
        int(CANARY)
    except ValueError:
        logging.getLogger("some.library").exception("it failed")
    written = capsys.readouterr().err
    assert CANARY not in written
    assert json.loads(written)["trace"].startswith("ValueError at test_logs.py:")


def test_a_trace_names_places_and_no_values() -> None:
    def inner() -> None:
        raise KeyError(CANARY)

    with pytest.raises(KeyError) as raised:
        inner()
    trace = trace_of(raised.value)
    assert CANARY not in trace
    assert "inner" in trace
