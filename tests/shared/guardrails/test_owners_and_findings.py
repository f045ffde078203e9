import pytest

from shared.guardrails import field_managers, find_in_plan, owners
from shared.guardrails.findings import looks_secret
from shared.manifests import JSON, Kind, Object

from .objects import config_map, container, deployment, service, with_at

KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----"  # gitleaks:allow


@pytest.mark.parametrize(
    ("field", "entries", "kind", "name"),
    [
        ("annotations", {"argocd.argoproj.io/tracking-id": "shop:v1/a:b"}, "argo-cd", "shop"),
        ("labels", {"argocd.argoproj.io/instance": "shop"}, "argo-cd", "shop"),
        ("labels", {"kustomize.toolkit.fluxcd.io/name": "apps"}, "flux", "apps"),
        ("labels", {"helm.toolkit.fluxcd.io/name": "apps"}, "flux", "apps"),
        ("annotations", {"meta.helm.sh/release-name": "web"}, "helm", "web"),
        ("labels", {"app.kubernetes.io/managed-by": "Helm"}, "helm", ""),
        (
            "ownerReferences",
            [{"kind": "Rollout", "name": "web", "controller": True}],
            "controller",
            "Rollout web",
        ),
    ],
)
def test_an_owner_is_named_with_what_becomes_of_the_change(
    field: str, entries: JSON, kind: str, name: str
) -> None:
    (owner,) = owners(with_at(deployment(), f"metadata.{field}", entries))

    assert (owner.kind, owner.name) == (kind, name)
    assert "will be reverted by" in owner.message


def test_a_helm_release_is_named_where_its_name_is_known() -> None:
    label = with_at(deployment(), "metadata.labels", {"app.kubernetes.io/managed-by": "Helm"})
    named = with_at(deployment(), "metadata.annotations", {"meta.helm.sh/release-name": "web"})

    messages = [owner.message for body in (label, named) for owner in owners(body)]
    assert ["Helm release a release;" in message for message in messages] == [True, False]
    assert ["web" in message for message in messages] == [False, True]


def test_a_plain_object_has_no_owner() -> None:
    assert owners(deployment()) == ()
    assert owners(None) == ()


def test_field_managers_are_named_once_each() -> None:
    entries: JSON = [{"manager": "kubectl"}, {"manager": "infragate"}, {"manager": "kubectl"}]

    assert field_managers(with_at(deployment(), "metadata.managedFields", entries)) == (
        "infragate",
        "kubectl",
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("DB_PASSWORD", "hunter2hunter2"),
        ("api-key", "0f2b9a"),
        ("tls.key", "x"),
        ("DB_PWD", "hunter2hunter2"),
        ("sentry-dsn", "hunter2hunter2"),
        ("app.properties", "user=me\npassword=hunter2hunter2\n"),
        ("notes", KEY),
        ("url", "postgres://app:hunter2@db:5432/app"),
        ("aws", "AKIA" + "A" * 16),
        ("jwt", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"),
        ("t", "ghp_" + "a" * 36),
    ],
)
def test_what_looks_like_a_credential_is_flagged_and_never_quoted(key: str, value: str) -> None:
    in_config = find_in_plan(Kind.CONFIG_MAP, config_map(**{key: value}))
    in_env = find_in_plan(Kind.DEPLOYMENT, container(env=[{"name": key, "value": value}]))

    assert [finding.code for finding in in_config] == ["config_map_secret"]
    assert [finding.code for finding in in_env] == ["env_secret"]
    assert all(value not in finding.message for finding in (*in_config, *in_env) if len(value) > 1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("LOG_LEVEL", "debug"),
        ("TOKEN_TTL", "3600"),
        ("PASSWORD_FILE", "/run/secrets/db"),
        ("USE_TOKEN", "true"),
        ("nginx.conf", "server { listen 80; }"),
        ("url", "https://example.com/path"),
        ("PASSWORD", "$(DB_PASSWORD)"),
    ],
)
def test_ordinary_settings_are_not_flagged(key: str, value: str) -> None:
    assert not looks_secret(key, value)


def test_a_binary_entry_is_judged_by_its_name() -> None:
    body = with_at(config_map(), "binaryData", {"store.jks": "aGk=", "logo.png": "aGk="})

    assert [f.path for f in find_in_plan(Kind.CONFIG_MAP, body)] == ['binaryData["store.jks"]']


@pytest.mark.parametrize("body", [service(), deployment(), config_map(a="b")])
def test_plain_objects_have_no_findings(body: Object) -> None:
    assert find_in_plan(Kind(str(body["kind"])), body) == ()
