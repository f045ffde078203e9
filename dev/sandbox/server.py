"""The HTTP side of the simulated API server: who asks, may they, what for, and the answer.

One ASGI application. What requests do is in `reads`, `changes` and `logs`.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from dev.sandbox import control, discovery, queries, rbac, reads, targets
from dev.sandbox.admission import Admission
from dev.sandbox.changes import Changes
from dev.sandbox.cluster import Cluster
from dev.sandbox.events import shown
from dev.sandbox.faults import Fault, Faults, RequestLog
from dev.sandbox.garbage import Garbage
from dev.sandbox.logs import Logs
from dev.sandbox.rbac import Asked, Identity
from dev.sandbox.resources import Obj, Resource, served
from dev.sandbox.scales import Scales
from dev.sandbox.status import ApiError, no_such_path
from dev.sandbox.targets import Target
from dev.sandbox.writes import Answer

Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
MAX_BODY = 3 * 1024 * 1024


class Server:
    """An ASGI application over a cluster. `tokens` maps a bearer token to an identity's name."""

    def __init__(
        self,
        cluster: Cluster,
        garbage: Garbage,
        logs: Logs,
        *,
        identities: Mapping[str, Identity],
        tokens: Mapping[str, str],
        admission: Admission,
    ) -> None:
        self.cluster = cluster
        self.faults = Faults()
        self.requests = RequestLog()
        self.stopping = asyncio.Event()
        self._resources = served(modern=cluster.modern)
        self._identities = identities
        self._tokens = tokens
        self.logs = logs
        self._scales = Scales(cluster)
        self._changes = Changes(cluster, garbage, self._scales, admission)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        if request.url.path.startswith("/_sandbox/"):
            response = await control.answer(self, request, self._who(request))
        else:
            response = await self._logged(request)
        await response(scope, receive, send)

    def _who(self, request: Request) -> Identity | None:
        """The caller; None for a token that is not ours."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if not kind:
            return rbac.ANONYMOUS
        for known, name in self._tokens.items():
            if kind.lower() == "bearer" and hmac.compare_digest(known, token):
                return self._identities[name]
        return None

    async def _logged(self, request: Request) -> Response:
        """The answer, with a line in the request log; status 0 is a cut connection."""
        who = self._who(request)
        watch = request.query_params.get("watch", "") in ("1", "true")
        target = targets.target(
            request.method, request.url.path, watch=watch, served=self._resources
        )
        fault = self.faults.next(target.asked) if who else None
        response = await self._faulty(request, target, who, fault)
        asked = target.asked
        self.requests.add(
            {
                "time": self.cluster.now(),
                "verb": asked.verb,
                "path": request.url.path,
                "group": asked.group,
                "resource": asked.resource,
                "namespace": asked.namespace,
                "name": asked.name,
                "identity": who.user if who else "",
                "dryRun": await _is_dry(request),
                "status": response.status_code,
                **({"fault": fault.fault} if fault else {}),
            }
        )
        return response

    async def _faulty(
        self,
        request: Request,
        target: Target,
        who: Identity | None,
        fault: Fault | None,
    ) -> Response:
        """The honest answer, spoiled as a scripted fault says."""
        if fault is None:
            return await self._answer(request, target, who)
        if (error := fault.error()) is not None:
            return _refusal(error)
        if fault.fault == "reset":
            return _Cut()
        if fault.fault == "latency":
            await request.body()  # it is all there: the answer does not need the client any more
            await asyncio.sleep(fault.ms / 1000)
        response = await self._answer(request, target, who)
        if fault.fault == "reset_after_commit":
            return _Cut()
        if fault.fault == "timeout_after_commit":
            await self._wait_in_vain(request, fault.seconds)
            text = "Timeout: request did not complete within the allotted timeout"
            return _refusal(ApiError(504, "Timeout", text, details={}))
        return response

    async def _wait_in_vain(self, request: Request, seconds: float) -> None:
        """Until the client hangs up, the server stops, or the time is up."""

        async def hung_up() -> None:
            await request.body()
            while (await request.receive())["type"] != "http.disconnect":
                pass

        waits = [asyncio.ensure_future(w) for w in (hung_up(), self.stopping.wait())]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _answer(self, request: Request, target: Target, who: Identity | None) -> Response:
        try:
            return await self._authorized(request, target, who)
        except ApiError as error:
            return _refusal(error)

    async def _authorized(self, request: Request, target: Target, who: Identity | None) -> Response:
        if who is None:
            raise rbac.unauthorized()
        if not rbac.allowed(who, target.asked):
            raise rbac.forbidden(who, target.asked)
        if target.asked.path:
            return self._discover(request)
        return await self._answered(request, target, who)

    async def _answered(self, request: Request, target: Target, who: Identity) -> Response:
        if target.asked.group == "authorization.k8s.io":
            return _json(201, _review(await _read(request), who))
        if target.resource is None:
            raise no_such_path()
        if not _takes(target, target.resource):
            text = "the server does not allow this method on the requested resource"
            raise ApiError(405, "MethodNotAllowed", text, details={})
        if target.subresource and target.subresource not in target.resource.subresources:
            raise no_such_path()
        if target.asked.verb in ("get", "list", "watch"):
            return self._read(request, target, target.resource)
        body = await _read(request)
        return _written(self._changes.make(who, request, target, target.resource, body))

    def _discover(self, request: Request) -> Response:
        path = request.url.path.rstrip("/")
        if path in ("/readyz", "/livez", "/healthz"):
            return PlainTextResponse("ok")
        body = discovery.found(
            path, self._resources, modern=self.cluster.modern, address=request.url.netloc
        )
        if body is None:
            return PlainTextResponse("404 page not found\n", status_code=404)
        return _json(200, body)

    def _read(self, request: Request, target: Target, resource: Resource) -> Response:
        asked, query = target.asked, request.query_params
        namespace = asked.namespace if resource.namespaced else ""
        if target.subresource == "scale":
            return _json(200, self._scales.get(resource, namespace, asked.name))
        if asked.verb == "get":
            obj = self.cluster.get(resource, namespace, asked.name)
            if target.subresource == "log":
                text = self.logs.read(obj, queries.reading(query))
                placed = obj["spec"].get("nodeName")
                return PlainTextResponse(text, 200 if placed else 204)
            return _json(200, shown(obj, resource))
        wish = queries.listing(query, namespace, asked.name)
        if asked.verb == "list":
            return _json(200, reads.listed(self.cluster, resource, wish))
        reads.selection(resource, wish)  # a bad selector is refused before the stream begins
        stream = reads.watched(self.cluster, resource, wish, self.stopping)
        return StreamingResponse(stream, media_type="application/json")


def _takes(target: Target, resource: Resource) -> bool:
    """Whether a verb fits the resource, and a collection or an object."""
    verb, named = target.asked.verb, bool(target.asked.name)
    return verb in resource.verbs and named is (verb not in ("create", "list", "watch"))


async def _is_dry(request: Request) -> bool:
    """Whether the server took the request as a dry run; see `removal` for deletes."""
    body = await request.body() if request.method == "DELETE" else b""
    if body:
        return b'"dryRun"' in body and b'"All"' in body
    return "All" in request.query_params.getlist("dryRun")


async def _read(request: Request) -> bytes:
    body = await request.body()
    if len(body) > MAX_BODY:
        text = "Request entity too large: limit is 3145728"
        raise ApiError(413, "RequestEntityTooLarge", text, details={})
    return body


def _review(body: bytes, who: Identity) -> Obj:
    """A SelfSubjectAccessReview, answered from the table."""
    review: Obj = json.loads(body)
    attributes = review.get("spec", {}).get("resourceAttributes") or {}
    resource = attributes.get("resource", "")
    if attributes.get("subresource"):
        resource += f"/{attributes['subresource']}"
    asked = Asked(
        verb=attributes.get("verb", ""),
        group=attributes.get("group", ""),
        resource=resource,
        namespace=attributes.get("namespace", ""),
        name=attributes.get("name", ""),
        path=review.get("spec", {}).get("nonResourceAttributes", {}).get("path", ""),
    )
    return {**review, "metadata": {}, "status": {"allowed": rbac.allowed(who, asked)}}


def _json(code: int, body: Obj, headers: Mapping[str, str] | None = None) -> Response:
    content = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return Response(content, code, dict(headers or {}), media_type="application/json")


def _refusal(error: ApiError) -> Response:
    return _json(error.code, error.status, error.headers)


def _written(answer: Answer) -> Response:
    response = _json(answer.code, answer.body)
    for warning in answer.warnings:
        quoted = warning.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.append("Warning", f'299 - "{quoted}"')
    return response


class _Cut(Response):
    """Ends the connection without a word; uvicorn keeps its transport behind `send`."""

    def __init__(self) -> None:
        super().__init__(status_code=0)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        del scope, receive
        cycle = getattr(send, "__self__", None)
        if cycle is None:
            raise ConnectionResetError("scripted reset, and no connection to cut")
        cycle.transport.abort()
