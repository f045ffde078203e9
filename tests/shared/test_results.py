"""Result shapes: what crosses the wire, what is shown, and how little a schema costs."""

import json
from typing import Any

import pytest

from shared.results import (
    READ_RESULTS,
    Hits,
    LogsResult,
    Result,
    output_schema,
    result_from,
)


def _logs() -> LogsResult:
    return LogsResult(
        namespace="a",
        pod="web-1",
        container="app",
        previous=False,
        lines=1,
        log="<fence>hello</fence>",
        text="Last line.",
        hits=Hits(redactions={"jwt": 1}),
    )


def test_a_result_survives_the_wire() -> None:
    assert result_from("get_pod_logs", json.loads(json.dumps(_logs().wire()))) == _logs()


def test_text_and_hits_are_no_part_of_the_structured_content() -> None:
    structured = _logs().structured()

    assert "text" not in structured
    assert "hits" not in structured
    assert structured["log"] == "<fence>hello</fence>"


def test_a_log_crosses_the_wire_once_and_shows_in_both_faces() -> None:
    logs = _logs()

    assert json.dumps(logs.wire()).count("hello") == 1
    assert logs.rendered() == "Last line.\n<fence>hello</fence>"


@pytest.mark.parametrize("result", dict.fromkeys(READ_RESULTS.values()))
def test_output_schemas_are_small_and_plain(result: type[Result]) -> None:
    schema = output_schema(result)
    text = json.dumps(schema, separators=(",", ":"))

    assert len(text) < 600
    assert schema["type"] == "object"
    assert not {"title", "$defs", "$ref", "anyOf", "default"} & _keywords(schema)


def _keywords(schema: dict[str, Any]) -> set[str]:
    found = set(schema)
    for child in [*schema.get("properties", {}).values(), schema.get("items")]:
        found |= _keywords(child) if isinstance(child, dict) else set()
    return found
