"""Reading a tool call's arguments: known names, right types. What they say is judged elsewhere."""

from collections.abc import Mapping
from typing import Any, Final

from shared.errors import Refusal

_TYPES: Final = {"string": str, "integer": int, "boolean": bool}
_SHOWN: Final = 64


def checked(schema: Mapping[str, Any], arguments: Mapping[str, object]) -> dict[str, Any] | Refusal:
    """Returns the arguments that were given, defaults filled in.

    `schema` maps argument names to their JSON Schemas. An absent or null argument without a default
    is left out: an empty one is refused by the rule that needs it, in its own words.
    """
    given = {name: value for name, value in arguments.items() if value is not None}
    for name, value in given.items():
        if name not in schema:
            known = ", ".join(schema) or "none"
            return _malformed(f"There is no argument '{name[:_SHOWN]}'. Arguments: {known}.")
        wanted = schema[name]["type"]
        if type(value) is not _TYPES[wanted]:  # strict: True is not an integer here
            return _malformed(f"Argument '{name}' must be of type {wanted}.")
    defaults = {name: value["default"] for name, value in schema.items() if "default" in value}
    return {**defaults, **given}


def _malformed(message: str) -> Refusal:
    return Refusal(code="invalid_arguments", message=message)
