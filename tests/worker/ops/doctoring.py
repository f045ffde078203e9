"""What the tests of `doctor` share: a provider that says what it is told, and a report's lines."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from worker.ops.diagnosis import Diagnosis, Mark

_KEY = generate_private_key(public_exponent=65537, key_size=2048)
KEYS = {
    "keys": [{**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_KEY.public_key())), "kid": "k1"}]
}


@contextmanager
def provider(
    changed: Mapping[str, object] | None = None,
    *,
    keys: object = KEYS,
    date: str | None = None,
) -> Iterator[str]:
    """The issuer URL of a provider whose metadata are good but for what is changed (None: gone)."""

    class _Handler(BaseHTTPRequestHandler):
        documents: ClassVar[dict[str, object]] = {}

        def do_GET(self) -> None:
            document = self.documents.get(self.path)
            body = json.dumps(document).encode()
            self.send_response(200 if document is not None else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return date or super().date_time_string(timestamp)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    issuer = f"http://127.0.0.1:{server.server_port}"
    good: Mapping[str, object] = {
        "issuer": issuer,
        "authorization_endpoint": issuer + "/authorize",
        "token_endpoint": issuer + "/token",
        "jwks_uri": issuer + "/jwks",
        "pushed_authorization_request_endpoint": issuer + "/par",
        "authorization_response_iss_parameter_supported": True,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "prompt_values_supported": ["login"],
        "claims_supported": ["auth_time"],
    }
    metadata = {
        name: value for name, value in {**good, **(changed or {})}.items() if value is not None
    }
    _Handler.documents = {"/.well-known/openid-configuration": metadata, "/jwks": keys}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def the_one(found: Iterable[Diagnosis], mark: Mark, words: str) -> Diagnosis:
    """The only line with this mark and these words; whatever is not fine must say how to mend."""
    lines = list(found)
    fitting = [line for line in lines if line.mark is mark and words in line.said]
    assert len(fitting) == 1, "\n".join(map(str, lines))
    if mark in (Mark.FAILED, Mark.WARNING):
        assert fitting[0].mend
        assert f"→ {fitting[0].mend}" in str(fitting[0])
    return fitting[0]


def marks(found: Iterable[Diagnosis]) -> set[Mark]:
    return {line.mark for line in found}
