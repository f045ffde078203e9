"""Clients that speak JSON lines over their standard streams: Codex' app server, and a script."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.journeys.laptop import Laptop, leave

SCRIPT = Path(__file__).with_name("typescript_client.cjs")


class JsonLines:
    """A process that answers requests by their ids. A context manager."""

    def __init__(self, laptop: Laptop, command: Sequence[str], **environment: str) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=laptop.home,
            env={**laptop.environment(), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        leave(self._process)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def tell(self, method: str) -> None:
        """Sends a notification."""
        self._send({"method": method})

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """The result of a request; what the process says on its own is passed over."""
        self._asked += 1
        self._send({"method": method, "id": self._asked, "params": params})
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "method" in said and "id" in said:
                self._send({"id": said["id"], "result": self.asked(said["method"], said["params"])})
            if said.get("id") == self._asked and "method" not in said:
                assert "result" in said, said
                answer: dict[str, Any] = said["result"]
                return answer
        raise AssertionError(f"it ended before it answered {method}")

    def asked(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to what the process asks its person."""
        raise AssertionError(f"nobody expected {method} with {params}")

    def _send(self, message: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message) + "\n")
        self._process.stdin.flush()


class Codex(JsonLines):
    """`codex app-server`: all of Codex but the model. Connects with the stored login."""

    def __init__(self, laptop: Laptop, codex: str) -> None:
        super().__init__(laptop, [codex, "app-server"])
        self.opened: list[str] = []
        """The pages that it asked its person to open; they always agree."""
        self.ask("initialize", clientInfo={"name": "infragate-tests", "version": "1"})
        self.tell("initialized")
        started = self.ask("thread/start", cwd=str(laptop.home), ephemeral=True)
        self._thread = started["thread"]["id"]

    def asked(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        assert (method, params["mode"]) == ("mcpServer/elicitation/request", "url")
        self.opened.append(params["url"])
        return {"action": "accept", "content": None}

    def server(self) -> dict[str, Any]:
        """How it sees the MCP server."""
        (status,) = self.ask("mcpServerStatus/list")["data"]
        found: dict[str, Any] = status
        return found

    def tools(self) -> set[str]:
        return set(self.server()["tools"])

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        return self.ask(
            "mcpServer/tool/call",
            server="infragate",
            threadId=self._thread,
            tool=tool,
            arguments=arguments,
        )


class TypeScript(JsonLines):
    """An official TypeScript client, in a script that passes requests on."""

    def __init__(self, laptop: Laptop, package: str, folder: Path, url: str, token: str) -> None:
        command = ["node", str(SCRIPT), package, str(folder), url]
        super().__init__(laptop, command, INFRAGATE_TOKEN=token)

    def tools(self) -> set[str]:
        return {tool["name"] for tool in self.ask("listTools")["tools"]}

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        return self.ask("callTool", name=tool, arguments=arguments)


class Inspector:
    """The inspector on the command line: a process for every call."""

    def __init__(self, laptop: Laptop, inspector: str, url: str, token: str) -> None:
        self._laptop = laptop
        self._command = (inspector, "--cli", url, "--transport", "http")
        self._header = ("--header", f"Authorization: Bearer {token}")

    def tools(self) -> set[str]:
        return {tool["name"] for tool in self._ask("tools/list")["tools"]}

    def call(self, tool: str, **arguments: object) -> dict[str, Any]:
        given = (f"{name}={value}" for name, value in arguments.items())
        named = [part for pair in given for part in ("--tool-arg", pair)]
        return self._ask("tools/call", "--tool-name", tool, *named)

    def _ask(self, method: str, *more: str) -> dict[str, Any]:
        said = self._laptop.run(*self._command, *self._header, "--method", method, *more)
        answer: dict[str, Any] = json.loads(said[said.index("{") :])
        return answer
