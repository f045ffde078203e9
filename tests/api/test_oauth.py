"""Which tokens the gateway believes, what it remembers, and what it tells clients."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import pytest

from api import oauth
from api.callers import (
    Caller,
    all_scopes,
    current,
    may,
    may_connect,
    scope_for,
    scopes_to_ask_for,
    speaking_as,
)
from api.oauth import Verifier, access_token, caller_of
from api.possession import DPOP
from api.protected_resource import ProtectedResource
from shared.errors import Refusal
from shared.jose import KeySet, parse_key_set
from shared.keysets import KeysUnavailable
from tests.shared.jose_tokens import document, jwk, sign

ISSUER = "http://127.0.0.1:3011"
RESOURCE = "http://127.0.0.1:3001/mcp"
NOW = 1_800_000_000
CLAIMS: dict[str, object] = {
    "iss": ISSUER,
    "aud": RESOURCE,
    "sub": "alice",
    "client_id": "codex",
    "scope": "openid mcp:tools.read",
    "iat": NOW - 10,
    "exp": NOW + 600,
}


@dataclass
class FakeKeys:
    """Serves one key set, counts how it is asked."""

    published: tuple[str, ...] = ("k1",)
    is_fetched: bool = True
    asked: int = 0
    fetched: list[str] = field(default_factory=list)

    def _keys(self) -> KeySet:
        keys = parse_key_set(document(*(jwk("ES256", name) for name in self.published)))
        assert isinstance(keys, KeySet)
        return keys

    def at_hand(self, kid: str) -> KeySet | None:
        self.asked += 1
        return self._keys() if self.is_fetched or kid in self.fetched else None

    def keys_for(self, kid: str) -> KeySet:
        self.fetched.append(kid)
        return self._keys()


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys() -> FakeKeys:
    return FakeKeys()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verifier(keys: FakeKeys, clock: Clock) -> Verifier:
    return Verifier(keys=keys, issuer=ISSUER, resource=RESOURCE, clock=clock)


def run(call: Callable[[str], Awaitable[object]], token: str) -> object:
    return anyio.run(call, token)


def _caller(**changes: object) -> Caller:
    caller = caller_of({**CLAIMS, **changes}, b"\xab" * 32)
    assert isinstance(caller, Caller)
    return caller


def test_a_good_token_says_who_is_calling(verifier: Verifier) -> None:
    caller = run(verifier.verify, sign(CLAIMS))

    assert isinstance(caller, Caller)
    assert (caller.iss, caller.sub, caller.client_id) == (ISSUER, "alice", "codex")
    assert caller.scopes == {"openid", "mcp:tools.read"}
    assert caller.expires_at == NOW + 600
    assert not caller.is_static


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "http://127.0.0.1:3011/"}, "claim_issuer"),
        ({"aud": "http://127.0.0.1:3001"}, "claim_audience"),
        ({"exp": NOW - 31}, "claim_expired"),
        ({"client_id": None}, "claim_client"),
        ({"client_id": ""}, "claim_client"),
        ({"scope": 7}, "claim_scope"),
        ({"scope": ["a", 7]}, "claim_scope"),
        ({"typ": "ID"}, "claim_purpose"),
    ],
)
def test_a_token_with_another_claim_is_refused(
    verifier: Verifier, changes: dict[str, object], code: str
) -> None:
    refusal = run(verifier.verify, sign({**CLAIMS, **changes}))

    assert isinstance(refusal, Refusal)
    assert refusal.code == code


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "é" * 10, "\ud800", "x" * 20_000])
def test_what_is_no_token_is_refused_without_asking_for_keys(
    verifier: Verifier, keys: FakeKeys, token: str
) -> None:
    assert isinstance(run(verifier.verify, token), Refusal)
    assert keys.asked == 0


def test_a_refresh_token_of_another_type_is_refused(verifier: Verifier) -> None:
    refusal = run(verifier.verify, sign(CLAIMS, typ="logout+jwt"))

    assert isinstance(refusal, Refusal)
    assert refusal.code == "token_type"


@pytest.mark.parametrize(
    ("claims", "client", "scopes"),
    [
        ({"client_id": None, "azp": "a"}, "a", {"openid", "mcp:tools.read"}),
        ({"client_id": None, "appid": "b"}, "b", {"openid", "mcp:tools.read"}),
        ({"client_id": None, "cid": "c"}, "c", {"openid", "mcp:tools.read"}),
        ({"scope": ""}, "codex", set()),
        ({"scope": "mcp:tools  x"}, "codex", {"mcp:tools", "x"}),
    ],
)
def test_the_words_of_each_provider_are_understood(
    claims: dict[str, object], client: str, scopes: set[str]
) -> None:
    caller = _caller(**claims)

    assert caller.client_id == client
    assert caller.scopes == scopes


@pytest.mark.parametrize("scp", ["mcp:tools x", ["mcp:tools", "x"]])
def test_scopes_may_be_called_scp(scp: object) -> None:
    claims = {name: value for name, value in CLAIMS.items() if name != "scope"}
    caller = caller_of({**claims, "scp": scp}, b"")

    assert isinstance(caller, Caller)
    assert caller.scopes == {"mcp:tools", "x"}


def test_a_fractional_expiry_becomes_whole_seconds(verifier: Verifier) -> None:
    """The SDK's `AccessToken.expires_at` raises on anything else."""
    caller = run(verifier.verify, sign({**CLAIMS, "exp": NOW + 60.9}))

    assert isinstance(caller, Caller)
    assert caller.expires_at == NOW + 60
    assert access_token(caller, RESOURCE).expires_at == NOW + 60


def test_a_verified_token_is_not_looked_at_again(verifier: Verifier, keys: FakeKeys) -> None:
    token = sign(CLAIMS)

    assert run(verifier.verify, token) == run(verifier.verify, token)
    assert keys.asked == 1


def test_a_remembered_token_is_looked_at_again_after_five_minutes(
    verifier: Verifier, keys: FakeKeys, clock: Clock
) -> None:
    token = sign(CLAIMS)
    run(verifier.verify, token)
    keys.published = ("k2",)

    clock.now += 299
    assert isinstance(run(verifier.verify, token), Caller)
    clock.now += 1
    assert isinstance(run(verifier.verify, token), Refusal)


def test_a_remembered_token_expires(verifier: Verifier, clock: Clock) -> None:
    token = sign({**CLAIMS, "exp": NOW + 60})
    run(verifier.verify, token)

    clock.now += 91
    refusal = run(verifier.verify, token)

    assert isinstance(refusal, Refusal)
    assert refusal.code == "claim_expired"


def test_no_more_than_so_many_tokens_are_remembered(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth, "CACHE_SIZE", 3)
    tokens = [sign({**CLAIMS, "jti": str(i)}) for i in range(5)]
    for token in tokens:
        run(verifier.verify, token)

    assert len(verifier._believed) == 3


def test_what_is_remembered_is_found_by_a_digest_and_holds_no_token(verifier: Verifier) -> None:
    token = sign(CLAIMS)
    run(verifier.verify, token)

    assert list(verifier._believed) == [hashlib.sha256(token.encode()).digest()]
    assert not any(part in repr(verifier._believed) for part in token.split("."))


def test_an_expired_token_is_not_kept(verifier: Verifier, clock: Clock) -> None:
    token = sign({**CLAIMS, "exp": NOW + 60})
    run(verifier.verify, token)

    clock.now += 91
    run(verifier.verify, token)

    assert len(verifier._believed) == 0


def test_refusals_are_not_remembered(verifier: Verifier) -> None:
    run(verifier.verify, sign(CLAIMS, name="other", kid="k1"))

    assert len(verifier._believed) == 0


def test_keys_that_are_not_at_hand_are_fetched_off_the_loop(
    verifier: Verifier, keys: FakeKeys
) -> None:
    keys.is_fetched = False

    assert isinstance(run(verifier.verify, sign(CLAIMS)), Caller)
    assert keys.fetched == ["k1"]


def test_missing_keys_are_our_fault_and_not_the_callers(clock: Clock) -> None:
    class Down(FakeKeys):
        def at_hand(self, kid: str) -> KeySet | None:
            raise KeysUnavailable(kid)

    verifier = Verifier(keys=Down(), issuer=ISSUER, resource=RESOURCE, clock=clock)

    with pytest.raises(KeysUnavailable):
        run(verifier.verify, sign(CLAIMS))


def test_the_static_token_of_a_local_demo_may_do_everything(keys: FakeKeys, clock: Clock) -> None:
    verifier = Verifier(
        keys=keys, issuer=ISSUER, resource=RESOURCE, clock=clock, static_token="demo-token"
    )

    caller = run(verifier.verify, "demo-token")

    assert isinstance(caller, Caller)
    assert caller.is_static
    assert caller.scopes == {"mcp:tools"}
    assert caller.expires_at is None
    assert isinstance(run(verifier.verify, "demo-toke"), Refusal)
    assert isinstance(run(verifier.verify, sign(CLAIMS)), Caller)


@pytest.mark.parametrize("unset", [None, ""])
def test_without_a_static_token_no_text_is_one(
    keys: FakeKeys, clock: Clock, unset: str | None
) -> None:
    verifier = Verifier(
        keys=keys, issuer=ISSUER, resource=RESOURCE, clock=clock, static_token=unset
    )

    assert isinstance(run(verifier.verify, ""), Refusal)


def test_the_sdk_gets_what_it_binds_sessions_to_but_not_the_token(verifier: Verifier) -> None:
    token = sign(CLAIMS)
    caller = run(verifier.verify, token)
    assert isinstance(caller, Caller)

    shown = access_token(caller, RESOURCE)

    assert (shown.client_id, shown.subject, shown.claims) == ("codex", "alice", {"iss": ISSUER})
    assert shown.resource == RESOURCE
    assert token not in shown.model_dump_json()


def test_the_metadata_is_at_the_suffixed_and_at_the_root_address() -> None:
    resource = ProtectedResource(resource=RESOURCE, issuer=ISSUER)

    assert resource.metadata_paths == (
        "/.well-known/oauth-protected-resource/mcp",
        "/.well-known/oauth-protected-resource",
    )
    assert resource.metadata() == {
        "resource": RESOURCE,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["mcp:tools", "mcp:tools.read", "mcp:tools.plan", "mcp:tools.apply"],
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": [
            *("ES256", "ES384", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"),
        ],
        "resource_name": "InfraGate",
    }


def test_the_challenges_are_exactly_these() -> None:
    resource = ProtectedResource(resource=RESOURCE, issuer=ISSUER)
    metadata = "http://127.0.0.1:3001/.well-known/oauth-protected-resource/mcp"
    expired = Refusal(code="claim_expired", message="The token has expired.")
    algorithms = "ES256 ES384 EdDSA PS256 PS384 PS512 RS256 RS384 RS512"

    assert resource.ask_for_token() == f'Bearer resource_metadata="{metadata}", scope="mcp:tools"'
    assert resource.invalid_token(expired) == (
        'Bearer error="invalid_token", error_description="The token has expired.", '
        f'resource_metadata="{metadata}", scope="mcp:tools"'
    )
    assert resource.invalid_token(expired, DPOP) == (
        'DPoP error="invalid_token", error_description="The token has expired.", '
        f'algs="{algorithms}", resource_metadata="{metadata}", scope="mcp:tools"'
    )
    assert resource.insufficient_scope("mcp:tools.apply") == (
        f'Bearer error="insufficient_scope", resource_metadata="{metadata}", '
        'scope="mcp:tools.apply"'
    )
    assert resource.insufficient_scope("mcp:tools.apply", DPOP) == (
        f'DPoP error="insufficient_scope", algs="{algorithms}", '
        f'resource_metadata="{metadata}", scope="mcp:tools.apply"'
    )


def test_a_place_for_bound_tokens_only_asks_for_one_and_says_so() -> None:
    resource = ProtectedResource(resource=RESOURCE, issuer=ISSUER, bound_tokens_only=True)

    assert resource.ask_for_token().startswith('DPoP algs="ES256 ')
    assert resource.metadata()["dpop_bound_access_tokens_required"] is True


@pytest.mark.parametrize(
    ("tool", "scope"),
    [
        ("get_pod_logs", "mcp:tools.read"),
        ("request_scale_deployment", "mcp:tools.plan"),
        ("apply_approved_plan", "mcp:tools.apply"),
        ("no_such_tool", "mcp:tools"),
    ],
)
def test_a_tool_needs_its_part_or_everything(tool: str, scope: str) -> None:
    assert scope_for(tool) == scope
    assert may(_caller(scope=scope), tool)
    assert may(_caller(scope="mcp:tools"), tool)
    others = set(all_scopes()) - {scope, "mcp:tools"}
    assert not may(_caller(scope=" ".join(others)), tool)


def test_foreign_scopes_open_nothing() -> None:
    caller = _caller(scope="openid mcp:tool mcp:tools.readx MCP:TOOLS")

    assert not may_connect(caller)
    assert not may(caller, "get_pod_logs")


def test_a_step_up_asks_for_what_is_needed_beside_what_is_there() -> None:
    caller = _caller(scope="openid mcp:tools.read")

    assert scopes_to_ask_for(caller, frozenset({"apply_approved_plan"})) == (
        "mcp:tools.read mcp:tools.apply"
    )


def test_the_current_caller_is_known_only_while_they_speak() -> None:
    with speaking_as(_caller()):
        assert current() == _caller()
    assert current() is None
