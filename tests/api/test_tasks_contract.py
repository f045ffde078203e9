"""Tasks (SEP-2663) for `apply_approved_plan`: what the SDK lacks for them.

When a release brings a server side, one of these fails, so that somebody looks: then a call that
waits for a person could be a task (docs/tools.md, Applying).
"""

from pathlib import Path
from typing import Final

import anyio
import mcp
import mcp_types
from mcp import Client
from mcp_types import _v2026_07_28
from mcp_types.methods import SPEC_CLIENT_METHODS, SPEC_CLIENT_NOTIFICATION_METHODS

from tests.api.desk_stage import Office

SDK: Final = (Path(mcp.__file__).parent, Path(mcp_types.__file__).parent)


def test_no_revision_of_the_sdk_has_a_request_about_tasks() -> None:
    methods = SPEC_CLIENT_METHODS | SPEC_CLIENT_NOTIFICATION_METHODS

    assert "tools/call" in methods
    assert [method for method in methods if "task" in method] == []


def test_the_newest_revision_has_no_types_of_tasks_in_the_sdk() -> None:
    assert "CallToolResult" in vars(_v2026_07_28)
    assert [name for name in vars(_v2026_07_28) if "task" in name.lower()] == []


def test_the_sdk_has_no_module_for_tasks() -> None:
    modules = [path.name for folder in SDK for path in folder.rglob("*.py")]

    assert "extension.py" in modules
    assert [name for name in modules if "task" in name.lower()] == []


def test_the_gateway_promises_no_tasks() -> None:
    async def main() -> None:
        for mode in ("legacy", "auto"):
            async with Client(Office().server(), mode=mode) as client:
                promised = client.server_capabilities
                assert promised is not None
                assert promised.tools is not None
                assert promised.tasks is None
                assert "tasks" not in str(promised.extensions)

    anyio.run(main)
