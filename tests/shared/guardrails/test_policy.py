import pytest

from shared.errors import Refusal
from shared.guardrails import PodSecurityLevel, Policies, Policy, read_policies
from shared.manifests import JSON


def test_no_policy_is_the_narrow_default() -> None:
    policies = read_policies(None)

    assert isinstance(policies, Policies)
    assert policies.for_namespace("any") == Policy()
    assert Policy().max_replicas == 5
    assert Policy().service_types == {"ClusterIP"}
    assert not Policy().secrets | Policy().service_accounts | Policy().image_pull_secrets


def test_a_namespace_has_its_own_policy_and_others_the_default() -> None:
    policies = read_policies(
        {
            "default": {"pod_security": "restricted", "registries": ["ghcr.io/team"]},
            "namespaces": {"demo": {"secrets": ["db"], "max_replicas": 3, "require_digest": True}},
        }
    )

    assert isinstance(policies, Policies)
    assert policies.for_namespace("demo") == Policy(
        secrets=frozenset({"db"}), max_replicas=3, require_digest=True
    )
    other = policies.for_namespace("other")
    assert other.pod_security is PodSecurityLevel.RESTRICTED
    assert other.registries == {"ghcr.io/team"}


@pytest.mark.promise("policy-is-strict")
@pytest.mark.parametrize(
    ("value", "path"),
    [
        ([], "guardrails"),
        ({"defaults": {}}, "guardrails"),
        ({"default": {"podSecurity": "restricted"}}, "guardrails.default.podSecurity"),
        ({"default": {"pod_security": "privileged"}}, "guardrails.default"),
        ({"default": {"pod_security": None}}, "guardrails.default"),
        ({"default": {"max_replicas": "5"}}, "guardrails.default"),
        ({"default": {"max_replicas": True}}, "guardrails.default"),
        ({"default": {"max_replicas": -1}}, "guardrails.default"),
        ({"default": {"require_digest": "yes"}}, "guardrails.default"),
        ({"default": {"registries": "ghcr.io"}}, "guardrails.default"),
        ({"default": {"registries": [""]}}, "guardrails.default"),
        ({"default": {"service_types": ["ExternalName"]}}, "guardrails.default"),
        ({"default": []}, "guardrails.default"),
        ({"namespaces": []}, "guardrails.namespaces"),
        ({"namespaces": {"demo": None}}, "guardrails.namespaces.demo"),
        ({"namespaces": {"demo": {"x": 1}}}, "guardrails.namespaces.demo.x"),
    ],
)
def test_anything_unknown_or_of_a_wrong_type_refuses_the_whole_policy(
    value: JSON, path: str
) -> None:
    refusal = read_policies(value)

    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.details["path"]) == ("invalid_policy", path)
