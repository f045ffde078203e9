import re

import pytest
from kubernetes import client

from shared.guardrails import unknown_fields
from shared.guardrails.fields import _TYPES
from shared.manifests import JSON

from .objects import config_map, container, deployment, ids, manifest, service, with_at, written

FULL: list[tuple[str, JSON]] = [
    ("metadata.creationTimestamp", None),
    ("spec.strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}),
    ("spec.template.spec.affinity", {"podAntiAffinity": {}}),
    ("spec.template.spec.topologySpreadConstraints", [{"maxSkew": 1, "topologyKey": "zone"}]),
    ("spec.template.spec.volumes", [{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}]),
    ("spec.template.spec.containers.0.resources", {"limits": {"cpu": 1, "memory": "64Mi"}}),
    ("spec.template.spec.containers.0.livenessProbe", {"httpGet": {"port": "http"}}),
    ("spec.template.spec.containers.0.ports", [{"containerPort": 80, "protocol": "TCP"}]),
]


@pytest.mark.parametrize(("path", "value"), FULL)
def test_a_field_that_kubernetes_has_is_known(path: str, value: JSON) -> None:
    assert not written(with_at(deployment(), path, value))


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        ("spec.replicas", "2", "a whole number"),
        ("spec.replicas", True, "a whole number"),
        ("spec.paused", "no", "true or false"),
        ("spec.template.spec.containers", {}, "a list"),
        ("spec.template.spec.containers", ["web"], "a mapping"),
        ("spec.template.spec.containers", [None], "a mapping"),
        ("spec.template.spec", [], "a mapping"),
        ("metadata.labels", {"version": 1}, "a string"),
        ("metadata.labels", {"version": None}, "a string"),
        ("spec.template.spec.containers.0.args", ["-v", 3], "a string"),
        ("spec.template.spec.containers.0.resources", {"limits": {"cpu": "lots"}}, "a quantity"),
        ("spec.template.spec.hostNetwork", "true", "true or false"),
        ("spec.strategy.rollingUpdate", {"maxSurge": []}, "a whole number or a string"),
        ("spec.template.spec.volumes", [{"name": "v", "cinder": "x"}], "a mapping"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_its_path(
    path: str, value: JSON, wanted: str
) -> None:
    (found, *_) = written(with_at(deployment(), path, value))

    assert found.rule_id == "IG-FIELD-TYPE"
    assert wanted in found.message


def test_an_unknown_field_is_named_by_path_with_what_was_probably_meant() -> None:
    body = with_at(deployment(), "spec.template.spec.containers.0.imagePullPolcy", "Always")

    assert unknown_fields(manifest(body)) == ["spec.template.spec.containers[0].imagePullPolcy"]
    assert "Did you mean imagePullPolicy?" in written(body)[0].message


def test_case_counts_in_field_names() -> None:
    assert ids(written(with_at(deployment(), "spec.template.spec.hostnetwork", value=True))) == {
        "IG-FIELD-UNKNOWN"
    }


def test_binary_data_must_be_base64() -> None:
    assert not written(with_at(config_map(), "binaryData", {"a": "aGk="}))
    assert ids(written(with_at(config_map(), "binaryData", {"a": "hi!"}))) == {"IG-FIELD-TYPE"}


def test_good_objects_have_no_unknown_fields() -> None:
    for body in (deployment(), container(tty=True), service(), config_map(a="b")):
        assert unknown_fields(manifest(body)) == []


def openapi_fields(type_name: str) -> set[str]:
    """The fields of a type in the Kubernetes client, which is made from the OpenAPI document."""
    names = (n for n in dir(client) if re.fullmatch(r"\w*V1\w*", n))
    model = next(getattr(client, n) for n in names if n.replace("V1", "", 1) == type_name)
    return set(model.attribute_map.values())


@pytest.mark.parametrize("type_name", sorted(_TYPES))
def test_the_table_has_every_field_of_the_kubernetes_client(type_name: str) -> None:
    assert openapi_fields(type_name) <= set(_TYPES[type_name])


def test_every_type_in_the_table_is_a_simple_one_or_in_the_table() -> None:
    simple = {"str", "int", "bool", "int-or-str", "quantity", "bytes", "object"}
    used = {t.rstrip("[]{}") for fields in _TYPES.values() for t in fields.values()}

    assert used <= simple | set(_TYPES)
