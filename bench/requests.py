"""Requests as bytes, prepared once: MCP in both eras, and plain HTTP. No I/O."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

MODERN: Final = "2026-07-28"
HANDSHAKE: Final = "2025-11-25"
_ACCEPT: Final = "application/json, text/event-stream"
_META: Final = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An MCP endpoint: its `Host` and path, and the token to show there; empty: none."""

    host: str
    path: str = "/mcp"
    token: str = ""

    def modern(self, method: str, **params: object) -> bytes:
        """Returns a request of 2026-07-28, which needs nothing before it."""
        headers = {"mcp-protocol-version": MODERN, "mcp-method": method}
        if "name" in params:
            headers["mcp-name"] = str(params["name"])
        return self._post({"method": method, "params": {**params, "_meta": _META}}, headers)

    def initialize(self) -> bytes:
        """Returns the request that opens a session of the handshake era."""
        params = {
            "protocolVersion": HANDSHAKE,
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "1"},
        }
        return self._post({"method": "initialize", "params": params}, {})

    def in_session(self, session: str, method: str, **params: object) -> bytes:
        """Returns a request in a session; servers without sessions have an empty id."""
        headers = {"mcp-protocol-version": HANDSHAKE}
        if session:
            headers["mcp-session-id"] = session
        return self._post({"method": method, "params": params}, headers)

    def initialized(self, session: str) -> bytes:
        """Returns the notification that ends a handshake."""
        headers = {"mcp-session-id": session} if session else {}
        return self._post({"method": "notifications/initialized"}, headers, id_=None)

    def _post(
        self, message: Mapping[str, Any], headers: Mapping[str, str], *, id_: int | None = 1
    ) -> bytes:
        numbered = {} if id_ is None else {"id": id_}
        body = json.dumps({"jsonrpc": "2.0", **numbered, **message}, separators=(",", ":"))
        given = {"accept": _ACCEPT, "content-type": "application/json", **headers}
        if self.token:
            given["authorization"] = f"Bearer {self.token}"
        return plain("POST", self.path, self.host, headers=given, body=body.encode())


def plain(
    method: str, path: str, host: str, *, headers: Mapping[str, str], body: bytes = b""
) -> bytes:
    """Returns an HTTP/1.1 request that keeps its connection."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or method not in ("GET", "DELETE"):
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
