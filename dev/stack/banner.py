"""What a person is told when the stack is ready: addresses, pastes for clients, logins, logs."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dev.issuer.people import PEOPLE
from dev.stack.material import APPROVERS
from dev.stack.parts import Wish
from dev.stack.places import REPOSITORY, Places, Record

_INITIALIZE: Final = (
    '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05",'
    '"capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}'
)


_SIMULATED: Final = "simulated: objects, rollouts and logs are made up, nothing real runs"
_TOGETHER: Final = (
    "gateway and approval pages are one process and origin, one worker has all roles",
    "as in production, each on its own: infragate up --strict",
)
_APART: Final = (
    "gateway, approval pages, reader, planner and applier: each with its own Redis user and keys",
    "public keys are pinned, not learnt from Redis",
)
_ANYBODY: Final = "anybody can sign in as anybody"
_NOT_COVERED: Final = (
    _ANYBODY,
    "a compromised gateway is not covered in this mode: it serves the approval pages too",
)
_NOT_COVERED_APART: Final = (
    _ANYBODY,
    "all processes run as you: files of the others are not kept from a compromised one",
)


def sections(places: Places, record: Record, wish: Wish) -> list[tuple[str, list[str]]]:
    """Returns titles with their lines."""
    return [
        ("MCP", [record.mcp]),
        (
            "Approvals",
            [
                f"{record.approvals}/approvals",
                f"in a terminal: {_infragate()} approve PLAN{_state_option(places)}",
            ],
        ),
        ("Processes", list(_APART if record.strict else _TOGETHER)),
        ("Cluster", [*_cluster(record, wish), f"namespaces: {', '.join(wish.namespaces)}"]),
        ("Codex", [f"codex mcp add infragate --url {record.mcp}", "codex mcp login infragate"]),
        (
            "Claude Code",
            [
                f"claude mcp add --transport http infragate {record.mcp}",
                "claude mcp login infragate",
            ],
        ),
        ("VS Code, .vscode/mcp.json", [_vs_code(record)]),
        ("curl", _curl(record, _command(places))),
        ("Sign in as (no password)", _people()),
        ("For development only", list(_NOT_COVERED_APART if record.strict else _NOT_COVERED)),
        ("See it all done", [f"{_infragate()} demo{_state_option(places)}"]),
        ("Watch it", [f"{_infragate()} top{_state_option(places)}"]),
        ("Metrics", [f"{url} {name}" for name, url in record.scraped.items()]),
        ("Logs", [f"{_shown(places.logs)}/*.log"]),
    ]


def _cluster(record: Record, wish: Wish) -> Iterator[str]:
    if wish.kubeconfig is None:
        yield _SIMULATED
        return
    yield f"the real one of {wish.kubeconfig}"
    if not record.strict:
        return
    own = {"reader": wish.reader_kubeconfig, "planner": wish.planner_kubeconfig}
    yield from (f"{name}: {path}" for name, path in own.items() if path)
    sharing = [name for name, path in own.items() if path is None]
    if sharing:
        options = " and ".join(f"--{name}-kubeconfig" for name in sharing)
        yield f"{', '.join([*sharing, 'applier'])} share that kubeconfig; own ones: {options}"


def _vs_code(record: Record) -> str:
    return json.dumps({"servers": {"infragate": {"type": "http", "url": record.mcp}}})


def _curl(record: Record, token: str) -> list[str]:
    return [
        f"export INFRA_GATE_JWT_TOKEN=$({token})",
        f"curl -i -N {record.mcp} \\",
        '  -H "Authorization: Bearer $INFRA_GATE_JWT_TOKEN" \\',
        "  -H 'Content-Type: application/json' \\",
        "  -H 'Accept: application/json, text/event-stream' \\",
        f"  -d '{_INITIALIZE}'",
    ]


def _people() -> list[str]:
    lines = []
    for person in PEOPLE.values():
        approves = " · may approve" if person.subject in APPROVERS else ""
        lines.append(f"{person.subject:15} {person.name}{approves}")
    return lines


def _command(places: Places) -> str:
    return f"{_infragate()} token{_state_option(places)}"


def _infragate() -> str:
    """The command as this person can type it: the one of this environment, on PATH or not."""
    own = Path(sys.executable).parent / "infragate"
    found = shutil.which("infragate")
    return "infragate" if found and Path(found).resolve() == own.resolve() else str(_shown(own))


def _state_option(places: Places) -> str:
    usual = places.state == REPOSITORY / ".infragate"
    return "" if usual else f" --state {_shown(places.state)}"


def _shown(path: Path) -> Path:
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path
