import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.guardrails import Policy, check_delete, check_predicted, check_scale
from shared.manifests import JSON, Kind, Object, ObjectRef

from .objects import config_map, container, deployment, ids, service, with_at, written

PRIVILEGED: JSON = {"privileged": True}


def predicted(result: Object, live: Object | None) -> set[str]:
    return ids(check_predicted(Kind(str(result["kind"])), result, live, Policy()))


def secret_env(name: str) -> JSON:
    reference: JSON = {"secretKeyRef": {"name": name, "key": "password"}}
    return [{"name": "PASSWORD", "valueFrom": reference}]


SECRET_USES: list[Object] = [
    container(env=secret_env("db")),
    container(envFrom=[{"secretRef": {"name": "db"}}]),
    deployment(volumes=[{"name": "v", "secret": {"secretName": "db"}}]),
    deployment(volumes=[{"name": "v", "projected": {"sources": [{"secret": {"name": "db"}}]}}]),
    deployment(initContainers=[{"name": "i", "image": "a:1", "env": secret_env("db")}]),
]


@pytest.mark.promise("no-new-secret")
@pytest.mark.parametrize("body", SECRET_USES)
def test_a_secret_is_refused_unless_the_workload_uses_it_or_the_policy_allows_it(
    body: Object,
) -> None:
    assert ids(written(body)) == {"IG-POD-SECRET"}
    assert ids(written(body, live=container(env=secret_env("other")))) == {"IG-POD-SECRET"}
    assert not written(body, live=container(env=secret_env("db")))
    assert not written(body, secrets=frozenset({"db"}))


@pytest.mark.parametrize(
    "source",
    [
        {"azureFile": {"secretName": "db", "shareName": "s"}},
        {"csi": {"driver": "d", "nodePublishSecretRef": {"name": "db"}}},
        {"csi": {"driver": "d", "volumeAttributes": {"secretName": "db"}}},
        {"cephfs": {"monitors": ["m"], "secretRef": {"name": "db"}}},
    ],
)
def test_a_volume_driver_hides_no_secret(source: Object) -> None:
    body = deployment(volumes=[{"name": "v", **source}])

    assert "IG-POD-SECRET" in ids(written(body, volume_types=frozenset(source)))


def test_a_pull_secret_is_no_permission_to_read_it() -> None:
    live = deployment(imagePullSecrets=[{"name": "regcred"}])

    assert not written(live, live=live)
    assert ids(written(container(env=secret_env("regcred")), live=live)) == {"IG-POD-SECRET"}


def test_a_service_account_is_kept_or_listed() -> None:
    body = deployment(serviceAccountName="builder")

    assert ids(written(body)) == {"IG-POD-SERVICEACCOUNT"}
    assert ids(written(deployment(serviceAccount="builder"))) == {"IG-POD-SERVICEACCOUNT"}
    assert not written(body, live=body)
    assert not written(body, service_accounts=frozenset({"builder"}))
    assert not written(deployment(serviceAccountName="default"))


def test_asking_for_the_token_is_refused_and_declining_it_is_not() -> None:
    asking = deployment(automountServiceAccountToken=True)

    assert ids(written(asking)) == {"IG-POD-TOKEN"}
    assert not written(asking, live=asking)
    assert not written(deployment(automountServiceAccountToken=False))


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"operator": "Exists", "effect": "NoSchedule"},
        {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"},
        {"key": "node-role.kubernetes.io/master"},
    ],
)
def test_control_plane_taints_are_not_tolerated(toleration: Object) -> None:
    assert ids(written(deployment(tolerations=[toleration]))) == {"IG-POD-TOLERATION"}
    assert not written(deployment(tolerations=[{"key": "gpu", "operator": "Exists"}]))


def test_six_replicas_are_too_many_in_the_tool_and_in_a_manifest() -> None:
    six = with_at(deployment(), "spec.replicas", 6)

    assert ids(check_scale(6, Policy())) == ids(written(six)) == {"IG-REPLICAS-MAX"}
    assert ids(check_scale(-1, Policy())) == {"IG-REPLICAS-MAX"}
    assert not check_scale(0, Policy())
    assert not check_scale(5, Policy())
    assert not written(six, max_replicas=6)
    assert ids(check_scale(1, Policy(max_replicas=0))) == {"IG-REPLICAS-MAX"}


def test_an_image_volume_obeys_the_image_rules() -> None:
    body = deployment(volumes=[{"name": "v", "image": {"reference": "tools:latest"}}])

    assert ids(written(body)) == {"IG-IMAGE-TAG"}


def test_everything_wrong_is_said_at_once() -> None:
    body = deployment(hostPID=True, nodeName="n", serviceAccountName="admin")

    assert ids(written(body)) == {
        "IG-POD-HOSTNAMESPACE",
        "IG-POD-NODENAME",
        "IG-POD-SERVICEACCOUNT",
    }


def test_a_merge_that_makes_it_worse_is_refused() -> None:
    """As sent it was harmless; the result of server-side apply is what runs."""
    assert predicted(container(securityContext=PRIVILEGED), deployment()) == {"IG-POD-PRIVILEGED"}
    assert predicted(container(securityContext=PRIVILEGED), None) == {"IG-POD-PRIVILEGED"}
    assert predicted(container(env=secret_env("db")), deployment()) == {"IG-POD-SECRET"}


def test_what_was_broken_before_does_not_block_a_change() -> None:
    live = with_at(container(securityContext=PRIVILEGED), "spec.replicas", 9)
    result = with_at(live, "spec.template.spec.containers.0.image", "nginx:1.28")

    assert predicted(result, live) == set()


def test_a_second_broken_container_is_not_excused_by_the_first() -> None:
    live = container(securityContext=PRIVILEGED)
    web: JSON = {"name": "web", "image": "nginx:1.27", "securityContext": PRIVILEGED}
    second: JSON = {"name": "second", "image": "nginx:1.27", "securityContext": PRIVILEGED}

    assert "IG-POD-PRIVILEGED" in predicted(deployment(containers=[web, second]), live)


@pytest.mark.promise("no-new-code-with-old-rights")
def test_nothing_new_runs_with_rights_that_an_administrator_gave() -> None:
    """As sent, neither the mount nor the container says anything of the host."""
    web: Object = {"name": "web", "image": "nginx:1.27"}
    mounting: Object = {**web, "volumeMounts": [{"name": "host", "mountPath": "/host"}]}
    second: JSON = {"name": "second", "image": "nginx:1.27"}
    for broken in ({"hostPID": True}, {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}):
        rights: Object = dict(broken)  # type: ignore[arg-type]  # JSON all the same
        live = deployment(containers=[web], **rights)

        changed: list[JSON] = [[mounting], [web, second], [{**web, "env": [{"name": "A"}]}]]
        for containers in changed:
            result = deployment(containers=containers, **rights)
            assert predicted(result, live) == {"IG-POD-INHERITED"}
        cured = deployment(containers=[mounting], volumes=[{"name": "host", "emptyDir": {}}])
        assert predicted(cured, live) == set()


def test_the_servers_own_metadata_is_no_violation_in_a_prediction() -> None:
    result = with_at(deployment(), "metadata.uid", "u")
    result = with_at(result, "metadata.managedFields", [{"manager": "infragate"}])
    result = with_at(result, "spec.newFieldOfKubernetes", 1)

    assert predicted(result, None) == set()


@pytest.mark.parametrize(
    ("ref", "rule_id"),
    [
        (ObjectRef.of(Kind.CONFIG_MAP, "demo", "kube-root-ca.crt"), "IG-CM-SYSTEM"),
        (ObjectRef.of(Kind.SERVICE, "demo", "kubernetes"), "IG-SVC-SYSTEM"),
    ],
)
def test_system_objects_are_not_deleted(ref: ObjectRef, rule_id: str) -> None:
    assert ids(check_delete(ref, None)) == {rule_id}
    assert not check_delete(ObjectRef.of(Kind.DEPLOYMENT, "demo", "web"), deployment())


def test_a_service_keeps_its_address_and_may_have_none() -> None:
    live = service(clusterIP="10.96.0.7", clusterIPs=["10.96.0.7"])

    assert not written(live, live=live)
    assert not written(service(clusterIP="None"))
    assert ids(written(service(clusterIP="10.96.0.10"), live=live)) == {"IG-SVC-CLUSTERIP"}


def test_a_service_type_may_be_allowed_but_external_names_never() -> None:
    allowed = frozenset({"ClusterIP", "LoadBalancer", "ExternalName"})

    assert not written(service(type="LoadBalancer"), service_types=allowed)
    assert ids(written(service(type="ExternalName"), service_types=allowed)) == {
        "IG-SVC-EXTERNALNAME"
    }
    assert ids(written(service(externalIPs=["8.8.8.8"]), service_types=allowed)) == {
        "IG-SVC-EXTERNALIPS"
    }


def test_a_key_in_both_halves_of_a_config_map_is_refused() -> None:
    body = with_at(config_map(a="b"), "binaryData", {"a": "Yg=="})

    assert ids(written(body)) == {"IG-CM-KEY"}


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)
PLACES = st.sampled_from(
    [
        "metadata.labels",
        "metadata.ownerReferences",
        "spec.replicas",
        "spec.template",
        "spec.template.metadata.annotations",
        "spec.template.spec.containers",
        "spec.template.spec.containers.0.securityContext",
        "spec.template.spec.containers.0.ports",
        "spec.template.spec.containers.0.env",
        "spec.template.spec.volumes",
        "spec.template.spec.securityContext.sysctls",
        "spec.template.spec.imagePullSecrets",
        "spec.template.spec.tolerations",
    ]
)


@given(place=PLACES, value=JSONS)
@settings(max_examples=200)
def test_any_value_in_any_place_is_judged_without_a_crash(place: str, value: JSON) -> None:
    body = with_at(deployment(), place, value)

    assert isinstance(written(body, live=body), tuple)
    assert isinstance(check_predicted(Kind.DEPLOYMENT, body, body, Policy()), tuple)


@pytest.mark.promise("unknown-fields-refused")
@given(value=JSONS)
@settings(max_examples=50)
def test_an_unknown_field_is_refused_wherever_it_stands(value: JSON) -> None:
    for place in ("spec.template.spec.hostEverything", "spec.x", "metadata.x", "x"):
        assert ids(written(with_at(deployment(), place, value))) == {"IG-FIELD-UNKNOWN"}
