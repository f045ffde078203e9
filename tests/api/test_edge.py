"""What passes to the MCP SDK, and with which exact answer everything else is turned away."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp_types import jsonrpc_message_adapter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import edge
from api.callers import current
from api.edge import at_edge
from api.oauth import Verifier
from api.protected_resource import ProtectedResource
from shared.jose import KeySet
from shared.keysets import KeysUnavailable
from tests.api.asgi import Answer, scope_of, send_request
from tests.api.test_oauth import CLAIMS, ISSUER, NOW, RESOURCE, FakeKeys
from tests.shared.jose_tokens import sign

METADATA = "http://127.0.0.1:3001/.well-known/oauth-protected-resource/mcp"
TOKEN = sign({**CLAIMS, "scope": "mcp:tools"})
READ_TOKEN = sign({**CLAIMS, "scope": "mcp:tools.read"})


@dataclass
class Inner:
    """Stands behind the edge and keeps what came through."""

    name: str
    seen: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive() if scope["type"] == "http" else {}
        shown = get_access_token()
        self.seen.append(
            {**scope, "received": message, "caller": current(), "sdk": shown and shown.subject}
        )
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": self.name.encode()})


@dataclass
class Stack:
    mcp: Inner
    other: Inner
    app: ASGIApp

    def send(self, method: str = "POST", path: str = "/mcp", **more: Any) -> Answer:
        return anyio.run(partial(send_request, self.app, method, path, **more))

    def post(
        self, body: object, token: str | None = TOKEN, headers: Mapping[str, str] | None = None
    ) -> Answer:
        chunks = [body if isinstance(body, bytes) else json.dumps(body).encode()]
        return self.send(headers={**bearer(token), **(headers or {})}, chunks=chunks)


PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def call(tool: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool}}


def make_stack(keys: FakeKeys | None = None, **changes: Any) -> Stack:
    mcp, other = Inner("mcp"), Inner("other")
    verifier = Verifier(
        keys=keys or FakeKeys(), issuer=ISSUER, resource=RESOURCE, clock=lambda: NOW
    )
    app = at_edge(
        mcp=mcp,
        other=other,
        verifier=verifier,
        resource=ProtectedResource(resource=RESOURCE, issuer=ISSUER),
        allowed_hosts=["127.0.0.1:3001", "localhost:*"],
        allowed_origins=["http://127.0.0.1:3001", "http://localhost:*"],
        **changes,
    )
    return Stack(mcp, other, app)


@pytest.fixture
def stack() -> Stack:
    return make_stack()


def test_a_good_call_passes_with_its_caller(stack: Stack) -> None:
    answer = stack.post(call("get_k8s_status"))

    assert (answer.status, answer.body) == (200, b"mcp")
    seen = stack.mcp.seen[0]
    assert seen["received"]["body"] == json.dumps(call("get_k8s_status")).encode()
    assert seen["caller"].sub == "alice"
    assert seen["state"]["caller"] == seen["caller"]
    assert seen["sdk"] == "alice"
    assert seen["user"].access_token.client_id == "codex"
    assert current() is None


@pytest.mark.promise("agent-token-stops-at-the-edge")
def test_the_token_goes_no_further_than_the_edge(stack: Stack) -> None:
    stack.post(call("get_k8s_status"))

    assert TOKEN not in repr(stack.mcp.seen)


@pytest.mark.promise("foreign-host-and-origin")
@pytest.mark.parametrize(
    "host", [None, "", "evil.example", "127.0.0.1", "127.0.0.1:3002", "localhost:", "localhost:x"]
)
def test_a_foreign_host_is_misdirected(stack: Stack, host: str | None) -> None:
    answer = stack.send(headers=bearer(TOKEN), host=host)

    assert answer.status == 421
    assert answer.json()["error"] == "invalid_host"
    assert stack.mcp.seen == []


def test_two_hosts_are_misdirected(stack: Stack) -> None:
    assert stack.send(headers=[("Host", "127.0.0.1:3001"), *bearer(TOKEN).items()]).status == 421


@pytest.mark.parametrize("host", ["127.0.0.1:3001", "localhost:8080", "LOCALHOST:1"])
def test_our_hosts_are_served(stack: Stack, host: str) -> None:
    assert stack.send(headers=bearer(TOKEN), chunks=[PING], host=host).status == 200


@pytest.mark.promise("foreign-host-and-origin")
@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        "https://127.0.0.1:3001",
        "http://localhost:1.evil.example",
    ],
)
def test_a_foreign_origin_is_forbidden(stack: Stack, origin: str) -> None:
    answer = stack.post(call("get_k8s_status"), headers={"Origin": origin})

    assert answer.status == 403
    assert answer.json()["error"] == "invalid_origin"


@pytest.mark.parametrize("origin", ["http://127.0.0.1:3001", "http://localhost:6274"])
def test_our_origins_are_served(stack: Stack, origin: str) -> None:
    assert stack.post(call("get_k8s_status"), headers={"Origin": origin}).status == 200


def test_host_is_looked_at_before_origin_and_origin_before_the_token(stack: Stack) -> None:
    assert stack.send(headers={"Origin": "http://evil"}, host="evil").status == 421
    assert stack.send(headers={"Origin": "http://evil"}).status == 403


@pytest.mark.parametrize("length", ["1048577", "9" * 30, "-1", "1e3", ""])
def test_a_body_that_declares_too_much_is_refused_unread(stack: Stack, length: str) -> None:
    answer = stack.send(headers={"Content-Length": length})

    assert answer.status == 413


def test_a_chunked_body_is_cut_off_at_the_limit() -> None:
    stack = make_stack(max_body_bytes=100)

    assert stack.send(headers=bearer(TOKEN), chunks=[b" " * 60] * 2).status == 413
    assert stack.send(headers=bearer(TOKEN), chunks=[b" " * 30] * 2 + [PING]).status == 200


def test_a_stranger_cannot_make_the_gateway_read_a_body(stack: Stack) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    anyio.run(stack.app, scope_of("POST", "/mcp", []), receive, send)
    assert sent[0]["status"] == 401


def test_a_body_that_drips_times_out(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "BODY_TIMEOUT_S", 0.01)
    sent: list[Message] = []

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    anyio.run(stack.app, scope_of("POST", "/mcp", bearer(TOKEN).items()), receive, send)
    assert sent[0]["status"] == 408


def test_a_client_that_hangs_up_while_sending_gets_no_answer(stack: Stack) -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    anyio.run(stack.app, scope_of("POST", "/mcp", bearer(TOKEN).items()), receive, send)
    assert stack.mcp.seen == []


def test_no_token_is_asked_for_one(stack: Stack) -> None:
    answer = stack.post(call("get_k8s_status"), token=None)

    assert answer.status == 401
    assert answer.headers["www-authenticate"] == (
        f'Bearer resource_metadata="{METADATA}", scope="mcp:tools"'
    )
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["error"] == "missing_token"


def test_another_scheme_and_the_query_are_no_token(stack: Stack) -> None:
    answer = stack.send(headers={"Authorization": "Basic YTpi"})

    assert answer.status == 401
    assert "error=" not in answer.headers["www-authenticate"]


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearerx", "Bearer é", "Bearer a\x00"],
)
def test_an_unreadable_header_is_an_invalid_token(stack: Stack, header: str) -> None:
    answer = stack.send(headers={"Authorization": header})

    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_two_tokens_are_an_invalid_token(stack: Stack) -> None:
    header = ("Authorization", f"Bearer {TOKEN}")

    assert stack.send(headers=[header, header], chunks=[b"{}"]).status == 401


def test_the_scheme_is_not_case_sensitive(stack: Stack) -> None:
    assert stack.send(headers={"Authorization": f"bEARER {TOKEN}"}, chunks=[PING]).status == 200


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"exp": NOW - 60}, "claim_expired", "The token has expired."),
        ({"aud": "x"}, "claim_audience", "The token was issued for another resource."),
    ],
)
def test_a_bad_token_is_told_why(
    stack: Stack, changes: dict[str, object], code: str, words: str
) -> None:
    answer = stack.post(call("get_k8s_status"), token=sign({**CLAIMS, **changes}))

    assert answer.status == 401
    assert answer.headers["www-authenticate"] == (
        f'Bearer error="invalid_token", error_description="{words}", '
        f'resource_metadata="{METADATA}", scope="mcp:tools"'
    )
    assert answer.json() == {
        "error": "invalid_token",
        "error_description": words,
        "code": code,
    }


def test_a_token_without_any_scope_of_ours_is_forbidden_everything(stack: Stack) -> None:
    answer = stack.post({"method": "initialize"}, token=sign({**CLAIMS, "scope": "openid"}))

    assert answer.status == 403
    assert answer.headers["www-authenticate"] == (
        f'Bearer error="insufficient_scope", resource_metadata="{METADATA}", scope="mcp:tools"'
    )


def test_a_provider_that_is_down_is_not_the_callers_fault() -> None:
    class Down(FakeKeys):
        def at_hand(self, kid: str) -> KeySet | None:
            del kid
            raise KeysUnavailable("The keys cannot be fetched.")

    answer = make_stack(Down()).post(call("get_k8s_status"))

    assert answer.status == 503
    assert answer.headers["retry-after"] == "5"
    assert answer.json()["code"] == "identity_provider_unavailable"


@pytest.mark.promise("scopes-step-up")
def test_a_tool_outside_the_tokens_scopes_asks_for_a_step_up(stack: Stack) -> None:
    answer = stack.post(call("apply_approved_plan"), token=READ_TOKEN)

    assert answer.status == 403
    assert answer.headers["www-authenticate"] == (
        f'Bearer error="insufficient_scope", resource_metadata="{METADATA}", '
        'scope="mcp:tools.read mcp:tools.apply"'
    )
    assert stack.mcp.seen == []


def test_a_batch_is_as_strong_as_its_strongest_call(stack: Stack) -> None:
    batch = [call("get_k8s_status"), call("apply_approved_plan")]

    assert stack.post(batch, token=READ_TOKEN).status == 403
    assert stack.post(batch).status == 400  # no revision that we speak has batches


@pytest.mark.parametrize(
    "message",
    [
        call("get_k8s_status"),
        {"jsonrpc": "2.0", "id": 1, "method": "tools/list"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": "a", "method": "ping", "params": None},
        {"jsonrpc": "2.0", "id": 1, "result": {"action": "accept"}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "no"}},
        call(7),
    ],
)
def test_everything_else_is_left_to_the_sdk(stack: Stack, message: object) -> None:
    assert stack.post(message, token=READ_TOKEN).status == 200


NO_MESSAGES: dict[str, tuple[object, str]] = {
    "batch": ([call("get_k8s_status")], "one message per request"),
    "no object": (5, '"jsonrpc": "2.0"'),
    "no version": ({"id": 1, "method": "ping"}, '"jsonrpc": "2.0"'),
    "another version": ({"jsonrpc": "1.0", "id": 1, "method": "ping"}, '"jsonrpc": "2.0"'),
    "no method": ({"jsonrpc": "2.0", "id": 1}, "neither a method"),
    "a method that is none": ({"jsonrpc": "2.0", "id": 1, "method": 7}, "neither a method"),
    "a result without an id": ({"jsonrpc": "2.0", "result": {}}, "neither a method"),
    "half an error": ({"jsonrpc": "2.0", "id": 1, "error": {"code": 1}}, "neither a method"),
    "positional params": (
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ["apply_approved_plan"]},
        "params are an object",
    ),
    "id null": ({"jsonrpc": "2.0", "id": None, "method": "ping"}, "an id is"),
    "id half": ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, "an id is"),
    "id true": ({"jsonrpc": "2.0", "id": True, "method": "ping"}, "an id is"),
}


@pytest.mark.parametrize("what", NO_MESSAGES)
def test_what_is_no_json_rpc_message_is_refused_in_one_sentence(stack: Stack, what: str) -> None:
    message, words = NO_MESSAGES[what]

    answer = stack.post(message)

    assert answer.status == 400
    assert answer.json()["id"] is None
    assert answer.json()["error"]["code"] == -32600
    assert words in answer.json()["error"]["message"]
    assert stack.mcp.seen == []


@pytest.mark.promise("one-reading-of-a-call")
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        json.dumps(call("apply_approved_plan")).encode("utf-16"),
        b'{"method":"tools/list","method":"tools/call","params":{"name":"apply_approved_plan"}}',
        b'{"method":"tools/call","params":{"name":"apply_approved_plan","name":"get_pod_logs"}}',
        b'{"method":"tools/call","params":{"name":"get_pod_logs","x":NaN}}',
        b"[" * 10_000,
    ],
    ids=["empty", "cut", "bytes", "utf-16", "two-methods", "two-names", "nan", "deep"],
)
def test_what_two_parsers_could_read_differently_is_a_parse_error(
    stack: Stack, body: bytes
) -> None:
    answer = stack.post(body)

    assert answer.status == 400
    assert answer.json() == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32700, "message": "Parse error"},
    }
    assert stack.mcp.seen == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("version", [None, "2025-06-18"])
def test_a_plain_get_is_told_that_a_session_is_required(
    stack: Stack, method: str, version: str | None
) -> None:
    headers = {} if version is None else {"MCP-Protocol-Version": version}

    answer = stack.send(method, headers={**bearer(TOKEN), **headers})

    assert answer.status == 400
    assert "session id is required" in answer.json()["error"]["message"]
    assert stack.send(method, headers=headers).status == 401


def test_a_get_with_a_session_or_of_the_stateless_era_is_left_to_the_sdk(stack: Stack) -> None:
    for headers in ({"Mcp-Session-Id": "s"}, {"MCP-Protocol-Version": "2026-07-28"}):
        assert stack.send("GET", headers={**bearer(TOKEN), **headers}).status == 200


def test_the_trailing_slash_is_the_same_path_and_no_redirect(stack: Stack) -> None:
    answer = stack.send("POST", "/mcp/", headers=bearer(TOKEN), chunks=[PING])

    assert (answer.status, answer.body) == (200, b"mcp")
    assert stack.mcp.seen[0]["path"] == "/mcp"


@pytest.mark.parametrize("path", ["/mcp\n", "/mcp//", "/MCP", "/mcp/x", "//mcp", "/x/../mcp", "/"])
def test_no_other_spelling_of_the_path_reaches_mcp(stack: Stack, path: str) -> None:
    assert stack.send("POST", path).body == b"other"
    assert stack.mcp.seen == []


@pytest.mark.parametrize(
    "path",
    ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"],
)
def test_the_metadata_is_public_at_both_addresses(stack: Stack, path: str) -> None:
    answer = stack.send("GET", path)

    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["resource"] == RESOURCE
    assert answer.json()["authorization_servers"] == [ISSUER]
    assert stack.send("POST", path).status == 405


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource/other",
        "/.well-known/",
    ],
)
def test_other_well_known_documents_are_a_json_404(stack: Stack, path: str) -> None:
    answer = stack.send("GET", path)

    assert answer.status == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["error"] == "not_found"


def test_the_lifespan_and_web_sockets_go_past(stack: Stack) -> None:
    async def receive() -> Message:
        return {}

    async def send(message: Message) -> None:
        del message

    for scope in ({"type": "lifespan"}, {"type": "websocket", "path": "/mcp", "headers": []}):
        anyio.run(stack.app, scope, receive, send)

    assert [seen["type"] for seen in stack.other.seen] == ["lifespan", "websocket"]


def test_refusals_carry_a_request_id_too(stack: Stack) -> None:
    assert len(stack.send(host="evil").headers["x-request-id"]) == 32


@given(
    message=st.fixed_dictionaries(
        {},
        optional={
            "jsonrpc": st.just("2.0") | st.none(),
            "id": st.none() | st.booleans() | st.integers() | st.text() | st.floats(0, 1),
            "method": st.text() | st.integers(),
            "params": st.none() | st.lists(st.none()) | st.dictionaries(st.text(), st.none()),
            "result": st.none() | st.just({}),
            "error": st.fixed_dictionaries(
                {}, optional={"code": st.integers() | st.text(), "message": st.text() | st.none()}
            ),
        },
    )
)
def test_the_sdk_never_gets_a_message_that_it_would_refuse(message: dict[str, object]) -> None:
    if make_stack().post(message).status == 200:
        jsonrpc_message_adapter.validate_python(message, by_name=False)


@given(body=st.binary(max_size=80) | st.text(max_size=40).map(str.encode))
@settings(max_examples=60)
def test_any_body_is_answered(body: bytes) -> None:
    assert make_stack().post(body, token=READ_TOKEN).status in (200, 400, 403)


_json = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5) | st.just("apply_approved_plan"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["method", "params", "name", "x"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@pytest.mark.promise("scopes-step-up")
@given(noise=_json, at=st.integers(0, 2))
@settings(max_examples=60)
def test_no_wrapping_of_a_forbidden_call_lets_it_through(noise: object, at: int) -> None:
    forbidden = call("apply_approved_plan")
    batch = [noise, noise]
    batch.insert(at, forbidden)

    assert make_stack().post(batch, token=READ_TOKEN).status == 403
    assert make_stack().post({**forbidden, "x": noise}, token=READ_TOKEN).status == 403
