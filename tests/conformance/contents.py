"""What the conformance suite's fixture server offers: what the scenarios ask for by name.

The scenarios' own descriptions say what each must answer. None of it is InfraGate's; it stands on
InfraGate's sessions, edge and sealing, which is what is under test.
"""

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)

Context = ServerRequestContext[Any, Any]
Called = Callable[[Context, CallToolRequestParams], Awaitable[CallToolResult]]


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


_PIXEL: Final = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\0\xff\0\0"))
    + _chunk(b"IEND", b"")
)
PNG: Final = base64.b64encode(_PIXEL).decode()
_SILENCE: Final = (
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0@\x1f\0\0\1\0\x08\0data\0\0\0\0"
)
WAV: Final = base64.b64encode(_SILENCE).decode()


def text(said: str) -> TextContent:
    return TextContent(type="text", text=said)


def image() -> ImageContent:
    return ImageContent(type="image", data=PNG, mime_type="image/png")


def resource(uri: str, said: str, mime_type: str = "text/plain") -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=said)
    return EmbeddedResource(type="resource", resource=contents)


def done(*content: ContentBlock) -> CallToolResult:
    return CallToolResult(content=list(content))


def _answers(*content: ContentBlock) -> Called:
    async def answer(_: Context, __: CallToolRequestParams) -> CallToolResult:
        return done(*content)

    return answer


async def _fails(_: Context, __: CallToolRequestParams) -> CallToolResult:
    said = text("This tool intentionally returns an error for testing")
    return CallToolResult(content=[said], is_error=True)


async def _logs(context: Context, _: CallToolRequestParams) -> CallToolResult:
    for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.session.send_log_message(  # of the handshake era
            level="info", data=said, related_request_id=context.request_id
        )
        await asyncio.sleep(0.05)  # the scenario wants the messages apart
    return done(text("Tool with logging executed successfully"))


async def _progresses(context: Context, _: CallToolRequestParams) -> CallToolResult:
    for progress in (0, 50, 100):
        await context.session.report_progress(progress, 100)
        await asyncio.sleep(0.05)  # as the scenario wants it
    return done(text("Progress complete"))


async def _samples(context: Context, params: CallToolRequestParams) -> CallToolResult:
    prompt = str((params.arguments or {})["prompt"])
    answer = await context.session.create_message(  # of the handshake era
        [SamplingMessage(role="user", content=text(prompt))],
        max_tokens=100,
        related_request_id=context.request_id,
    )
    said = answer.content.text if isinstance(answer.content, TextContent) else "(no text)"
    return done(text(f"LLM response: {said}"))


def _elicits(schema: dict[str, Any], *, message: str, answer: str) -> Called:
    async def elicit(context: Context, params: CallToolRequestParams) -> CallToolResult:
        asked = str((params.arguments or {}).get("message", message))
        got = await context.session.elicit_form(asked, schema, context.request_id)
        content = json.dumps(got.content or {})
        return done(text(f"{answer}: action={got.action}, content={content}"))

    return elicit


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


_OPTIONS: Final = ["option1", "option2", "option3"]
_TITLED: Final = [{"const": f"value{n}", "title": f"Option {n}"} for n in (1, 2, 3)]

WHO: Final = _object(
    {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    },
    "username",
    "email",
)
DEFAULTS: Final = _object(
    {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    }
)
ENUMS: Final = _object(
    {
        "untitledSingle": {"type": "string", "enum": _OPTIONS},
        "titledSingle": {"type": "string", "oneOf": _TITLED},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
    }
)
NOTHING: Final = _object({})

SCHEMA_2020_12: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

TOOLS: Final[dict[str, tuple[dict[str, Any], Called]]] = {
    "test_simple_text": (
        NOTHING,
        _answers(text("This is a simple text response for testing.")),
    ),
    "test_image_content": (NOTHING, _answers(image())),
    "test_audio_content": (
        NOTHING,
        _answers(AudioContent(type="audio", data=WAV, mime_type="audio/wav")),
    ),
    "test_embedded_resource": (
        NOTHING,
        _answers(resource("test://embedded-resource", "This is an embedded resource content.")),
    ),
    "test_multiple_content_types": (
        NOTHING,
        _answers(
            text("Multiple content types test:"),
            image(),
            resource(
                "test://mixed-content-resource",
                json.dumps({"test": "data", "value": 123}),
                "application/json",
            ),
        ),
    ),
    "test_error_handling": (NOTHING, _fails),
    "json_schema_2020_12_tool": (SCHEMA_2020_12, _answers(text("As the schema says."))),
    "test_tool_with_logging": (NOTHING, _logs),
    "test_logging_tool": (NOTHING, _logs),
    "test_tool_with_progress": (NOTHING, _progresses),
    "test_sampling": (_object({"prompt": {"type": "string"}}, "prompt"), _samples),
    "test_elicitation": (
        _object({"message": {"type": "string"}}, "message"),
        _elicits(WHO, message="Who are you?", answer="User response"),
    ),
    "test_elicitation_sep1034_defaults": (
        NOTHING,
        _elicits(DEFAULTS, message="Please confirm", answer="Elicitation completed"),
    ),
    "test_elicitation_sep1330_enums": (
        NOTHING,
        _elicits(ENUMS, message="Please choose", answer="Elicitation completed"),
    ),
}
"""Input schema and behavior by name."""

RESOURCES: Final = {
    "test://static-text": TextResourceContents(
        uri="test://static-text",
        mime_type="text/plain",
        text="This is the content of the static text resource.",
    ),
    "test://static-binary": BlobResourceContents(
        uri="test://static-binary", mime_type="image/png", blob=PNG
    ),
    "test://watched-resource": TextResourceContents(
        uri="test://watched-resource", mime_type="text/plain", text="Watched."
    ),
}
TEMPLATE: Final = "test://template/{id}/data"
