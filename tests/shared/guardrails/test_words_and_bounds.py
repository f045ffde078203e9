"""The rules' own words and numbers, written a second time, so that none changes by accident."""

from typing import Any

import pytest

from shared import guardrails
from shared.guardrails import Effect, Facts, Policies, Policy
from shared.guardrails.configmaps import MAX_DATA_BYTES, check_config_map, check_config_map_name
from shared.guardrails.deletes import check_owned
from shared.guardrails.fields import check_shape, unknown_fields
from shared.guardrails.findings import find_in_plan, looks_secret
from shared.guardrails.images import check_image, read_image
from shared.guardrails.metadata import CONTROLLER_PREFIXES
from shared.guardrails.pods import PodTemplate, probes
from shared.guardrails.podtemplates import check_inherited
from shared.guardrails.policy import PodSecurityLevel, read_policies
from shared.guardrails.replicas import check_replicas
from shared.manifests import JSON, Kind, Object
from shared.plans import Operation

from .objects import config_map, container, deployment, ids, manifest, service, with_at, written

WEB = "spec.template.spec.containers.0"
PREFIXES = """
ingress.kubernetes.io traefik.io haproxy.org haproxy-ingress.github.io konghq.com projectcontour.io
getambassador.io service.beta.kubernetes.io service.alpha.kubernetes.io service.kubernetes.io
elbv2.k8s.aws cloud.google.com networking.gke.io kubernetes.digitalocean.com
load-balancer.hetzner.cloud metallb.io metallb.universe.tf kube-vip.io cilium.io
external-dns.alpha.kubernetes.io external-dns.kubernetes.io external-dns.io cert-manager.io
argoproj.io fluxcd.io helm.sh crossplane.io deployment.kubernetes.io istio.io linkerd.io dapr.io
opentelemetry.io k8s.v1.cni.cncf.io projectcalico.org hashicorp.com external-secrets.io
iam.amazonaws.com eks.amazonaws.com iam.gke.io azure.workload.identity mittwald.de
reflector.v1.k8s.emberstack.com stakater.com pod-security.kubernetes.io security.openshift.io
openshift.io seccomp.security.alpha.kubernetes.io scheduler.alpha.kubernetes.io
"""
SYSTEM_CONFIG_MAPS = """
aws-auth cluster-info coredns extension-apiserver-authentication istio-ca-root-cert kube-proxy
kube-root-ca.crt kubeadm-config kubelet-config openshift-service-ca.crt
"""
SERVER_FIELDS = {
    "ownerReferences": "IG-META-OWNER",
    "finalizers": "IG-META-FINALIZER",
    "managedFields": "IG-META-MANAGED",
    "creationTimestamp": "IG-META-IDENTITY",
    "deletionGracePeriodSeconds": "IG-META-IDENTITY",
    "deletionTimestamp": "IG-META-IDENTITY",
    "generateName": "IG-META-IDENTITY",
    "generation": "IG-META-IDENTITY",
    "resourceVersion": "IG-META-IDENTITY",
    "selfLink": "IG-META-IDENTITY",
    "uid": "IG-META-IDENTITY",
}
VALUES: dict[str, JSON] = {
    "ownerReferences": [{"name": "x"}],
    "finalizers": ["x/y"],
    "managedFields": [{"manager": "x"}],
    "deletionGracePeriodSeconds": 1,
    "generation": 1,
}


# ── metadata ─────────────────────────────────────────────────────────────────────────────────────


def test_the_prefixes_that_controllers_act_on_are_these() -> None:
    assert sorted(CONTROLLER_PREFIXES) == sorted(PREFIXES.split())


@pytest.mark.parametrize("field", SERVER_FIELDS)
@pytest.mark.parametrize("path", ["metadata", "spec.template.metadata"])
def test_a_field_that_is_the_servers_is_refused_by_its_rule(field: str, path: str) -> None:
    found = written(with_at(deployment(), f"{path}.{field}", VALUES.get(field, "x")))

    assert [(item.rule_id, item.path) for item in found] == [
        (SERVER_FIELDS[field], f"{path}.{field}")
    ]


def test_a_status_is_refused_by_its_rule() -> None:
    found = written(with_at(deployment(), "status", {"replicas": 1}))

    assert [(item.rule_id, item.path) for item in found] == [("IG-META-STATUS", "status")]


# ── ConfigMaps ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", SYSTEM_CONFIG_MAPS.split())
def test_a_config_map_that_the_cluster_lives_by_is_refused(name: str) -> None:
    assert [(item.rule_id, item.path) for item in check_config_map_name(name)] == [
        ("IG-CM-SYSTEM", "metadata.name")
    ]
    assert list(check_config_map_name(f"{name}-mine")) == []


@pytest.mark.parametrize(("over", "expected"), [(0, []), (1, ["IG-CM-SIZE"])])
@pytest.mark.parametrize("field", ["data", "binaryData"])
def test_a_config_map_holds_one_mebibyte_of_keys_and_values(
    field: str, over: int, expected: list[str]
) -> None:
    assert MAX_DATA_BYTES == 1_048_576
    body: Object = {field: {"key": "x" * (MAX_DATA_BYTES - 3 + over)}}

    assert [item.rule_id for item in check_config_map(body)] == expected


def test_the_size_is_that_of_the_bytes() -> None:
    body: Object = {"data": {"key": "ü" * (MAX_DATA_BYTES // 2)}}

    assert [item.rule_id for item in check_config_map(body)] == ["IG-CM-SIZE"]


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ("a" * 253, True),
        ("a" * 254, False),
        (".", False),
        ("..", False),
        ("..data", False),
        (".hidden", True),
        ("a..b", True),
        ("a/b", False),
        ("", False),
        ("ä", False),
    ],
)
def test_a_key_is_a_file_name(key: str, good: bool) -> None:
    assert [item.rule_id for item in check_config_map({"data": {key: "x"}})] == (
        [] if good else ["IG-CM-KEY"]
    )


@pytest.mark.parametrize("field", ["data", "binaryData"])
def test_a_key_is_named_with_its_half_and_a_size_with_the_data(field: str) -> None:
    found = check_config_map({field: {"..": "x" * MAX_DATA_BYTES}})

    assert [(item.rule_id, item.path) for item in found] == [
        ("IG-CM-KEY", f'{field}[".."]'),
        ("IG-CM-SIZE", "data"),
    ]


# ── deletions ────────────────────────────────────────────────────────────────────────────────────


def test_an_owned_object_is_named_with_its_owners_place() -> None:
    owners: JSON = [{"kind": "A", "name": "a"}, {"kind": "B", "name": "b", "controller": True}]

    found = list(check_owned(with_at(config_map(), "metadata.ownerReferences", owners)))

    assert [(item.rule_id, item.path) for item in found] == [
        ("IG-DELETE-OWNED", "metadata.ownerReferences[1]")
    ]
    assert "B b" in str(found[0])


# ── images ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("length", "good"), [(512, True), (513, False)])
def test_an_image_reference_is_at_most_512_characters(length: int, good: bool) -> None:
    reference = "a" * (length - 2) + ":1"

    assert (read_image(reference) is not None) is good


def test_an_image_by_itself_is_named_as_the_tools_argument() -> None:
    assert [item.path for item in check_image("nginx", Policy())] == ["image"]
    assert [item.path for item in guardrails.check_image("nginx", Policy())] == ["image"]


def test_an_image_of_a_container_is_named_by_its_path() -> None:
    assert [item.path for item in written(container(image="nginx"))] == [
        "spec.template.spec.containers[web].image"
    ]


def test_replicas_by_themselves_are_named_as_in_a_manifest() -> None:
    assert [item.path for item in check_replicas(6, Policy())] == ["spec.replicas"]


@pytest.mark.parametrize(
    ("replicas", "most", "good"),
    [
        (None, 1, True),
        (None, 0, False),
        (0, 0, True),
        (1, 1, True),
        (2, 1, False),
        (-1, 5, False),
        (True, 5, False),
        ("2", 5, False),
        (1.0, 5, False),
    ],
)
def test_replicas_are_a_whole_number_up_to_the_policys_most(
    replicas: JSON, most: int, good: bool
) -> None:
    assert (list(check_replicas(replicas, Policy(max_replicas=most))) == []) is good


# ── fields ───────────────────────────────────────────────────────────────────────────────────────


def test_a_wrong_type_is_no_unknown_field_and_an_unknown_field_no_wrong_shape() -> None:
    body = with_at(with_at(deployment(), "spec.replicas", "two"), "spec.replica", 2)

    assert unknown_fields(manifest(body)) == ["spec.replica"]
    assert [item.path for item in check_shape(Kind.DEPLOYMENT, body)] == ["spec.replicas"]


@pytest.mark.parametrize("value", [{"a": "b"}, [], 1.5])
def test_a_structure_is_no_text(value: JSON) -> None:
    body = with_at(config_map(), "data", {"key": value})

    assert {item.rule_id for item in check_shape(Kind.CONFIG_MAP, body)} == {"IG-FIELD-TYPE"}


# ── policy ───────────────────────────────────────────────────────────────────────────────────────


def test_the_defaults_are_the_narrow_ones() -> None:
    policy = Policy()

    assert policy.volume_types == {
        "configMap",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    assert policy.service_types == {"ClusterIP"}
    assert (policy.max_replicas, policy.require_digest) == (5, False)
    assert policy.pod_security is PodSecurityLevel.BASELINE


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_level_is_named_as_kubernetes_names_it(level: str) -> None:
    policies = read_policies({"default": {"pod_security": level}})

    assert isinstance(policies, Policies)
    assert policies.default.pod_security.value == level


@pytest.mark.parametrize("kind", ["ClusterIP", "NodePort", "LoadBalancer"])
def test_a_service_type_can_be_allowed_by_name(kind: str) -> None:
    policies = read_policies({"default": {"service_types": [kind]}})

    assert isinstance(policies, Policies)
    assert policies.default.service_types == {kind}


def test_all_service_types_and_no_replicas_at_all_can_be_written_into_a_policy() -> None:
    kinds = frozenset({"ClusterIP", "NodePort", "LoadBalancer"})
    listed: list[JSON] = [*kinds]
    policies = read_policies({"default": {"service_types": listed, "max_replicas": 0}})

    assert isinstance(policies, Policies)
    assert policies.default == Policy(service_types=kinds, max_replicas=0)


# ── Pods ─────────────────────────────────────────────────────────────────────────────────────────


def test_paths_say_where_people_find_it() -> None:
    template = PodTemplate.of(container(name="my-web.v1"))
    pod = PodTemplate.of({"kind": "Pod", "spec": {"volumes": [{}], "containers": [{"name": "ä"}]}})

    assert [part.path for part in template.containers()] == [
        "spec.template.spec.containers[my-web.v1]"
    ]
    assert [part.path for part in pod.containers()] == ['spec.containers["ä"]']
    assert [part.path for part in pod.volumes()] == ["spec.volumes[0]"]
    assert template.metadata_at("labels") == "spec.template.metadata.labels"
    assert (pod.metadata_at("labels"), pod.at("nodeName")) == ("metadata.labels", "spec.nodeName")


def test_probes_and_hooks_have_their_paths() -> None:
    (part,) = PodTemplate.of(deployment()).containers()

    at = "spec.template.spec.containers[web]"
    assert [path for path, _ in probes(part)] == [
        f"{at}.livenessProbe",
        f"{at}.readinessProbe",
        f"{at}.startupProbe",
        f"{at}.lifecycle.postStart",
        f"{at}.lifecycle.preStop",
    ]


@pytest.mark.parametrize("field", ["image", "imagePullPolicy", "resources"])
def test_a_new_version_of_an_inherited_container_is_no_new_power(field: str) -> None:
    given: dict[str, JSON] = {
        "image": "nginx:1.28",
        "imagePullPolicy": "Always",
        "resources": {"limits": {"cpu": "1"}},
    }
    live = deployment(hostNetwork=True)
    result = with_at(live, f"spec.template.spec.containers.0.{field}", given[field])

    assert guardrails.check_predicted(Kind.DEPLOYMENT, result, live, Policy()) == ()


@pytest.mark.parametrize(
    "key", ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master", ""]
)
def test_no_pod_tolerates_its_way_to_the_control_plane(key: str) -> None:
    toleration: JSON = {"key": key, "operator": "Exists"}
    found = written(deployment(tolerations=[toleration]))

    assert [(item.rule_id, item.path) for item in found] == [
        ("IG-POD-TOLERATION", "spec.template.spec.tolerations[0]")
    ]
    assert written(deployment(tolerations=[{"key": "dedicated", "operator": "Exists"}])) == ()


@pytest.mark.parametrize("name", ["", "default", "listed"])
def test_no_account_the_default_and_listed_ones_are_fine(name: str) -> None:
    body = deployment(serviceAccountName=name)

    assert written(body, service_accounts=frozenset({"listed"})) == ()


@pytest.mark.parametrize("source", ["serviceAccountToken", "podCertificate"])
def test_an_empty_credential_source_is_one_too_and_is_named_by_its_path(source: str) -> None:
    volume: JSON = {"name": "v", "projected": {"sources": [{"configMap": {}}, {source: {}}]}}

    found = written(deployment(volumes=[volume]))

    path = f"spec.template.spec.volumes[v].projected.sources[1].{source}"
    assert [(item.rule_id, item.path) for item in found] == [("IG-POD-TOKEN", path)]


def test_a_breach_that_is_new_is_no_inherited_one() -> None:
    clean, privileged = deployment(), container(securityContext={"privileged": True})

    def inherited(before: Object, after: Object) -> list[str]:
        found = check_inherited(PodTemplate.of(after), PodTemplate.of(before))
        return [item.path for item in found]

    assert inherited(clean, privileged) == []
    assert inherited(privileged, with_at(privileged, f"{WEB}.command", ["sh"])) == [
        "spec.template.spec.containers[web]"
    ]


def test_an_image_volume_without_a_tag_is_named_by_its_path() -> None:
    volume: JSON = {"name": "v", "image": {"reference": "nginx"}}

    assert [(item.rule_id, item.path) for item in written(deployment(volumes=[volume]))] == [
        ("IG-IMAGE-TAG", "spec.template.spec.volumes[v].image.reference")
    ]


def test_a_missing_limit_is_named_by_its_path() -> None:
    found = written(deployment(), require_limits=frozenset({"cpu"}))

    assert [(item.rule_id, item.path) for item in found] == [
        ("IG-POD-LIMITS", "spec.template.spec.containers[web].resources.limits")
    ]


def test_a_limit_that_is_there_and_one_that_cannot_be_there_are_not_missing() -> None:
    body = with_at(
        container(resources={"limits": {"cpu": "1"}}),
        "spec.template.spec.ephemeralContainers",
        [{"name": "debug", "image": "nginx:1"}],
    )

    found = written(body, require_limits=frozenset({"cpu"}))
    assert "IG-POD-LIMITS" not in ids(found)


# ── findings and risk ────────────────────────────────────────────────────────────────────────────


def test_a_secret_in_clear_is_a_warning_at_its_place() -> None:
    values: Object = {"data": {"password": "hunter2x"}, "binaryData": {"id_rsa": "eA=="}}
    env: JSON = [{"name": "TOKEN", "value": "hunter2x"}, {"name": "PLAIN", "value": "yes"}]

    found = [
        *find_in_plan(Kind.CONFIG_MAP, values),
        *find_in_plan(Kind.DEPLOYMENT, container(env=env)),
    ]

    at = "spec.template.spec.containers[web].env[TOKEN].value"
    assert [(item.code, item.severity, item.path) for item in found] == [
        ("config_map_secret", "warning", "data.password"),
        ("config_map_secret", "warning", "binaryData.id_rsa"),
        ("env_secret", "warning", at),
    ]


def test_a_telling_name_without_a_value_is_no_secret() -> None:
    env: JSON = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]

    assert not looks_secret("password", "")
    assert find_in_plan(Kind.DEPLOYMENT, container(env=env)) == ()


def risk(live: Object | None, result: Object | None, **facts: object) -> list[tuple[str, str]]:
    body = result or live or {}
    effect = Effect(kind=Kind(str(body["kind"])), name="web", live=live, result=result)
    found = guardrails.assess(Operation.APPLY, (effect,), Facts(**facts))  # type: ignore[arg-type]  # as given
    return [(reason.code, reason.level) for reason in found.reasons]


def test_a_service_that_changes_one_thing_has_one_reason() -> None:
    before = service()

    assert risk(before, with_at(before, "spec.selector", {"app": "x"})) == [
        ("selector_change", "high")
    ]
    assert risk(before, with_at(before, "spec.ports", [{"port": 81}])) == [
        ("service_ports", "medium")
    ]
    assert risk(before, with_at(before, "spec.type", "NodePort")) == [("service_exposed", "high")]
    assert risk(before, with_at(before, "metadata.labels", {"a": "b"})) == []


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        (deployment(), {"pods": {"web": 1}}),
        (service(), {"endpoints": {"web": 1}}),
        (config_map(), {"consumers": {"web": ("Deployment a",)}}),
    ],
)
def test_a_delete_is_graver_when_something_goes_with_it(
    kind: Object, facts: dict[str, object]
) -> None:
    assert risk(kind, None, **facts) == [("delete", "high")]
    assert risk(kind, None) == [("delete", "medium")]


def test_nothing_to_say_is_low_risk() -> None:
    effect = Effect(kind=Kind.SERVICE, name="web", live=None, result=service())

    assert guardrails.assess(Operation.APPLY, (effect,), Facts()).level == "low"


def test_a_new_selector_says_how_many_addresses_serve_now() -> None:
    after = with_at(service(), "spec.selector", {"app": "x"})
    effect = Effect(kind=Kind.SERVICE, name="web", live=service(), result=after)

    def message(**facts: Any) -> str:
        (reason,) = guardrails.assess(Operation.APPLY, (effect,), Facts(**facts)).reasons
        return reason.message

    assert "(0 addresses" in message()
    assert "(3 addresses" in message(endpoints={"web": 3})


@pytest.mark.parametrize(
    ("users", "more"), [(1, ""), (5, ""), (6, " and 1 more"), (40, " and 35 more")]
)
def test_users_of_a_config_map_are_named_and_counted(users: int, more: str) -> None:
    names = tuple(f"Deployment d{number}" for number in range(users))
    effect = Effect(kind=Kind.CONFIG_MAP, name="web", live=config_map(), result=config_map(a="b"))

    (reason,) = guardrails.assess(
        Operation.APPLY, (effect,), Facts(consumers={"web": names})
    ).reasons

    listed = ", ".join(names[:5]) + more
    assert f"is used by {listed};" in reason.message
