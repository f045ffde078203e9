"""The pure parts: field sets, patches, fates, quantities, selectors, the log of requests."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dev.sandbox import fates, fieldsets, patches, schema, selectors
from dev.sandbox.faults import KEPT, RequestLog
from dev.sandbox.quantities import quantity
from dev.sandbox.resources import CONFIGMAPS, DEPLOYMENTS
from dev.sandbox.status import ApiError
from tests.dev.sandbox.conftest import deployment

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
DATA = st.dictionaries(st.text("abcd", min_size=1, max_size=2), st.text("xy", max_size=2))


@given(DATA, DATA)
@settings(max_examples=50)
def test_what_was_added_modified_and_removed_tells_the_whole_difference(
    old: dict[str, str], new: dict[str, str]
) -> None:
    change = fieldsets.compare({"data": old}, {"data": new}, schema.of(CONFIGMAPS))

    assert change.added == {("f:data", f"f:{k}") for k in new.keys() - old.keys()}
    assert change.removed == {("f:data", f"f:{k}") for k in old.keys() - new.keys()}
    assert change.modified == {
        ("f:data", f"f:{k}") for k in new.keys() & old.keys() if new[k] != old[k]
    }


def test_field_sets_survive_their_wire_form() -> None:
    claimed = frozenset(fieldsets.of_config(deployment("x"), schema.of(DEPLOYMENTS)))

    assert frozenset(fieldsets.decode(fieldsets.encode(claimed))) == claimed


def test_a_path_is_told_as_conflicts_tell_it() -> None:
    path = ("f:spec", 'k:{"containerPort":80,"protocol":"TCP"}', 'v:"a"')

    assert fieldsets.told(path) == '.spec[containerPort=80,protocol="TCP"][="a"]'


@given(st.dictionaries(st.text(max_size=3), JSON_VALUES), JSON_VALUES)
@settings(max_examples=50)
def test_a_merge_patch_leaves_the_document_as_it_was(document: dict[str, Any], patch: Any) -> None:
    before = repr(document)

    patches.merge_patch(document, patch)

    assert repr(document) == before


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3]}),
        ([{"op": "add", "path": "/a/0", "value": 0}], {"a": [0, 1, 2]}),
        ([{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ([{"op": "move", "from": "/a", "path": "/b"}], {"b": [1, 2]}),
        ([{"op": "copy", "from": "/a/0", "path": "/c"}], {"a": [1, 2], "c": 1}),
        ([{"op": "add", "path": "/x~1y", "value": 1}], {"a": [1, 2], "x/y": 1}),
    ],
)
def test_json_patch_operations(operations: list[Any], expected: Any) -> None:
    assert patches.json_patch({"a": [1, 2]}, operations) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/none/deep", "value": 1},
        {"op": "remove", "path": "/none"},
        {"op": "add", "path": "/a/9", "value": 1},
        {"op": "test", "path": "/a", "value": 1},
        {"op": "what", "path": "/a"},
    ],
)
def test_a_json_patch_that_does_not_apply_is_422(operation: Any) -> None:
    with pytest.raises(ApiError) as refused:
        patches.json_patch({"a": [1]}, [operation])

    assert refused.value.code == 422


@pytest.mark.parametrize(
    ("container", "code"),
    [
        ({"image": "localhost/busybox:1.35", "command": ["sh", "-c", "echo hi; exit 3"]}, 3),
        ({"image": "localhost/busybox:1.35", "command": ["false"]}, 1),
        ({"image": "localhost/busybox:1.35", "command": ["sh", "-c", "echo done"]}, 0),
        ({"image": "localhost/busybox:1.35", "command": ["sleep", "3600"]}, None),
        ({"image": "localhost/busybox:1.35", "command": ["sh", "-c", "sleep 1; exit 2"]}, 2),
        ({"image": "registry.example/app-crash:1"}, 1),
        ({"image": "registry.example/app-oom:1"}, 137),
        ({"image": "nginx:1.27"}, None),
    ],
)
def test_the_fate_of_a_container(container: dict[str, Any], code: int | None) -> None:
    assert fates.foretold(container).exit_code == code


@pytest.mark.parametrize(
    ("image", "pulled"),
    [
        ("localhost/nginx:1.22", True),
        ("nginx:1.27", True),
        ("localhost/nginx:9.99", False),
        ("localhost/other:1", False),
        ("registry.example/missing:1", False),
        ("localhost/app-crash:1", True),
    ],
)
def test_which_images_can_be_pulled(image: str, pulled: bool) -> None:
    assert (fates.pull_error(image) == "") is pulled


@pytest.mark.parametrize(
    ("text", "amount"), [("500m", "0.5"), ("2", "2"), ("1Gi", "1073741824"), ("1e3", "1000")]
)
def test_quantities_are_numbers(text: str, amount: str) -> None:
    assert quantity(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "abc", "1 Gi", "1GiB"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        quantity(text)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("a=1", True),
        ("a!=1", False),
        ("a", True),
        ("!a", False),
        ("a in (1, 2),b notin (3)", True),
        ("a=1,b", False),
    ],
)
def test_label_selectors(selector: str, matches: bool) -> None:
    assert selectors.labels(selector)({"metadata": {"labels": {"a": "1"}}}) is matches


def test_reads_push_no_write_out_of_the_log_of_requests() -> None:
    log = RequestLog()
    log.add({"verb": "create"})
    for number in range(KEPT + 1):
        log.add({"verb": "list", "number": number})
    log.add({"verb": "delete"})

    first, second, *rest, last = [json.loads(line) for line in log.lines().splitlines()]

    assert first == {"verb": "create"}
    assert (second["number"], rest[-1]["number"]) == (1, KEPT)
    assert last == {"verb": "delete"}
