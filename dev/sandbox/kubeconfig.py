"""The server's certificate authority, the bearer tokens and one kubeconfig per identity.

Kept in the state directory with mode 0600 and used again by the next start. Made for loopback
only; a development convenience, never a way to run a cluster.
"""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

RENEW_AFTER = timedelta(days=300)  # certificates are good for a year


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Files of the TLS server and the tokens by identity."""

    certificate: Path
    key: Path
    ca: Path
    tokens: dict[str, str]


def prepare(state: Path, identities: list[str], now: datetime) -> Credentials:
    """Makes what is missing or nearly expired in the state directory."""
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    credentials = Credentials(
        certificate=state / "server.crt",
        key=state / "server.key",
        ca=state / "ca.crt",
        tokens=_tokens(state / "tokens.json", identities),
    )
    files = (credentials.certificate, credentials.key, credentials.ca)
    if not all(path.exists() and _age(path, now) < RENEW_AFTER for path in files):
        # Slow to import, and seldom needed.
        from dev.sandbox import certificates  # noqa: PLC0415

        for path, content in zip(files, certificates.make(now), strict=True):
            write_private(path, content)
    return credentials


def write(state: Path, credentials: Credentials, server: str) -> list[Path]:
    """One `<identity>.kubeconfig` each; returns the paths."""
    return [
        write_private(state / f"{name}.kubeconfig", _kubeconfig(name, token, credentials, server))
        for name, token in credentials.tokens.items()
    ]


def _age(path: Path, now: datetime) -> timedelta:
    return now - datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _kubeconfig(name: str, token: str, credentials: Credentials, server: str) -> bytes:
    """JSON is YAML; every client reads it."""
    ca = base64.b64encode(credentials.ca.read_bytes()).decode()
    cluster = {"server": server, "certificate-authority-data": ca}
    if "//127.0.0.1:" not in server:  # the certificate is for loopback names only
        cluster["tls-server-name"] = "localhost"
    context = {"cluster": "sandbox", "user": name, "namespace": "mcp-nginx-demo"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": f"{name}@sandbox",
        "clusters": [{"name": "sandbox", "cluster": cluster}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": f"{name}@sandbox", "context": context}],
    }
    return json.dumps(config, indent=1).encode()


def write_private(path: Path, content: bytes) -> Path:
    """Whole or not at all, and readable by the owner only."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)
    return path


def _tokens(path: Path, identities: list[str]) -> dict[str, str]:
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    tokens = {name: known.get(name) or secrets.token_urlsafe(32) for name in identities}
    if tokens != known:
        write_private(path, json.dumps(tokens).encode())
    return tokens
