"""Reads collections: pages of 500, true totals, a bounded number of items; and watch streams.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from shared.errors import ClusterFault, ClusterUnreachable
from worker.cluster.connection import Body, Connection
from worker.cluster.errors import ListExpired, fault_of
from worker.cluster.structs import JSONObject, Listed, Nothing, Page, decoded

PAGE: Final = 500
WATCH_LINE_LIMIT: Final = 4 * 1024 * 1024

_ONLY_METADATA: Final = (
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
)

ItemT = TypeVar("ItemT")


def listed(
    http: Connection,
    row: type[ItemT],
    path: str,
    selectors: Mapping[str, str | None],
    *,
    limit: int | None,
) -> Listed[ItemT]:
    """The first `limit` items (None: all) and the true total.

    A list whose snapshot the server forgot in mid-way (410) is begun once more.
    """
    try:
        return _from_the_start(http, row, path, selectors, limit)
    except ListExpired:
        return _from_the_start(http, row, path, selectors, limit)


def _from_the_start(
    http: Connection,
    row: type[ItemT],
    path: str,
    selectors: Mapping[str, str | None],
    limit: int | None,
) -> Listed[ItemT]:
    items: list[ItemT] = []
    version, token = "", ""
    while True:
        room = PAGE if limit is None else min(PAGE, limit - len(items))
        page = _page(http, row, path, {**selectors, "limit": room, "continue": token})
        items += page.items or ()
        version = version or page.metadata.resource_version or ""
        token = page.metadata.continue_ or ""
        if not token or (limit is not None and len(items) >= limit):
            break
    beyond = _beyond(http, path, selectors, page) if token else 0
    return Listed(
        items=tuple(items if limit is None else items[:limit]),
        total=len(items) + beyond,
        truncated=beyond > 0,
        resource_version=version,
    )


def _page(
    http: Connection,
    row: type[ItemT],
    path: str,
    query: Mapping[str, str | int | None],
    *,
    accept: str = "",
) -> Page[ItemT]:
    return decoded(http.read(path, query, accept=accept).body, Page[row])  # type: ignore[valid-type]  # the row is chosen at run time


def _beyond(
    http: Connection, path: str, selectors: Mapping[str, str | None], page: Page[ItemT]
) -> int:
    """How many items follow `page`: the server says so, unless selectors are in play."""
    if page.metadata.remaining_item_count is not None:
        return page.metadata.remaining_item_count
    count, token = 0, page.metadata.continue_
    while token:
        query = {**selectors, "limit": PAGE, "continue": token}
        rest = _page(http, Nothing, path, query, accept=_ONLY_METADATA)
        count += len(rest.items or ())
        token = rest.metadata.continue_
    return count


def watched(response: Body) -> Iterator[JSONObject]:
    """The JSON objects, one a line, of a watch. Raises ListExpired when it must begin again."""
    for line in _lines(response):
        event = decoded(line, JSONObject)
        if event.get("type") == "ERROR":
            status = event.get("object") or {}
            raise fault_of(int(status.get("code") or 500), msgspec.json.encode(status))
        yield event


def _lines(response: Body) -> Iterator[bytes]:
    """Whole lines as they come in, each at most 4 MiB."""
    rest = b""
    while piece := response.read1(64 * 1024):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line for line in lines if line.strip())
        if len(rest) > WATCH_LINE_LIMIT:
            raise ClusterFault("A watch event is too large to be read.")
    if rest.strip():
        raise ClusterUnreachable("The watch ended in the middle of an event.")
