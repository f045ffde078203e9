"""Other MCP servers for Kubernetes: how each is started, and its call that shows one Deployment."""

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from bench.kube import NAMESPACE
from bench.load.drives import Target
from bench.processes import running
from bench.requests import Door
from bench.sessions import handshake
from dev.stack.ports import choose

_NAMED: Final = {"name": "nginx", "namespace": NAMESPACE}
_SERVER: Final = re.compile(r'"serverInfo":\{[^}]*"version":"([^"]*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One of them. `{port}` and `{kubeconfig}` are filled into command and environment."""

    name: str
    program: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str]
    tool: str
    question: Mapping[str, str]
    needs: str = ""
    """A program that it starts for each call."""

    def missing(self, folder: Path) -> str:
        """Returns why it cannot run here; empty when it can."""
        if not (folder / self.name / self.program).exists():
            return "it is not installed"
        if self.needs and shutil.which(self.needs) is None:
            return f"it needs {self.needs}, which is not here"
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A peer that serves."""

    peer: Peer
    target: Target

    def calls(self, clients: int) -> tuple[bytes, ...]:
        """Returns its read call, once for each client, in a session of each one's own."""
        return tuple(
            door.in_session(
                session, "tools/call", name=self.peer.tool, arguments=self.peer.question
            )
            for door, session, _ in (self._opened() for _ in range(clients))
        )

    @property
    def version(self) -> str:
        """Returns what it says of itself."""
        found = _SERVER.search(self._opened()[2])
        return found[1] if found else "of an unknown version"

    def _opened(self) -> tuple[Door, str, str]:
        host = f"{self.target.host}:{self.target.port}"
        door = Door(host=host)
        with httpx2.Client(base_url=f"http://{host}", trust_env=False, timeout=60) as http:
            session, said = handshake(http, door)
        return door, session, said


PEERS: Final = (
    Peer(
        name="kubectl-mcp-server",
        program="bin/kubectl-mcp",
        arguments=("--transport", "streamable-http", "--port", "{port}"),
        environment={"KUBECONFIG": "{kubeconfig}"},
        tool="kubectl_get",
        question={"resource_type": "deployment", **_NAMED},
    ),
    Peer(
        name="mcp-server-kubernetes",
        program="node_modules/.bin/mcp-server-kubernetes",
        environment={
            "KUBECONFIG": "{kubeconfig}",
            "ENABLE_UNSAFE_STREAMABLE_HTTP_TRANSPORT": "1",
            "HOST": "127.0.0.1",
            "PORT": "{port}",
        },
        tool="kubectl_get",
        question={"resourceType": "deployment", **_NAMED},
        needs="kubectl",
    ),
    Peer(
        name="kubernetes-mcp-server",
        program="node_modules/.bin/kubernetes-mcp-server",
        arguments=("--port", "{port}", "--bind-address", "127.0.0.1"),
        environment={"KUBECONFIG": "{kubeconfig}"},
        tool="resources_get",
        question={"apiVersion": "apps/v1", "kind": "Deployment", **_NAMED},
    ),
)


@contextmanager
def serving(peer: Peer, folder: Path, kubeconfig: Path) -> Iterator[Opened]:
    """The peer, with its own defaults, answering in the block and gone after it.

    Raises:
        NotReady: it does not come up.
    """
    port = choose(0)
    filled = {"port": str(port), "kubeconfig": str(kubeconfig)}
    command = [str(folder / peer.name / peer.program)]
    command += [each.format(**filled) for each in peer.arguments]
    environment = {name: value.format(**filled) for name, value in peer.environment.items()}
    opened = Opened(peer=peer, target=Target(host="127.0.0.1", port=port))

    def ready() -> bool:
        try:
            return bool(opened.calls(1))
        except httpx2.HTTPError:
            return False

    with running(command, ready, environment):
        yield opened
