"""How a worker reaches its cluster: server, trust, credentials. Reads files, opens no connection.

Tokens and client certificates, which is what InfraGate's own kubeconfigs and Pods have, are read
here: importing the official client costs 0.9 s of CPU and 19 MB, keeps a `tokenFile` for ever,
writes keys to files that stay, and goes on without credentials when an exec plugin fails. It is
imported only for kubeconfigs with an `exec` plugin or an `auth-provider`, which it alone can do.
"""

import base64
import binascii
import hashlib
import os
import ssl
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import yaml

from shared.errors import BadConfiguration, Unauthorized

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_MAX_AGE_S: Final = 60.0
"""How long a token from a file is used before it is read again; the kubelet rotates them hourly."""

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Credentials(Protocol):
    """Who the worker is, as HTTP headers made fresh for each request."""

    def headers(self) -> dict[str, str]:
        """The `Authorization` header, or none for client certificates."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Everything that a connection needs; `hazards` are what production must refuse.

    `hazards` holds any of `insecure-skip-tls-verify`, `plain-http`, `exec-plugin`,
    `auth-provider`, `basic-auth`.
    """

    server: str
    credentials: Credentials
    tls: ssl.SSLContext | None
    tls_server_name: str | None = None
    proxy: str | None = None
    ca_sha256: str = ""
    hazards: tuple[str, ...] = ()


class FixedHeaders:
    """Credentials that never change: a static token, basic auth, or none."""

    def __init__(self, authorization: str = "") -> None:
        self._headers = {"Authorization": authorization} if authorization else {}

    def headers(self) -> dict[str, str]:
        """The same header each time."""
        return self._headers


class TokenFile:
    """A bearer token in a file that somebody rotates (a projected service-account token)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._token = ""
        self._read_at = float("-inf")

    def headers(self) -> dict[str, str]:
        """The token as it was at most a minute ago. Raises Unauthorized when it cannot be read."""
        with self._lock:
            if time.monotonic() - self._read_at > TOKEN_MAX_AGE_S:
                self._token = self._read()
                self._read_at = time.monotonic()
            return {"Authorization": f"Bearer {self._token}"}

    def _read(self) -> str:
        try:
            token = self._path.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            token = ""
        if not token:
            raise Unauthorized("The worker's token file is missing, unreadable or empty.")
        return token


class OfficialClient:
    """Exec plugins and auth providers, by the official client, which runs and refreshes them.

    Nothing runs before the first request, so that a start-up check can refuse a kubeconfig by its
    hazards alone. Plugins that answer with a client certificate are not supported.
    """

    def __init__(self, document: dict[str, Any], folder: Path) -> None:
        self._document = document
        self._folder = folder
        self._lock = threading.Lock()
        self._configuration: Any = None

    def headers(self) -> dict[str, str]:
        """A fresh token. Raises Unauthorized when the plugin gives none."""
        with self._lock:
            if self._configuration is None:
                self._configuration = self._loaded()
            value = self._configuration.get_api_key_with_prefix("BearerToken")
        if not value:
            raise Unauthorized("The kubeconfig's credential plugin gave no token.")
        return {"Authorization": value}

    def _loaded(self) -> Any:
        # Here, not above: most workers never need it, and it is slow and large (see the module).
        from kubernetes.client import Configuration  # noqa: PLC0415
        from kubernetes.config.kube_config import KubeConfigLoader  # noqa: PLC0415

        configuration = Configuration()
        loader: Any = KubeConfigLoader(self._document, config_base_path=str(self._folder))  # type: ignore[no-untyped-call]  # the client is not typed there
        try:
            loader.load_and_set(configuration)
        except Exception as error:  # a plugin may raise anything, also with its output in the text
            raise Unauthorized("The kubeconfig's credential plugin failed.") from error
        return configuration


def access_from(kubeconfig: Path | None) -> Access:
    """The access that the file's current context describes; None means the Pod we run in.

    Raises BadConfiguration with words that never repeat the file's contents.
    """
    return _in_cluster() if kubeconfig is None else _from_file(kubeconfig)


def _in_cluster() -> Access:
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise BadConfiguration("No kubeconfig is set and this process does not run in a cluster.")
    try:
        ca = (SERVICE_ACCOUNT / "ca.crt").read_text(encoding="ascii")
    except (OSError, ValueError):
        raise BadConfiguration("The service account's ca.crt cannot be read.") from None
    return Access(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        credentials=TokenFile(SERVICE_ACCOUNT / "token"),
        tls=_trusting(ca),
        ca_sha256=_fingerprint(ca),
    )


def _from_file(path: Path) -> Access:
    document = _document(path)
    context = _named(document, "contexts", document.get("current-context"), "context")
    cluster = _named(document, "clusters", context.get("cluster"), "cluster")
    user = _named(document, "users", context.get("user"), "user") if context.get("user") else {}
    if any(key in user for key in ("as", "as-uid", "as-groups", "as-user-extra")):
        # Ignoring it would give the worker more rights than the file says.
        raise BadConfiguration("The kubeconfig asks for impersonation, which is not supported.")
    server = str(cluster.get("server", "")).rstrip("/")
    if urlsplit(server).scheme not in {"http", "https"}:
        raise BadConfiguration("The kubeconfig's server is not an http or https URL.")
    ca = _inline_or_file(cluster, "certificate-authority", path.parent)
    return Access(
        server=server,
        credentials=_credentials(document, user, path.parent),
        tls=_tls(cluster, user, ca, path.parent) if server.startswith("https:") else None,
        tls_server_name=cluster.get("tls-server-name"),
        proxy=cluster.get("proxy-url"),
        ca_sha256=_fingerprint(ca),
        hazards=_hazards(server, cluster, user),
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise BadConfiguration(f"The kubeconfig {path} cannot be read: {reason}.") from None
    except (yaml.YAMLError, ValueError):
        raise BadConfiguration(f"The kubeconfig {path} is not YAML.") from None
    if not isinstance(document, dict):
        raise BadConfiguration(f"The kubeconfig {path} is not a mapping.")
    return document


def _named(document: Mapping[str, Any], section: str, name: object, key: str) -> dict[str, Any]:
    entries = document.get(section)
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name:
            value = entry.get(key)
            return value if isinstance(value, dict) else {}
    raise BadConfiguration(f"The kubeconfig's {section} lack the {key} that is asked for.")


def _credentials(document: dict[str, Any], user: Mapping[str, Any], folder: Path) -> Credentials:
    if "exec" in user or "auth-provider" in user:
        return OfficialClient(document, folder)
    if user.get("tokenFile"):  # wins over `token`, as in kubectl
        return TokenFile(folder / str(user["tokenFile"]))
    if user.get("token"):
        return FixedHeaders(f"Bearer {user['token']}")
    if user.get("username"):
        pair = f"{user['username']}:{user.get('password', '')}".encode()
        return FixedHeaders("Basic " + base64.b64encode(pair).decode("ascii"))
    return FixedHeaders()


def _hazards(server: str, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> tuple[str, ...]:
    url = urlsplit(server)
    found = {
        "insecure-skip-tls-verify": bool(cluster.get("insecure-skip-tls-verify")),
        "plain-http": url.scheme == "http" and url.hostname not in LOOPBACK,
        "exec-plugin": "exec" in user,
        "auth-provider": "auth-provider" in user,
        "basic-auth": "username" in user,
    }
    return tuple(name for name, present in found.items() if present)


def _inline_or_file(section: Mapping[str, Any], key: str, folder: Path) -> str:
    """PEM from `<key>-data` (base64) or from the file that `<key>` names; empty when neither."""
    try:
        if data := section.get(f"{key}-data"):
            return base64.b64decode(str(data), validate=False).decode("ascii")
        if name := section.get(key):
            return (folder / str(name)).read_text(encoding="ascii")
    except (OSError, ValueError, binascii.Error):
        raise BadConfiguration(f"The kubeconfig's {key} cannot be read.") from None
    return ""


def _tls(
    cluster: Mapping[str, Any], user: Mapping[str, Any], ca: str, folder: Path
) -> ssl.SSLContext:
    context = _trusting(ca)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = _inline_or_file(user, "client-certificate", folder)
    if certificate:
        _present(context, certificate + "\n" + _inline_or_file(user, "client-key", folder))
    return context


def _trusting(ca: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=ca or None)
    except ssl.SSLError:
        raise BadConfiguration("The cluster's certificate authority is not PEM.") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _present(context: ssl.SSLContext, pem: str) -> None:
    """Loads certificate and key; OpenSSL wants a file, which lives (0600) for this call only."""
    handle, name = tempfile.mkstemp(prefix="infragate-")
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(pem)
        context.load_cert_chain(name)
    except (ssl.SSLError, OSError):
        raise BadConfiguration("The kubeconfig's client certificate cannot be used.") from None
    finally:
        Path(name).unlink(missing_ok=True)


def _fingerprint(ca: str) -> str:
    """SHA-256 over the authority's certificates in DER, so that line breaks do not matter."""
    if not ca:
        return ""
    end = "-----END CERTIFICATE-----"
    try:
        der = [
            ssl.PEM_cert_to_DER_cert(block[block.index("-----BEGIN") :].strip() + "\n" + end)
            for block in ca.split(end)
            if "-----BEGIN CERTIFICATE-----" in block
        ]
    except ValueError:
        raise BadConfiguration("The cluster's certificate authority is not PEM.") from None
    return hashlib.sha256(b"".join(der)).hexdigest()
