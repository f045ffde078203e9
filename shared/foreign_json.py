"""JSON that somebody else wrote, read without ever coming near Python's recursion limit. Pure.

`json.loads` recurses until Python stops it. Whatever is finalized at that very moment then fails
in our stead, be it a connection that has nothing to do with the document. This reader stops first.
"""

from typing import Any

from pydantic_core import from_json


def foreign_json(text: str | bytes) -> Any:
    """Returns the value of JSON text; of members given twice the last counts.

    Raises:
        ValueError: it is no JSON in UTF-8, nests deeper than about 200 levels (no message, token,
            key set or file of ours nests a third as deep), or holds NaN, Infinity, a lone
            surrogate or an integer of more than 4300 digits.
    """
    return from_json(text, allow_inf_nan=False)


def foreign_object(text: str | bytes) -> dict[str, Any]:
    """Returns the object in JSON text; an empty one where there is none."""
    try:
        value = foreign_json(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
