"""Lists and watches: selection, pages with continue tokens, the stream of changes.

Source: Kubernetes page "Kubernetes API Concepts", sections on watches and on retrieving in chunks.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

from dev.sandbox import selectors
from dev.sandbox.cluster import Cluster
from dev.sandbox.events import shown
from dev.sandbox.resources import Obj, Resource
from dev.sandbox.selectors import Test
from dev.sandbox.status import ApiError, bad_request
from dev.sandbox.store import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """List and watch options; `limit` 0 is all, `seconds` ends a watch."""

    namespace: str = ""
    labels: str = ""
    fields: str = ""
    limit: int = 0
    token: str = ""
    revision: str = ""
    seconds: float | None = None


def selection(resource: Resource, wish: Wish) -> Test:
    labels = selectors.labels(wish.labels)
    fields = selectors.fields(wish.fields, resource)
    return lambda obj: labels(obj) and fields(obj)


def listed(cluster: Cluster, resource: Resource, wish: Wish) -> Obj:
    """A List object; items carry no kind and no apiVersion, as in the real one."""
    chosen = selection(resource, wish)
    revision, start = cluster.store.revision, ""
    if wish.token:
        revision, start = _decode(wish.token)
        if cluster.store.since(revision) is None:
            raise expired("The provided continue parameter is too old to display a consistent list")
    found = [shown(obj, resource) for obj in cluster.store.all(resource.key, wish.namespace)]
    rest = [obj for obj in found if chosen(obj) and _key(obj) > start]
    page = rest[: wish.limit] if wish.limit else rest
    metadata: Obj = {"resourceVersion": str(revision)}
    if len(page) < len(rest):
        metadata["continue"] = _encode(revision, _key(page[-1]))
        if not (wish.labels or wish.fields):
            metadata["remainingItemCount"] = len(rest) - len(page)
    return {
        "kind": f"{resource.kind}List" if resource.kind != "Endpoints" else "EndpointsList",
        "apiVersion": resource.api_version,
        "metadata": metadata,
        "items": [{k: v for k, v in o.items() if k not in ("kind", "apiVersion")} for o in page],
    }


def _key(obj: Obj) -> str:
    return f"{obj['metadata'].get('namespace', '')}/{obj['metadata']['name']}\0"


def _encode(revision: int, start: str) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": start})
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(token: str) -> tuple[int, str]:
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        found = json.loads(text)
        return int(found["rv"]), str(found["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from error


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


async def watched(
    cluster: Cluster, resource: Resource, wish: Wish, stop: asyncio.Event
) -> AsyncIterator[bytes]:
    """JSON lines, one change each, until the time is up or the server stops."""
    chosen = selection(resource, wish)
    loop = asyncio.get_running_loop()
    end = loop.time() + wish.seconds if wish.seconds is not None else None
    seen = cluster.store.revision
    if wish.revision in ("", "0"):
        for obj in cluster.store.all(resource.key, wish.namespace):
            if chosen(form := shown(obj, resource)):
                yield _line("ADDED", form)
    else:
        seen = int(wish.revision)
    while not stop.is_set() and (end is None or loop.time() < end):
        changes = cluster.store.since(seen)
        if changes is None:
            yield _line("ERROR", expired("too old resource version").status)
            return
        seen = cluster.store.revision
        for change in changes:
            if (line := _told(change, resource, wish, chosen)) is not None:
                yield line
        await _wait(cluster, stop, None if end is None else end - loop.time())


async def _wait(cluster: Cluster, stop: asyncio.Event, seconds: float | None) -> None:
    """Until something changed, the server stops or the time is up."""
    waits = [asyncio.ensure_future(w) for w in (cluster.store.wait(), stop.wait())]
    try:
        await asyncio.wait(
            waits,
            timeout=None if seconds is None else max(seconds, 0),
            return_when=asyncio.FIRST_COMPLETED,
        )
    finally:
        for wait in waits:
            wait.cancel()


def _told(change: Change, resource: Resource, wish: Wish, chosen: Test) -> bytes | None:
    """A change as this watcher sees it: what leaves the selection is gone for it."""
    obj = shown(change.obj, resource)
    if change.storage != resource.key:
        return None
    if wish.namespace and obj["metadata"].get("namespace") != wish.namespace:
        return None
    was = change.before is not None and chosen(shown(change.before, resource))
    now = change.kind != "DELETED" and chosen(obj)
    if now:
        return _line("MODIFIED" if was else "ADDED", obj)
    return _line("DELETED", obj) if was else None


def _line(kind: str, obj: Obj) -> bytes:
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"
