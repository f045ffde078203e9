"""Settings: Production refuses what is for laptops, by name; values are never repeated."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BadConfiguration
from shared.messages import Role
from shared.settings import (
    GatewaySettings,
    WorkerSettings,
    is_loopback,
    read_gateway_settings,
    read_worker_settings,
)

SECRET = "hunter2-canary-5c1e"
COMMON = {
    "INFRA_GATE_ENVIRONMENT": "Production",
    "INFRA_GATE_REDIS_URL": f"rediss://gateway:{SECRET}@redis.example:6380/0",
    "INFRA_GATE_OAUTH_AUTHORITY": "https://id.example/realms/a",
}
GATEWAY = COMMON | {
    "INFRA_GATE_OAUTH_RESOURCE": "https://gate.example/mcp",
    "INFRA_GATE_APPROVAL_BASE_URL": "https://approve.example",
    "INFRA_GATE_SEAL_PUBLIC_KEYS": "one, two",
    "INFRA_GATE_PROOF_PUBLIC_KEY": "key",
    "INFRA_GATE_APPROVAL_CLIENT_KEY_FILE": "/keys/approval.pem",
    "INFRA_GATE_SERVES": "approvals",
}
WORKER = COMMON | {
    "KUBECONFIG": "/keys/kubeconfig",
    "K8S_MCP_ALLOWED_NAMESPACES": "shop, cart",
    "INFRA_GATE_POLICY_FILE": "/etc/infragate/policy.yaml",
    "INFRA_GATE_KEYS_ROOT": "/keys",
    "INFRA_GATE_GUARD_AUDIT_ROOT": "/audit",
    "K8S_MCP_APPROVAL_ROOT": "/evidence",
    "INFRA_GATE_SEAL_PUBLIC_KEYS": "one",
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without ours, so that the machine's own says nothing."""
    for model in (GatewaySettings, WorkerSettings):
        for field in model.model_fields.values():
            names = getattr(field.validation_alias, "choices", [field.validation_alias])
            for name in names:
                monkeypatch.delenv(str(name), raising=False)


def _set(monkeypatch: pytest.MonkeyPatch, values: dict[str, str], **changed: str | None) -> None:
    for name, value in {**values, **changed}.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)


def test_a_laptop_needs_no_settings_at_all() -> None:
    gateway, worker = read_gateway_settings(), read_worker_settings()

    assert (gateway.host, gateway.port) == ("127.0.0.1", 3001)
    assert gateway.oauth_resource == "http://127.0.0.1:3001/mcp"
    assert gateway.static_bearer_token is None
    assert worker.namespaces == ("mcp-nginx-demo",)
    assert worker.roles == tuple(Role)
    assert worker.policy_file is None


def test_terminals_sign_in_on_a_laptop_and_in_production_where_their_client_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    laptop = read_worker_settings()
    _set(monkeypatch, WORKER)
    silent = read_worker_settings()
    _set(monkeypatch, WORKER, INFRA_GATE_APPROVAL_CLI_CLIENT_ID="native")
    named = read_worker_settings()

    assert laptop.terminal_client_id == "infra-gate-approval-cli"
    assert (silent.terminal_client_id, silent.proof_audiences) == (
        None,
        ("infra-gate-approval-ui",),
    )
    assert named.proof_audiences == ("infra-gate-approval-ui", "native")


def test_good_settings_are_accepted_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, GATEWAY | WORKER | {"INFRA_GATE_SEAL_PUBLIC_KEYS": "one, two,"})

    assert read_gateway_settings().seal_public_keys == ("one", "two")
    worker = read_worker_settings()
    assert worker.production
    assert worker.namespaces == ("shop", "cart")


@pytest.mark.promise("production-refuses-laptop-settings")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("INFRA_GATE_REDIS_URL", f"redis://gateway:{SECRET}@redis.example/0"),
        ("INFRA_GATE_REDIS_URL", f"rediss://:{SECRET}@redis.example/0"),
        ("INFRA_GATE_REDIS_URL", f"rediss://g:{SECRET}@redis.example/0?ssl_cert_reqs=none"),
        ("INFRA_GATE_REDIS_URL", f"rediss://g:{SECRET}@redis.example/0?ssl_check_hostname=no"),
        ("INFRA_GATE_REDIS_URL", None),
        ("INFRA_GATE_OAUTH_AUTHORITY", "http://id.example"),
        ("INFRA_GATE_OAUTH_AUTHORITY", "https://127.0.0.1:3011"),
        ("INFRA_GATE_OAUTH_AUTHORITY", None),
        ("INFRA_GATE_OAUTH_METADATA_ADDRESS", "http://id.example/.well-known/openid-configuration"),
        ("INFRA_GATE_OAUTH_REQUIRE_HTTPS_METADATA", "false"),
        ("INFRA_GATE_OAUTH_RESOURCE", "http://gate.example/mcp"),
        ("INFRA_GATE_OAUTH_RESOURCE", "https://[::1]/mcp"),
        ("INFRA_GATE_APPROVAL_BASE_URL", "https://localhost"),
        ("INFRA_GATE_STATIC_BEARER_TOKEN", SECRET),
        ("INFRA_GATE_SEAL_PUBLIC_KEYS", ""),
        ("INFRA_GATE_PROOF_PUBLIC_KEY", None),
        ("INFRA_GATE_APPROVAL_CLIENT_KEY_FILE", None),
        ("INFRA_GATE_SERVES", "all"),
        ("INFRA_GATE_APPROVAL_BASE_URL", "https://gate.example"),
        ("INFRA_GATE_APPROVAL_CLI_CLIENT_ID", "infra-gate-approval-ui"),
    ],
)
def test_a_gateway_in_production_refuses_by_name(
    variable: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, GATEWAY, **{variable: value})

    with pytest.raises(BadConfiguration) as raised:
        read_gateway_settings()

    assert variable in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.promise("client-key-not-in-gateway")
def test_a_gateway_in_production_refuses_to_be_given_the_approval_clients_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _set(monkeypatch, GATEWAY, INFRA_GATE_SERVES="gateway")

    with pytest.raises(BadConfiguration, match="must not be given to the gateway"):
        read_gateway_settings()


def test_an_authority_for_a_redis_without_tls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_GATE_REDIS_URL", f"redis://:{SECRET}@127.0.0.1/0")
    monkeypatch.setenv("INFRA_GATE_REDIS_CA_FILE", "/etc/ca.pem")

    for read in (read_gateway_settings, read_worker_settings):
        with pytest.raises(BadConfiguration, match="INFRA_GATE_REDIS_CA_FILE needs rediss://"):
            read()


def test_replicas_of_a_gateway_in_production_must_share_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = GATEWAY | {"INFRA_GATE_SERVES": "gateway"}
    _set(monkeypatch, alone, INFRA_GATE_APPROVAL_CLIENT_KEY_FILE=None)
    with pytest.raises(BadConfiguration, match="INFRA_GATE_STATE_KEY_FILE"):
        read_gateway_settings()
    monkeypatch.setenv("INFRA_GATE_STATE_KEY_FILE", "/keys/state")

    assert read_gateway_settings().production


@pytest.mark.promise("production-refuses-laptop-settings")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("INFRA_GATE_REDIS_URL", "redis://redis.example/0"),
        ("INFRA_GATE_OAUTH_AUTHORITY", "http://id.example"),
        ("KUBECONFIG", None),
        ("INFRA_GATE_IN_CLUSTER", "true"),
        ("K8S_MCP_ALLOWED_NAMESPACES", None),
        ("INFRA_GATE_POLICY_FILE", None),
        ("INFRA_GATE_KEYS_ROOT", None),
        ("INFRA_GATE_GUARD_AUDIT_ROOT", None),
        ("K8S_MCP_APPROVAL_ROOT", None),
        ("INFRA_GATE_SEAL_PUBLIC_KEYS", None),
    ],
)
def test_a_worker_in_production_refuses_by_name(
    variable: str, value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    _set(monkeypatch, WORKER, **{variable: value})

    with pytest.raises(BadConfiguration) as raised:
        read_worker_settings()

    assert variable in str(raised.value)


def test_a_reader_in_production_needs_no_planners_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    _set(monkeypatch, WORKER, INFRA_GATE_SEAL_PUBLIC_KEYS=None, INFRA_GATE_WORKER_ROLES="read,plan")

    assert read_worker_settings().roles == (Role.READ, Role.PLAN)


@pytest.mark.parametrize("value", ["", " ", ",", " , ,"])
def test_an_empty_list_of_namespaces_is_refused(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8S_MCP_ALLOWED_NAMESPACES", value)

    with pytest.raises(BadConfiguration, match=r"K8S_MCP_ALLOWED_NAMESPACES: .*names no namespace"):
        read_worker_settings()


@pytest.mark.parametrize("value", ["A_b", "ok,-", "a.b", "x" * 64, "a b"])
def test_what_is_no_namespace_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_MCP_ALLOWED_NAMESPACES", value)

    with pytest.raises(BadConfiguration, match=r"K8S_MCP_ALLOWED_NAMESPACES: .*no namespace"):
        read_worker_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("INFRA_GATE_PORT", "0"),
        ("INFRA_GATE_PORT", "65536"),
        ("INFRA_GATE_PORT", SECRET),
        ("INFRA_GATE_ENVIRONMENT", SECRET),
        ("INFRA_GATE_ENVIRONMENT", "production"),
        ("INFRA_GATE_REDIS_TIMEOUT_SECONDS", "0"),
        ("INFRA_GATE_LOG_FORMAT", SECRET),
        ("INFRA_GATE_STATIC_BEARER_TOKEN", "short"),
        ("INFRA_GATE_BEARER_TOKEN", "short"),
        ("INFRA_GATE_BODY_LIMIT_BYTES", "1"),
        ("INFRA_GATE_MAX_IN_FLIGHT", "0"),
        ("INFRA_GATE_READ_TIMEOUT_SECONDS", "-1"),
    ],
)
def test_a_bad_value_is_named_and_not_repeated(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(BadConfiguration) as raised:
        read_gateway_settings()

    told = str(raised.value)
    assert told.startswith("The configuration cannot be used:")
    assert SECRET not in told
    named = variable.replace("INFRA_GATE_BEARER", "INFRA_GATE_STATIC_BEARER")
    assert named in told


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("INFRA_GATE_WORKER_ROLES", SECRET),
        ("INFRA_GATE_WORKER_ROLES", ""),
        ("INFRA_GATE_CLUSTER", "Not A Name"),
        ("INFRA_GATE_WORKER_THREADS", "0"),
        ("INFRA_GATE_ROLLOUT_TIMEOUT_SECONDS", "601"),
        ("INFRA_GATE_APPROVAL_CHALLENGE_TTL_SECONDS", "1"),
    ],
)
def test_a_workers_bad_value_is_named_and_not_repeated(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(BadConfiguration, match=variable) as raised:
        read_worker_settings()

    assert SECRET not in str(raised.value)


@pytest.mark.promise("no-tokens-anywhere")
def test_secrets_are_never_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_GATE_REDIS_URL", f"redis://:{SECRET}@127.0.0.1/0")
    monkeypatch.setenv("INFRA_GATE_STATIC_BEARER_TOKEN", SECRET)
    gateway = read_gateway_settings()

    shown = f"{gateway!r} {gateway} {gateway.model_dump()} {gateway.model_dump_json()}"

    assert SECRET not in shown
    assert gateway.static_bearer_token is not None
    assert gateway.static_bearer_token.get_secret_value() == SECRET


def test_the_command_line_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_GATE_WORKER_ROLES", "read")

    assert read_worker_settings(INFRA_GATE_WORKER_ROLES="apply").roles == (Role.APPLY,)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:3001", True),
        ("http://127.8.9.1", True),
        ("http://localhost", True),
        ("http://LOCALHOST", True),
        ("http://[::1]:3001", True),
        ("http://0.0.0.0", True),
        ("https://gate.example", False),
        ("https://localhost.example", False),
    ],
)
def test_this_machine_is_known_by_all_its_names(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


@given(values=st.lists(st.sampled_from(["a", "b-1", "c"]), min_size=1, max_size=4))
@settings(max_examples=30)
def test_lists_are_read_with_any_spacing(values: list[str]) -> None:
    spaced: Any = " , ".join(values) + " ,"

    assert WorkerSettings(namespaces=spaced).namespaces == tuple(values)


def test_an_empty_variable_means_unset_but_an_empty_list_of_namespaces_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _set(monkeypatch, {}, INFRA_GATE_STATIC_BEARER_TOKEN="", KUBECONFIG="")

    assert read_gateway_settings().static_bearer_token is None
    assert read_worker_settings().kubeconfig is None

    _set(monkeypatch, {}, K8S_MCP_ALLOWED_NAMESPACES="")
    with pytest.raises(BadConfiguration, match="K8S_MCP_ALLOWED_NAMESPACES"):
        read_worker_settings()


def test_a_problem_is_told_in_our_words_one_to_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_GATE_STATIC_BEARER_TOKEN", "short")
    with pytest.raises(BadConfiguration) as short:
        read_gateway_settings()
    monkeypatch.setenv("INFRA_GATE_STATIC_BEARER_TOKEN", SECRET)
    monkeypatch.setenv("INFRA_GATE_ENVIRONMENT", "Production")
    with pytest.raises(BadConfiguration) as laptop:
        read_gateway_settings()

    assert str(short.value).splitlines()[1:] == [
        "  INFRA_GATE_STATIC_BEARER_TOKEN: needs at least 16 characters"
    ]
    assert "  Production refuses:" in str(laptop.value).splitlines()
    assert all(line.startswith("    INFRA_GATE_") for line in str(laptop.value).splitlines()[2:]), (
        str(laptop.value)
    )
