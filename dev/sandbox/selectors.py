"""Label and field selectors: parsed from a query, matched against an object; pure.

Source: Kubernetes pages "Labels and Selectors" and "Field Selectors".
"""

import re
from collections.abc import Callable
from typing import Any

from dev.sandbox.resources import Obj, Resource
from dev.sandbox.status import ApiError, bad_request

Test = Callable[[Obj], bool]

_TERM = re.compile(
    r"\s*(?:(?P<key>[\w./-]+)\s*(?P<op>==|=|!=|\s+in\s+|\s+notin\s+|>|<)\s*"
    r"(?:\((?P<set>[^)]*)\)|(?P<value>[\w./-]*))|(?P<absent>!)?\s*(?P<bare>[\w./-]+))\s*(?:,|$)"
)

# Resource kind → further fields that may be selected, and where they are.
FIELDS: dict[str, tuple[str, ...]] = {
    "Pod": ("status.phase", "spec.nodeName", "spec.restartPolicy", "status.podIP"),
    "Event": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "reason",
        "type",
    ),
    "Secret": ("type",),
    "Namespace": ("status.phase",),
    "ReplicaSet": ("status.replicas",),
}


def labels(text: str) -> Test:
    """A test for a label selector; raises 400 when it cannot be parsed."""
    tests: list[Test] = []
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None or found.end() == at:
            raise bad_request(f"unable to parse requirement: found '{text[at:][:20]}'")
        tests.append(_label_test(found))
        at = found.end()
    return lambda obj: all(test(obj) for test in tests)


def _label_test(found: re.Match[str]) -> Test:
    if (bare := found["bare"]) is not None:
        present = found["absent"] is None
        return lambda obj: (bare in _labels(obj)) is present
    key, operator = found["key"], found["op"].strip()
    if found["set"] is not None:
        allowed = {v.strip() for v in found["set"].split(",")}
    else:
        allowed = {found["value"]}
    if operator in ("!=", "notin"):
        return lambda obj: _labels(obj).get(key) not in allowed
    return lambda obj: _labels(obj).get(key) in allowed


def _labels(obj: Obj) -> dict[str, str]:
    found: dict[str, str] = obj["metadata"].get("labels") or {}
    return found


def matches(selector: Obj, found: dict[str, str]) -> bool:
    """Whether a LabelSelector (matchLabels, matchExpressions) selects these labels."""
    wanted = (selector.get("matchLabels") or {}).items()
    if any(found.get(k) != v for k, v in wanted):
        return False
    return all(_expression(e, found) for e in selector.get("matchExpressions") or [])


def _expression(expression: Obj, found: dict[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return found.get(key) in values
        case "NotIn":
            return found.get(key) not in values
        case "Exists":
            return key in found
        case _:
            return key not in found


def fields(text: str, resource: Resource) -> Test:
    """A test for a field selector; raises 400 for a field that cannot be selected."""
    known = {"metadata.name", "metadata.namespace"}
    renamed = _renamed(resource)
    known |= {renamed(field) for field in FIELDS.get(resource.kind, ())}
    tests: list[Test] = []
    for term in filter(None, text.split(",")):
        found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", term)
        if found is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        if found[1] not in known:
            raise _unknown_field(found[1], resource)
        tests.append(_field_test(found[1], found[3], negative=found[2] == "!="))
    return lambda obj: all(test(obj) for test in tests)


def _unknown_field(name: str, resource: Resource) -> ApiError:
    if resource.kind in FIELDS:
        return bad_request(f"field label not supported: {name}")
    known = '"metadata.name", "metadata.namespace"'
    return bad_request(f'"{name}" is not a known field selector: only {known}')


def _renamed(resource: Resource) -> Callable[[str], str]:
    if resource.group != "events.k8s.io":
        return lambda field: field
    return lambda field: field.replace("involvedObject", "regarding")


def _field_test(path: str, wanted: str, *, negative: bool) -> Test:
    def test(obj: Obj) -> bool:
        value: Any = obj
        for part in path.split("."):
            value = value.get(part, "") if isinstance(value, dict) else ""
        return (str(value) == wanted) is not negative

    return test
