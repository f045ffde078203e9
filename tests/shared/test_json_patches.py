from hypothesis import given, settings

from dev.sandbox.patches import json_patch
from shared.diffs import same
from shared.json_patches import patch_between
from shared.manifests import JSON, Object, normalized
from tests.shared.test_diffs import OBJECTS, deployment, web

CONTAINERS = "/spec/template/spec/containers"


def env(*names: str) -> list[JSON]:
    return [{"name": name, "value": f"value of {name}"} for name in names]


def patched(raw: Object, operations: list[Object]) -> object:
    return json_patch(raw, operations)


@given(OBJECTS, OBJECTS)
@settings(max_examples=300)
def test_the_operations_turn_one_object_into_the_other(live: Object, target: Object) -> None:
    assert same(patched(live, patch_between(live, live, target)), target)  # type: ignore[arg-type]  # JSON in, JSON out


@given(OBJECTS)
@settings(max_examples=50)
def test_nothing_is_written_to_an_object_that_is_as_it_should_be(live: Object) -> None:
    assert patch_between(live, live, live) == []


def test_one_image_is_one_operation_that_holds_nothing_else() -> None:
    live = deployment(web(env=env("PASSWORD")), {"name": "proxy", "image": "envoy:2"})
    target = deployment(web(env=env("PASSWORD")), {"name": "proxy", "image": "envoy:1"})

    assert patch_between(live, live, target) == [
        {"op": "replace", "path": f"{CONTAINERS}/1/image", "value": "envoy:1"}
    ]


def test_a_variable_comes_back_to_its_place_and_no_other_is_written() -> None:
    live, target = deployment(web(env=env("B", "C"))), deployment(web(env=env("A", "B")))

    assert patch_between(live, live, target) == [
        {"op": "remove", "path": f"{CONTAINERS}/0/env/1"},
        {"op": "add", "path": f"{CONTAINERS}/0/env/-", "value": env("A")[0]},
        {"op": "move", "from": f"{CONTAINERS}/0/env/1", "path": f"{CONTAINERS}/0/env/0"},
    ]


def test_what_controllers_keep_beside_what_is_changed_stays() -> None:
    noise: Object = {
        "deployment.kubernetes.io/revision": "7",
        "infragate.dev/plan-digest": "sha256:1",
    }
    for before, after in ((None, {"team": "a"}), ({"team": "a"}, None), ({"a": "1"}, {"b": "1"})):
        raw: Object = {"metadata": {"annotations": {**noise, **(before or {})}}}
        target: Object = {"metadata": {"annotations": {**after}} if after else {}}

        result = patched(raw, patch_between(raw, normalized(raw), target))

        assert result == {"metadata": {"annotations": {**noise, **(after or {})}}}
