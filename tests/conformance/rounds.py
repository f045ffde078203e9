"""Tools of the newest revision that need more than one round, and what they ask for in between."""

import json
from collections.abc import Callable
from typing import Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolRequestParams,
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)

from tests.conformance.contents import Context, done, text

Round = CallToolResult | InputRequiredResult
Rounds = Callable[[Context, CallToolRequestParams], Round]

DECLARED: Final = "io.modelcontextprotocol/clientCapabilities"


def ask(message: str, **properties: str) -> InputRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(prompt: str, max_tokens: int) -> InputRequest:
    said = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    return CreateMessageRequest(
        params=CreateMessageRequestParams(messages=[said], max_tokens=max_tokens)
    )


def roots() -> InputRequest:
    return ListRootsRequest()


def answered(params: CallToolRequestParams, key: str, *names: str) -> dict[str, Any] | None:
    """What a person entered under `key`; None when it is missing or not what was asked for."""
    got = (params.input_responses or {}).get(key)
    if not isinstance(got, ElicitResult) or got.action != "accept":
        return None
    content = got.content or {}
    return content if all(name in content for name in names) else None


def name_first(_: Context, params: CallToolRequestParams) -> Round:
    who = answered(params, "user_name", "name")
    if who is None:
        return InputRequiredResult(
            input_requests={"user_name": ask("What is your name?", name="string")}
        )
    return done(text(f"Hello, {who['name']}!"))


def capital(_: Context, params: CallToolRequestParams) -> Round:
    got = (params.input_responses or {}).get("capital_question")
    if not isinstance(got, CreateMessageResult):
        question = sample("What is the capital of France?", 100)
        return InputRequiredResult(input_requests={"capital_question": question})
    said = got.content.text if isinstance(got.content, TextContent) else "(no text)"
    return done(text(said))


def list_roots(_: Context, params: CallToolRequestParams) -> Round:
    got = (params.input_responses or {}).get("client_roots")
    if not isinstance(got, ListRootsResult):
        return InputRequiredResult(input_requests={"client_roots": roots()})
    return done(text("Roots: " + ", ".join(str(root.uri) for root in got.roots)))


def with_state(_: Context, params: CallToolRequestParams) -> Round:
    if answered(params, "confirm", "ok") is None or params.request_state != "asked":
        return InputRequiredResult(
            input_requests={"confirm": ask("Please confirm", ok="boolean")}, request_state="asked"
        )
    return done(text("state-ok"))


def several(_: Context, params: CallToolRequestParams) -> Round:
    got = params.input_responses or {}
    if {"user_name", "greeting", "client_roots"} <= got.keys():
        return done(text("All three were answered."))
    return InputRequiredResult(
        input_requests={
            "user_name": ask("What is your name?", name="string"),
            "greeting": sample("Generate a greeting", 50),
            "client_roots": roots(),
        },
        request_state="three",
    )


def two_rounds(_: Context, params: CallToolRequestParams) -> Round:
    state = json.loads(params.request_state or "{}")
    name = state.get("name") or (answered(params, "step1", "name") or {}).get("name")
    if name is None:
        return InputRequiredResult(
            input_requests={"step1": ask("Step 1: What is your name?", name="string")},
            request_state=json.dumps({"step": 1}),
        )
    color = answered(params, "step2", "color")
    if color is None:
        return InputRequiredResult(
            input_requests={"step2": ask("Step 2: What is your favorite color?", color="string")},
            request_state=json.dumps({"step": 2, "name": name}),
        )
    return done(text(f"{name} likes {color['color']}"))


def declared_by(context: Context) -> frozenset[str]:
    """The capabilities that the client named in this request."""
    declared = (context.meta or {}).get(DECLARED)
    return frozenset(declared) if isinstance(declared, dict) else frozenset()


def what_the_client_can(context: Context, _: CallToolRequestParams) -> Round:
    declared = declared_by(context)
    offers = {
        "elicitation": ("user_name", ask("What is your name?", name="string")),
        "sampling": ("greeting", sample("Generate a greeting", 50)),
        "roots": ("client_roots", roots()),
    }
    asked = dict(offers[one] for one in offers if one in declared)
    return InputRequiredResult(input_requests=asked) if asked else done(text("Nothing to ask."))


def missing_capability(context: Context, _: CallToolRequestParams) -> Round:
    if "sampling" not in declared_by(context):
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool needs sampling.",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return done(text("The client can sample."))


ROUNDS: Final[dict[str, Rounds]] = {
    "test_input_required_result_elicitation": name_first,
    "test_input_required_result_sampling": capital,
    "test_input_required_result_list_roots": list_roots,
    "test_input_required_result_request_state": with_state,
    "test_input_required_result_tampered_state": with_state,
    "test_input_required_result_multiple_inputs": several,
    "test_input_required_result_multi_round": two_rounds,
    "test_input_required_result_capabilities": what_the_client_can,
    "test_streaming_elicitation": name_first,
    "test_missing_capability": missing_capability,
}
