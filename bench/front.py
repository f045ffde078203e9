"""A process in front of an API server: notes the calls that pass, and can answer in its place.

`python -m bench.front --kubeconfig ORIGINAL --port N --write COPY`: COPY leads here. It keeps
GETs' answers when told to, so that a Kubernetes of any speed can be simulated: what it
remembers costs nothing but the latency that was asked for. Loopback only, no secrets of its own.
"""

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any, Final

import uvicorn
import yaml
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bench.kube import Kube

CONTROL: Final = "/_bench/"
_PASSED_ON: Final = ("authorization", "accept", "content-type")
_PASSED_BACK: Final = ("content-type", "warning", "date")


class Front:
    """An ASGI application. `latency_s` None passes everything on."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._pool = kube.pool(64)
        self._calls: list[dict[str, str]] = []
        self._latency_s: float | None = None
        self._kept: dict[tuple[str, str], Response] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        if scope["path"].startswith(CONTROL):
            response = self._told(request)
        elif self._latency_s is None:
            response = await self._passed_on(request)
        else:
            response = await self._from_memory(request, self._latency_s)
        await response(scope, receive, send)

    def _told(self, request: Request) -> Response:
        """`calls`: GET what passed, DELETE it. `latency?ms=N`: POST, from then on from memory."""
        if request.method == "POST":
            self._latency_s = float(request.query_params["ms"]) / 1000
        elif request.method == "DELETE":
            self._calls.clear()
        return JSONResponse(self._calls)

    async def _from_memory(self, request: Request, latency_s: float) -> Response:
        key = (_path(request), request.headers.get("accept", ""))
        kept = self._kept.get(key)
        if kept is None:
            kept = await self._passed_on(request)
            if request.method == "GET":
                self._kept[key] = kept
        if latency_s:
            await asyncio.sleep(latency_s)
        return kept

    async def _passed_on(self, request: Request) -> Response:
        body = await request.body()
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        self._calls.append(
            {
                "method": request.method,
                "path": _path(request),
                "accept": headers.get("accept", ""),
                "type": headers.get("content-type", ""),
                "body": body.decode("utf-8"),
                "status": "",
            }
        )
        noted = self._calls[-1]
        answer = await asyncio.to_thread(
            self._pool.request,
            request.method,
            _path(request),
            body=body or None,
            headers=headers,
            retries=False,
            timeout=60,
        )
        noted["status"] = str(answer.status)
        back = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        return Response(answer.data, answer.status, back)


def _path(request: Request) -> str:
    return f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path


def main() -> None:
    """Serves until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m bench.front", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--write", type=Path, required=True)
    options = parser.parse_args()
    original: dict[str, Any] = yaml.safe_load(options.kubeconfig.read_text("utf-8"))
    original["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{options.port}"}
    options.write.write_text(json.dumps(original), "utf-8")
    options.write.chmod(0o600)
    front = Front(Kube.of(options.kubeconfig))
    uvicorn.run(front, port=options.port, lifespan="off", access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
