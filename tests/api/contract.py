"""JSON Schema for tests: what a tool answered is what it declared."""

from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types
from mcp_types import CallToolResult

from api.catalog import BY_NAME


def check_schema(schema: dict[str, Any]) -> None:
    """Raises if `schema` is no JSON Schema."""
    Draft202012Validator.check_schema(schema)


def validate(schema: dict[str, Any], value: object) -> None:
    """Raises if `value` is not as `schema` says."""
    Draft202012Validator(schema).validate(value)


def declared(tool: str, result: CallToolResult) -> dict[str, Any]:
    """The structured content of an answer that is no error and is as the tool declared it."""
    assert not result.is_error, result.content
    told: dict[str, Any] | None = result.structured_content
    assert told is not None
    validate(BY_NAME[tool].output, told)
    return told
