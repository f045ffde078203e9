"""A plan copies no value that may be secret and that it does not change."""

import json

from shared.diffs import diff, patched
from shared.manifests import JSON, Kind, Object
from shared.untouched import NOT_COPIED, without_untouched


def deployment(*containers: JSON, replicas: int = 1, **annotations: JSON) -> Object:
    template: JSON = {
        "metadata": {"annotations": annotations},
        "spec": {"containers": [*containers]},
    }
    return {"kind": "Deployment", "spec": {"replicas": replicas, "template": template}}


def container(name: str, image: str = "nginx:1.22", **env: str) -> Object:
    return {
        "name": name,
        "image": image,
        "args": ["--password", f"secret-arg-{name}"],
        "command": [f"secret-command-{name}"],
        "env": [{"name": key, "value": value} for key, value in env.items()],
    }


def test_values_that_stay_are_not_copied_and_everything_else_is() -> None:
    before = deployment(container("web", KEY="secret-env"), note="secret-note")
    after = deployment(container("web", KEY="secret-env"), replicas=2, note="secret-note")

    kept = without_untouched(before, after, Kind.DEPLOYMENT)

    assert "secret" not in json.dumps(kept)
    assert json.dumps(kept).count(NOT_COPIED) == 5
    assert "nginx:1.22" in json.dumps(kept)
    assert kept["spec"]["replicas"] == 1  # type: ignore[index,call-overload]  # plain JSON


def test_what_changes_or_goes_is_there_with_its_value() -> None:
    before = deployment(container("web", KEY="old", STAYS="secret"), container("gone", KEY="last"))
    after = deployment(container("web", KEY="new", STAYS="secret"))

    kept = json.dumps(without_untouched(before, after, Kind.DEPLOYMENT))

    assert '"old"' in kept
    assert '"last"' in kept
    assert '"secret"' not in kept


def test_a_value_is_compared_with_its_own_also_where_the_order_changes() -> None:
    first, second = container("a", KEY="secret-a"), container("b", KEY="secret-b")

    kept = without_untouched(
        deployment(first, second), deployment(second, first, replicas=2), Kind.DEPLOYMENT
    )

    assert "secret" not in json.dumps(kept)


def test_keys_of_a_config_map_that_stay_are_named_without_their_values() -> None:
    before: Object = {"kind": "ConfigMap", "data": {"kept": "secret", "changed": "old"}}
    after: Object = {"kind": "ConfigMap", "data": {"kept": "secret", "changed": "new"}}

    kept = without_untouched(before, after, Kind.CONFIG_MAP)

    assert kept["data"] == {"kept": NOT_COPIED, "changed": "old"}


def test_the_changes_lead_from_what_is_kept_to_the_result() -> None:
    before = deployment(container("web", KEY="old", STAYS="secret"))
    after = deployment(container("web", "nginx:1.23", KEY="new", STAYS="secret"), replicas=3)
    changes = diff(before, after)

    result = patched(without_untouched(before, after, Kind.DEPLOYMENT), changes)

    assert result == without_untouched(after, before, Kind.DEPLOYMENT)
