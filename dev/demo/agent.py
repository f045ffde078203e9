"""The agent of the demo: the official MCP client, signed in. Decides nothing.

Exactly what Codex or Claude Code do on the wire; only the model is missing.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from dev.demo.telling import promised

_PATIENCE_S: Final = 120.0

OnProgress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a tool answered: `facts` for programs, `text` for the model."""

    facts: dict[str, Any]
    text: str
    refused: bool


class Agent:
    """A connected MCP client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def spoken(self) -> str:
        """Returns the protocol revision that was agreed upon, and the server's name."""
        server = self._client.server_info
        named = f"{server.name} {server.version}" if server else "a server without a name"
        return f"MCP {self._client.protocol_version} with {named}"

    async def call(
        self, tool: str, *, on_progress: OnProgress | None = None, **arguments: object
    ) -> Told:
        """Calls a tool; a refusal is an answer too."""

        async def hear(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 - the protocol's names
            if on_progress is not None and message:
                on_progress(message)

        answer = await self._client.call_tool(
            tool, arguments, read_timeout_seconds=_PATIENCE_S, progress_callback=hear
        )
        texts = [part.text for part in answer.content if isinstance(part, TextContent)]
        return Told(
            facts=answer.structured_content or {},
            text="\n".join(texts),
            refused=bool(answer.is_error),
        )

    async def asked(
        self, tool: str, *, on_progress: OnProgress | None = None, **arguments: object
    ) -> Told:
        """Calls a tool that must not refuse.

        Raises:
            NotAsPromised: it refused; the text has its reason.
        """
        told = await self.call(tool, on_progress=on_progress, **arguments)
        promised(not told.refused, f"{tool} refused: {told.text}")
        return told


@asynccontextmanager
async def connected(url: str, token: str) -> AsyncIterator[Agent]:
    """An agent that shows `token` to the MCP server at `url`."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=_PATIENCE_S, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield Agent(client)
