"""The least that an ASGI application costs: `python -m bench.bare PORT`."""

import sys

import uvicorn
from starlette.types import Receive, Scope, Send

_BODY = b'{"jsonrpc":"2.0","id":1,"result":{}}'
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Reads the body and answers the same to everybody."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body", False):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


def main() -> None:
    """Serves as `api.__main__` does."""
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
    )


if __name__ == "__main__":
    main()
