"""Single validation complaints, in the form and the words of the API server; pure.

Source: apimachinery `pkg/util/validation/field`.
"""

import json
from collections.abc import Iterator
from typing import Any

from dev.sandbox import names
from dev.sandbox.status import cause

Causes = Iterator[dict[str, str]]


LAST_PORT = 65535


def go(value: Any) -> str:
    """A value as Go prints it in these messages."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def required(field: str, detail: str = "") -> dict[str, str]:
    return cause("FieldValueRequired", f"Required value{': ' if detail else ''}{detail}", field)


def bad(field: str, value: Any, why: str) -> dict[str, str]:
    return cause("FieldValueInvalid", f"Invalid value: {go(value)}: {why}", field)


def unsupported(field: str, value: Any, allowed: tuple[str, ...]) -> dict[str, str]:
    listed = ", ".join(f'"{a}"' for a in allowed)
    text = f"Unsupported value: {go(value)}: supported values: {listed}"
    return cause("FieldValueNotSupported", text, field)


def labels(found: dict[str, str] | None, field: str) -> Causes:
    for key, value in (found or {}).items():
        yield from (bad(field, key, why) for why in names.qualified(key))
        yield from (bad(field, value, why) for why in names.label_value(value))
