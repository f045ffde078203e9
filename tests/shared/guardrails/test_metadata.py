import pytest

from shared.guardrails.metadata import CONTROLLER_PREFIXES

from .objects import deployment, ids, service, with_at, written


@pytest.mark.parametrize("prefix", CONTROLLER_PREFIXES)
@pytest.mark.parametrize("field", ["labels", "annotations"])
def test_a_controllers_prefix_is_refused_with_its_subdomains(prefix: str, field: str) -> None:
    for domain in (prefix, f"sub.{prefix}"):
        body = with_at(deployment(), f"metadata.{field}", {f"{domain}/x": "y"})
        assert ids(written(body)) == {"IG-META-PREFIX"}


@pytest.mark.parametrize(
    "key",
    [
        "kubectl.kubernetes.io/last-applied-configuration",
        "infragate.dev/plan-digest",
        "infragate.dev/anything",
    ],
)
def test_a_key_that_tools_believe_in_is_refused(key: str) -> None:
    assert ids(written(with_at(deployment(), "metadata.annotations", {key: "x"}))) == {
        "IG-META-PREFIX"
    }


def test_posing_as_a_helm_release_is_refused() -> None:
    labels = {"app.kubernetes.io/managed-by": "Helm"}

    assert ids(written(with_at(service(), "metadata.labels", dict(labels)))) == {"IG-META-PREFIX"}


@pytest.mark.parametrize(
    "key",
    ["app", "app.kubernetes.io/name", "example.com/team", "kubectl.kubernetes.io/restartedAt"],
)
def test_an_ordinary_key_is_fine(key: str) -> None:
    assert not written(with_at(deployment(), "metadata.annotations", {key: "x"}))


def test_a_pod_templates_metadata_is_checked_too() -> None:
    path = "spec.template.metadata.annotations"
    body = with_at(deployment(), path, {"vault.hashicorp.com/agent-inject": "true"})

    (found,) = written(body)

    assert found.path == f'{path}["vault.hashicorp.com/agent-inject"]'


def test_a_lookalike_prefix_is_not_the_prefix() -> None:
    assert not written(with_at(deployment(), "metadata.labels", {"notistio.io/x": "y"}))


def test_what_the_live_object_says_already_is_no_change() -> None:
    live = with_at(deployment(), "metadata.labels", {"helm.sh/chart": "web-1"})
    other = with_at(deployment(), "metadata.labels", {"helm.sh/chart": "web-2"})

    assert not written(live, live=live)
    assert ids(written(other, live=live)) == {"IG-META-PREFIX"}


def test_a_policy_allows_a_prefix_or_one_key() -> None:
    body = with_at(deployment(), "metadata.annotations", {"cert-manager.io/issuer": "ca"})

    assert not written(body, metadata_prefixes=frozenset({"cert-manager.io"}))
    assert not written(body, metadata_prefixes=frozenset({"cert-manager.io/issuer"}))
    assert written(body, metadata_prefixes=frozenset({"cert-manager.io/other"}))


def test_no_policy_lets_an_agent_write_the_plan_digest() -> None:
    body = with_at(deployment(), "metadata.annotations", {"infragate.dev/plan-digest": "x"})

    assert written(body, metadata_prefixes=frozenset({"infragate.dev"}))
