"""The API server without us: the worker's own credentials, prepared requests, a few raw calls."""

import base64
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
import yaml

from bench import requests
from bench.load.drives import Target

NAMESPACE: Final = "mcp-nginx-demo"
DEPLOYMENT: Final = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/nginx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kube:
    """One identity at one API server."""

    target: Target
    token: str

    @classmethod
    def of(cls, kubeconfig: Path) -> "Kube":
        """Returns whom a kubeconfig means; of several entries the first."""
        document: dict[str, Any] = yaml.safe_load(kubeconfig.read_text("utf-8"))
        cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
        address = urlsplit(cluster["server"])
        tls = address.scheme == "https"
        target = Target(
            host=str(address.hostname),
            port=address.port or (443 if tls else 80),
            authority=_pem(cluster, "certificate-authority", kubeconfig) if tls else "",
            server_name=cluster.get("tls-server-name", ""),
            certificate=_client_certificate(user, kubeconfig),
        )
        return cls(target=target, token=user.get("token", ""))

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> bytes:
        """Returns a request as this identity."""
        return requests.plain(
            method,
            path,
            f"{self.target.host}:{self.target.port}",
            headers={**self._shown, **(headers or {})},
            body=body,
        )

    def again(self, call: Mapping[str, str]) -> bytes:
        """Returns a call that `bench.front` noted, as this identity."""
        kinds = {"accept": call["accept"], "content-type": call["type"]}
        return self.request(
            call["method"],
            call["path"],
            headers={name: value for name, value in kinds.items() if value},
            body=call["body"].encode(),
        )

    def pool(self, size: int = 1) -> urllib3.HTTPConnectionPool:
        """Returns connections for calls that are not measured."""
        if not self.target.authority:
            return urllib3.HTTPConnectionPool(self.target.host, self.target.port, maxsize=size)
        context = urllib3.util.ssl_.create_urllib3_context()
        context.load_verify_locations(cadata=self.target.authority)
        if self.target.certificate:
            context.load_cert_chain(self.target.certificate)
        return urllib3.HTTPSConnectionPool(
            self.target.host,
            self.target.port,
            maxsize=size,
            ssl_context=context,
            server_hostname=self.target.server_name or None,
        )

    def call(
        self,
        pool: urllib3.HTTPConnectionPool,
        method: str,
        path: str,
        document: Mapping[str, Any] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """Returns status and document of a call that is not measured."""
        body = None if document is None else json.dumps(document).encode()
        headers = {**self._shown, "content-type": "application/json"}
        answer = pool.request(method, path, body=body, headers=headers, retries=False, timeout=60)
        try:
            found = json.loads(answer.data)
        except ValueError:
            found = {}
        return answer.status, found if isinstance(found, dict) else {}

    @property
    def _shown(self) -> dict[str, str]:
        accept = {"accept": "application/json"}
        return {**accept, "authorization": f"Bearer {self.token}"} if self.token else accept

    @property
    def subject(self) -> str:
        """Returns the user name in a ServiceAccount's token; empty for other credentials."""
        parts = self.token.split(".")
        if len(parts) != 3:
            return ""
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return str(claims.get("sub", ""))


def _pem(entry: Mapping[str, str], name: str, kubeconfig: Path) -> str:
    if f"{name}-data" in entry:
        return base64.b64decode(entry[f"{name}-data"]).decode()
    return (kubeconfig.parent / entry[name]).read_text("utf-8") if name in entry else ""


def _client_certificate(user: Mapping[str, str], kubeconfig: Path) -> str:
    """The path of a file with certificate and key, as OpenSSL wants them."""
    both = [_pem(user, name, kubeconfig) for name in ("client-certificate", "client-key")]
    if not all(both):
        return ""
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False) as file:
        file.write("\n".join(both))
    return file.name
