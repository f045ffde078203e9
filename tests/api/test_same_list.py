"""The list of tools is made once for each revision; a wrong request for it stays wrong."""

from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp_types import ListToolsResult, PaginatedRequestParams, Tool

from api.same_list import SameList
from tests.api.desk_stage import ERAS


class Counting:
    """A server that knows how often it made its list."""

    def __init__(self) -> None:
        self.made = 0
        self.server: Server[Any] = Server(name="lists", version="1", on_list_tools=self._listed)
        self.server.middleware.append(SameList())

    async def _listed(
        self, _: ServerRequestContext[Any, Any], __: PaginatedRequestParams | None
    ) -> ListToolsResult:
        self.made += 1
        return ListToolsResult(tools=[Tool(name="one", input_schema={"type": "object"})])


def test_it_is_made_once_for_each_revision_and_is_the_same_for_every_client() -> None:
    lists = Counting()
    heard: dict[str, list[ListToolsResult]] = {era: [] for era in ERAS}

    async def main() -> None:
        for _ in range(3):
            for era in ERAS:
                async with Client(lists.server, mode=era) as client:
                    heard[era].append(await client.list_tools())

    anyio.run(main)
    assert lists.made == len(ERAS)
    for era in ERAS:
        assert [tool.name for tool in heard[era][0].tools] == ["one"]
        assert heard[era][1:] == heard[era][:1] * 2


@pytest.mark.parametrize("era", ERAS)
def test_a_request_that_says_more_is_looked_at_by_the_sdk(era: str) -> None:
    lists = Counting()

    async def main() -> None:
        async with Client(lists.server, mode=era) as client:
            await client.list_tools()
            await client.list_tools(cursor="next")

    anyio.run(main)
    assert lists.made == 2
