"""Checks label and field selectors strictly, before they get anywhere near a cluster. Pure.

The grammar is Kubernetes' own, less what no agent needs (`>` and `<`); whatever passes here the API
server accepts. https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
"""

import re
from typing import Final

from shared.errors import Refusal

SELECTOR_LIMIT: Final = 1024
"""Characters; a longer one is a mistake or an attack."""

EVENT_FIELDS: Final = frozenset(
    {
        "metadata.name",
        "regarding.apiVersion",
        "regarding.fieldPath",
        "regarding.kind",
        "regarding.name",
        "regarding.namespace",
        "regarding.uid",
        "reason",
        "reportingController",
        "type",
    }
)
"""What events.k8s.io/v1 can be selected by."""

_CORE_NAMES: Final = {"involvedObject.": "regarding.", "reportingComponent": "reportingController"}
"""What kubectl calls the same fields, since it asks core/v1; agents know these."""

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_DNS = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_KEY = rf"(?:(?P<prefix>{_DNS}(?:\.{_DNS})*)/)?{_NAME}"
_VALUE = rf"(?:{_NAME})?"
_LABEL_TERM = re.compile(
    rf" *(?:! *{_KEY.replace('?P<prefix>', '?P<absent>')}"
    rf"|{_KEY}(?: *(?:==|=|!=) *{_VALUE}| +(?:in|notin) *\( *{_NAME}(?: *, *{_NAME})* *\))?) *"
)
_FIELD_TERM = re.compile(r"([A-Za-z][A-Za-z.]{0,63})(==|=|!=)([A-Za-z0-9_./:{}\[\]-]{0,253})")


def label_selector_refusal(selector: str) -> Refusal | None:
    """None when `selector` is a well-formed label selector."""
    position, end = 0, len(selector)
    while end <= SELECTOR_LIMIT and (term := _LABEL_TERM.match(selector, position)):
        if len(term["prefix"] or term["absent"] or "") > 253:  # noqa: PLR2004 - RFC 1123
            break
        if term.end() == end:
            return None
        if selector[term.end()] != ",":
            break
        position = term.end() + 1
    return Refusal(
        code="invalid_label_selector",
        message="labelSelector is not valid. Examples: app=nginx  tier!=cache  env in (dev,test)"
        "  !canary; join several with commas.",
    )


def field_selector_refusal(selector: str) -> Refusal | None:
    """None when `selector` is a well-formed field selector for events."""
    terms = [_FIELD_TERM.fullmatch(term.strip(" ")) for term in selector.split(",")]
    if len(selector) > SELECTOR_LIMIT or any(
        term is None or _renamed(term[1]) not in EVENT_FIELDS for term in terms
    ):
        return Refusal(
            code="invalid_field_selector",
            message="fieldSelector is not valid. Example: type=Warning,regarding.name=web-1."
            f" Fields: {', '.join(sorted(EVENT_FIELDS))}.",
        )
    return None


def event_field_selector(selector: str) -> str:
    """A checked `selector` with kubectl's names turned into those of events.k8s.io/v1."""
    terms = (_FIELD_TERM.fullmatch(term.strip(" ")) for term in selector.split(","))
    return ",".join(f"{_renamed(term[1])}{term[2]}{term[3]}" for term in terms if term)


def _renamed(field: str) -> str:
    for core, name in _CORE_NAMES.items():
        if field.startswith(core):
            return name + field[len(core) :]
    return field
