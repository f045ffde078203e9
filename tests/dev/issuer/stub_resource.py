"""A protected resource as small as one can be: what a client sees before and after a login.

Not the gateway: it checks tokens as one must and has a single tool.
"""

import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TOOL = {
    "name": "whoami",
    "description": "Tells who the token speaks for.",
    "inputSchema": {"type": "object", "properties": {}},
}


class StubResource:
    """An MCP server at `base`/mcp that trusts `issuer`."""

    def __init__(self, base: str, issuer: str) -> None:
        self.resource = f"{base}/mcp"
        self.metadata_url = f"{base}/.well-known/oauth-protected-resource/mcp"
        self.issuer = issuer
        self.keys = jwt.PyJWKClient(f"{issuer}/jwks")

    def app(self) -> Starlette:
        known = "/.well-known/oauth-protected-resource"
        return Starlette(
            routes=[
                Route(known, self.metadata),
                Route(f"{known}/mcp", self.metadata),
                Route("/mcp", self.mcp, methods=["GET", "POST", "DELETE"]),
            ]
        )

    async def metadata(self, _: Request) -> Response:
        return JSONResponse(
            {
                "resource": self.resource,
                "authorization_servers": [self.issuer],
                "scopes_supported": ["mcp:tools"],
                "bearer_methods_supported": ["header"],
            }
        )

    async def mcp(self, request: Request) -> Response:
        subject = self.subject(request.headers.get("authorization", ""))
        if subject is None:
            challenge = f'Bearer resource_metadata="{self.metadata_url}", scope="mcp:tools"'
            return JSONResponse({"error": "invalid_token"}, 401, {"www-authenticate": challenge})
        if request.method != "POST":
            return Response(status_code=405)
        message = await request.json()
        if "id" not in message:
            return Response(status_code=202)
        return JSONResponse({"jsonrpc": "2.0", "id": message["id"], **answer(message, subject)})

    def subject(self, authorization: str) -> str | None:
        token = authorization.removeprefix("Bearer ")
        try:
            key = self.keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token, key, algorithms=["RS256"], audience=self.resource, issuer=self.issuer
            )
        except jwt.PyJWTError:
            return None
        typed = jwt.get_unverified_header(token)["typ"] == "at+jwt"
        return str(claims["sub"]) if typed and "mcp:tools" in claims["scope"].split() else None


def answer(message: dict[str, object], subject: str) -> dict[str, object]:
    match message:
        case {"method": "initialize", "params": {"protocolVersion": version}}:
            info = {"name": "stub", "version": "1"}
            result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
            return {"result": result}
        case {"method": "tools/list"}:
            return {"result": {"tools": [TOOL]}}
        case {"method": "tools/call"}:
            return {"result": {"content": [{"type": "text", "text": subject}]}}
        case {"method": "ping"}:
            return {"result": {}}
        case _:
            return {"error": {"code": -32601, "message": "no such method"}}
