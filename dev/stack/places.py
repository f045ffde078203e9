"""Where a stack keeps its files and at which addresses it answers. Starts nothing.

A stack is known by its state folder: what it holds survives from run to run, and at most one stack
at a time uses it.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from dev.issuer.files import write_text

REPOSITORY: Final = Path(__file__).resolve().parents[2]
GATEWAY_PORT: Final = 3001
APPROVALS_PORT: Final = 3002
ISSUER_PORT: Final = 3011
HOSTS: Final = ("127.0.0.1", "localhost")
NAMESPACE: Final = "mcp-nginx-demo"
STATE_VARIABLE: Final = "INFRAGATE_STATE"
_RECORD: Final = "stack.json"


def default_state(environment: Mapping[str, str] = os.environ) -> Path:
    """Returns the state folder when none is named: that of the checkout, from wherever one calls.

    So `infragate token` finds the stack from the folder in which somebody's agent works.
    """
    if named := environment.get(STATE_VARIABLE):
        return Path(named)
    checkout = (REPOSITORY / "pyproject.toml").exists()
    return (REPOSITORY if checkout else Path.cwd()) / ".infragate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The files of a stack; `state` is absolute."""

    state: Path

    @property
    def logs(self) -> Path:
        """Returns the folder with one log for each part."""
        return self.state / "logs"

    @property
    def redis(self) -> Path:
        """Returns the folder of the append-only file."""
        return self.state / "redis"

    @property
    def redis_users(self) -> Path:
        """Returns the file of Redis' users, with passwords of this state's own."""
        return self.state / "redis.acl"

    @property
    def issuer(self) -> Path:
        """Returns the state folder of the development issuer."""
        return self.state / "issuer"

    @property
    def sandbox(self) -> Path:
        """Returns the state folder of the simulated cluster."""
        return self.state / "sandbox"

    @property
    def client_key(self) -> Path:
        """Returns the private key of the approval pages' client."""
        return self.state / "approval-client.pem"

    @property
    def client_jwks(self) -> Path:
        """Returns the public half of that key, as the issuer registers it."""
        return self.state / "approval-client.jwks.json"

    @property
    def state_key(self) -> Path:
        """Returns the secret that all replicas of the gateway share."""
        return self.state / "state-key.txt"

    @property
    def one_for_all(self) -> "WorkerPlaces":
        """Returns the folders of the worker that has all roles."""
        return WorkerPlaces(folder=self.state)

    def of_role(self, name: str) -> "WorkerPlaces":
        """Returns the folders of a worker with one role: `reader`, `planner` or `applier`."""
        return WorkerPlaces(folder=self.state / name)

    @property
    def policy(self) -> Path:
        """Returns the file that says who may approve."""
        return self.state / "policy.yaml"

    @property
    def lock(self) -> Path:
        """Returns the file that the running stack holds locked."""
        return self.state / "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlaces:
    """The files of one kind of worker, which the others are not told of."""

    folder: Path

    @property
    def keys(self) -> Path:
        """Returns the folder of its private keys."""
        return self.folder / "keys"

    @property
    def audit(self) -> Path:
        """Returns the folder of its audit log."""
        return self.folder / "guardrails"

    @property
    def evidence(self) -> Path:
        """Returns the folder of its evidence files."""
        return self.folder / "approvals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a stack says of itself in its state folder; stays after its end, for the next one."""

    pid: int
    gateway_port: int
    issuer_port: int
    redis_port: int
    sandbox_port: int
    started_at: float
    """Seconds since 1970."""
    kubeconfig: str = ""
    """Path of a real cluster's; empty for the simulated one."""
    namespaces: str = NAMESPACE
    """Comma separated."""
    host: str = HOSTS[0]
    """The name of gateway and of pages that it serves; browsers use passkeys under `localhost`."""
    approvals_port: int = 0
    """Of the approval pages' own process in a strict stack; 0 where they are the gateway's."""
    metrics: dict[str, int] = field(default_factory=dict)
    """The ports on which the parts serve their metrics, by the parts' names."""
    reader_kubeconfig: str = ""
    planner_kubeconfig: str = ""
    """Paths, where reader or planner have one of their own."""

    @property
    def strict(self) -> bool:
        """Says whether gateway, pages and each role are processes of their own."""
        return self.approvals_port != 0

    @property
    def origin(self) -> str:
        """Returns the address of the gateway."""
        return f"http://{self.host}:{self.gateway_port}"

    @property
    def approvals(self) -> str:
        """Returns the address of the approval pages.

        Of a strict stack by another name than the gateway's: cookies know names, but no ports.
        """
        return f"http://localhost:{self.approvals_port}" if self.strict else self.origin

    @property
    def mcp(self) -> str:
        """Returns the address for MCP clients, which is also the audience of tokens."""
        return f"{self.origin}/mcp"

    @property
    def issuer(self) -> str:
        """Returns the issuer, exactly as tokens name it."""
        return f"http://127.0.0.1:{self.issuer_port}"

    @property
    def scraped(self) -> dict[str, str]:
        """Returns where the metrics are, by the names of the parts."""
        return {name: f"http://127.0.0.1:{port}/metrics" for name, port in self.metrics.items()}

    @property
    def since(self) -> str:
        """Returns when it was started, in local time."""
        return time.strftime("%H:%M:%S", time.localtime(self.started_at))


def write_record(places: Places, record: Record) -> None:
    """Keeps the record; whole or not at all."""
    write_text(places.state / _RECORD, json.dumps(asdict(record), indent=1))


def read_record(places: Places) -> Record | None:
    """Returns the record of the running or the last stack; None when there is no usable one."""
    try:
        found: dict[str, Any] = json.loads((places.state / _RECORD).read_text("utf-8"))
        return Record(**found)
    except (OSError, ValueError, TypeError):
        return None
