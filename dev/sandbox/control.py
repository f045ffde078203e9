"""`/_sandbox/…`: scripts faults and shows the request log; for the admin identity only."""

import json
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from dev.sandbox.rbac import EVERYTHING, Identity
from dev.sandbox.resources import PODS, Obj

if TYPE_CHECKING:
    from dev.sandbox.server import Server


async def answer(server: "Server", request: Request, who: Identity | None) -> Response:
    """`faults`: GET, POST a list, DELETE all. `requests`: GET lines, DELETE all. POST `log`."""
    if who is None or who.rules != EVERYTHING:
        return PlainTextResponse("for the admin identity only\n", status_code=403)
    match request.method, request.url.path:
        case "GET", "/_sandbox/faults":
            return JSONResponse(server.faults.rows())
        case "POST", "/_sandbox/faults":
            return _script(server, await request.body())
        case "DELETE", "/_sandbox/faults":
            server.faults.script.clear()
        case "POST", "/_sandbox/log":
            _write_log(server, json.loads(await request.body()))
        case "GET", "/_sandbox/requests":
            return PlainTextResponse(server.requests.lines(), media_type="application/jsonl")
        case "DELETE", "/_sandbox/requests":
            server.requests.clear()
        case _:
            return PlainTextResponse("no such control\n", status_code=404)
    return Response(status_code=204)


def _write_log(server: "Server", wish: Obj) -> None:
    """Has a container write `lines` lines of `length` characters each."""
    pod = server.cluster.get(PODS, wish["namespace"], wish["pod"])
    line = "x" * int(wish["length"])
    for _ in range(int(wish["lines"])):
        server.logs.write(pod["metadata"]["uid"], wish["container"], server.cluster.now(), line)


def _script(server: "Server", body: bytes) -> Response:
    try:
        server.faults.load(json.loads(body))
    except (ValueError, TypeError) as error:
        return PlainTextResponse(f"{error}\n", status_code=400)
    return JSONResponse(server.faults.rows(), status_code=201)
