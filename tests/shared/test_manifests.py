import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.documents import (
    accepted,
)
from shared.errors import Refusal
from shared.manifests import (
    JSON,
    Kind,
    Object,
    ObjectRef,
    list_at,
    mapping_at,
    mappings_at,
    name_refusal,
    normalized,
    path_text,
    quoted,
    shown,
    text_at,
)


def document(**changes: JSON) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "demo"},
        **changes,
    }


def refused(*documents: JSON) -> Refusal:
    refusal = accepted(list(documents), namespace="demo")
    assert isinstance(refusal, Refusal)
    return refusal


def test_a_document_becomes_a_manifest_that_names_its_object() -> None:
    manifests = accepted([document()], namespace="demo")

    assert not isinstance(manifests, Refusal)
    (manifest,) = manifests
    assert manifest.kind is Kind.CONFIG_MAP
    assert manifest.ref == ObjectRef.of(Kind.CONFIG_MAP, "demo", "settings")
    assert str(manifest.ref) == "ConfigMap demo/settings"


@pytest.mark.parametrize("namespace", [None, "", "demo"])
def test_a_missing_namespace_is_filled_in(namespace: str | None) -> None:
    given_document = document(metadata={"name": "settings", "namespace": namespace})

    manifests = accepted([given_document], namespace="demo")

    assert not isinstance(manifests, Refusal)
    assert mapping_at(manifests[0].body, "metadata")["namespace"] == "demo"
    assert given_document["metadata"] == {"name": "settings", "namespace": namespace}


def test_another_namespace_is_refused_naming_both() -> None:
    refusal = refused(document(metadata={"name": "x", "namespace": "prod"}))

    assert refusal.code == "namespace_conflict"
    assert "'prod'" in refusal.message
    assert "'demo'" in refusal.message


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("v1", "Secret"),
        ("networking.k8s.io/v1", "Ingress"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ("v1", "Namespace"),
        ("v1", "Pod"),
        ("apps/v1", "ReplicaSet"),
        ("extensions/v1beta1", "Deployment"),
        ("apps/v1", "Service"),
        ("v1", "configmap"),
    ],
)
def test_another_kind_is_refused_and_the_accepted_ones_are_named(version: str, kind: str) -> None:
    refusal = refused(document(apiVersion=version, kind=kind))

    assert refusal.code == "unsupported_kind"
    assert "apps/v1 Deployment, v1 Service, v1 ConfigMap" in refusal.message


def test_a_list_is_refused_with_a_hint() -> None:
    refusal = refused(document(kind="List", items=[]))

    assert refusal.code == "unsupported_kind"
    assert "documents of their own" in refusal.message


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        ("text", None),
        ([], None),
        ({}, "kind"),
        (document(apiVersion=1), "kind"),
        (document(metadata=None), "metadata"),
        (document(metadata={}), "metadata.name"),
        (document(metadata={"name": 5}), "metadata.name"),
        (document(metadata={"name": "a", "generateName": "b"}), "metadata.generateName"),
        (document(metadata={"name": "A"}), "metadata.name"),
        (document(metadata={"name": "../x"}), "metadata.name"),
        (document(metadata={"name": "a" * 254}), "metadata.name"),
        (document(kind="Service", metadata={"name": "a.b"}), "metadata.name"),
    ],
)
def test_a_bad_document_refuses_all_naming_its_number_and_field(bad: JSON, path: str) -> None:
    refusal = refused(document(), bad)

    assert "ocument 2" in refusal.message
    assert refusal.details.get("document") == "2"
    assert refusal.details.get("path") == path


def test_the_same_object_twice_is_refused_naming_both_documents() -> None:
    refusal = refused(document(), document(metadata={"name": "settings"}, data={"a": "b"}))

    assert refusal.code == "duplicate_object"
    assert "Documents 1 and 2" in refusal.message


def test_no_document_and_too_many_are_refused() -> None:
    many = [document(metadata={"name": f"c{n}"}) for n in range(21)]

    assert refused().code == "empty_manifest"
    assert refused(*many).code == "manifest_too_large"
    assert not isinstance(accepted(list(many[:20]), namespace="demo"), Refusal)


@pytest.mark.parametrize("name", ["a", "a-b", "a.b-c.d", "1a", "a" * 253])
def test_a_subdomain_is_a_name(name: str) -> None:
    assert name_refusal(name) is None


@pytest.mark.parametrize(
    "name", ["-a", "a-", "a..b", ".a", "A", "a_b", "a/b", "a\n", "ä", "a" * 254]
)
def test_anything_else_is_no_name(name: str) -> None:
    refusal = name_refusal(name)

    assert refusal is not None
    assert refusal.code == "invalid_name"
    assert "\n" not in refusal.message


def test_a_label_is_shorter_and_has_no_dots() -> None:
    assert name_refusal("a" * 63, label=True) is None
    assert name_refusal("a" * 64, label=True) is not None
    assert name_refusal("a.b", label=True) is not None


def test_a_missing_name_is_asked_for_in_the_known_words() -> None:
    refusal = name_refusal("", what="Resource name")

    assert refusal is not None
    assert refusal.message == "Resource name is required."


def test_kinds_know_their_paths_and_which_are_writable() -> None:
    assert Kind.DEPLOYMENT.path("demo", "web") == "/apis/apps/v1/namespaces/demo/deployments/web"
    assert Kind.CONFIG_MAP.path("demo") == "/api/v1/namespaces/demo/configmaps"
    assert [kind for kind in Kind if kind.writable] == ["Deployment", "Service", "ConfigMap"]
    assert Kind.named("configmap") is Kind.CONFIG_MAP
    assert Kind.named("Secret") is None


NOISY: Object = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "web",
        "uid": "u",
        "resourceVersion": "7",
        "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "selfLink": "/x",
        "managedFields": [{}],
        "annotations": {
            "deployment.kubernetes.io/revision": "4",
            "infragate.dev/plan-digest": "sha256:x",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
        },
        "labels": {},
    },
    "spec": {"replicas": 2, "template": {"metadata": {"creationTimestamp": None}, "spec": {}}},
    "status": {"readyReplicas": 1},
}


def test_the_normal_form_leaves_out_what_nobody_changed() -> None:
    assert normalized(NOISY) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "template": {"metadata": {}, "spec": {}}},
    }


def test_the_normal_form_keeps_what_somebody_changed() -> None:
    metadata: JSON = {
        "name": "web",
        "annotations": {"kubectl.kubernetes.io/restartedAt": "now"},
        "labels": {"a": "b"},
        "finalizers": ["x"],
        "deletionTimestamp": "now",
    }
    kept: Object = {"metadata": metadata, "spec": {"a": None}, "data": {}}

    assert normalized(kept) == kept


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    metadata=JSONS,
    template=JSONS,
    rest=st.dictionaries(st.sampled_from(["status", "data", "kind"]), JSONS),
)
@settings(max_examples=100)
def test_the_normal_form_is_its_own_normal_form(
    metadata: JSON, template: JSON, rest: Object
) -> None:
    body: Object = {"metadata": metadata, "spec": {"template": template}, **rest}

    once = normalized(body)

    assert normalized(once) == once
    assert "status" not in once


def test_a_path_is_written_for_people() -> None:
    assert path_text(("spec", "containers", 0, "image")) == "spec.containers[0].image"
    assert path_text(("metadata", "labels", "a.b/c")) == 'metadata.labels["a.b/c"]'
    assert path_text(("data", 'x"]\n')) == 'data["x\\"]\\n"]'
    assert path_text(()) == ""


@given(st.text(max_size=40))
@settings(max_examples=100)
def test_a_quoted_text_stays_on_one_printable_line(text: str) -> None:
    assert quoted(text).isprintable()
    assert len(shown(text)) <= 80 * len("\\U0010ffff") + 2


def test_a_long_value_is_cut_and_a_structure_is_only_named() -> None:
    assert shown("a" * 200) == "'" + "a" * 79 + "…'"
    assert shown({"password": "x"}) == "a mapping"
    assert shown(["x"]) == "a list"


@given(JSONS)
@settings(max_examples=100)
def test_looking_for_what_is_not_there_finds_nothing(value: JSON) -> None:
    assert not mapping_at(value, "no", "such", "key")
    assert list_at(value, "no", "such") == []
    assert list(mappings_at(value, "no")) == []
    assert text_at(value, "no") == ""
