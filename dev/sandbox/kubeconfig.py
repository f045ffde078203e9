"""The server's certificate authority, the bearer tokens and one kubeconfig per identity.

Kept in the state directory with mode 0600 and used again by the next start. Made for loopback
only; a development convenience, never a way to run a cluster.
"""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = timedelta(days=365)
RENEW_BEFORE = timedelta(days=30)


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
    if not _still_good(credentials, now):
        _certify(credentials, now)
    return credentials


def write(state: Path, credentials: Credentials, server: str) -> list[Path]:
    """One `<identity>.kubeconfig` each; returns the paths."""
    return [
        write_private(state / f"{name}.kubeconfig", _kubeconfig(name, token, credentials, server))
        for name, token in credentials.tokens.items()
    ]


def _kubeconfig(name: str, token: str, credentials: Credentials, server: str) -> bytes:
    """JSON is YAML; every client reads it."""
    ca = base64.b64encode(credentials.ca.read_bytes()).decode()
    context = {"cluster": "sandbox", "user": name, "namespace": "mcp-nginx-demo"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": f"{name}@sandbox",
        "clusters": [
            {"name": "sandbox", "cluster": {"server": server, "certificate-authority-data": ca}}
        ],
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


def _still_good(credentials: Credentials, now: datetime) -> bool:
    files = (credentials.certificate, credentials.key, credentials.ca)
    if not all(path.exists() for path in files):
        return False
    certificate = x509.load_pem_x509_certificate(credentials.certificate.read_bytes())
    return certificate.not_valid_after_utc - RENEW_BEFORE > now


def _certify(credentials: Credentials, now: datetime) -> None:
    """A new authority, its key forgotten at once, and the one certificate that it signs."""
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "infragate-sandbox-ca")])
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "infragate-sandbox")])
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    hosts: list[x509.GeneralName] = [
        x509.IPAddress(ip_address("127.0.0.1")),
        x509.DNSName("localhost"),
    ]
    server = (
        _builder(name, ca_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(authority, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    write_private(credentials.ca, ca.public_bytes(pem))
    write_private(credentials.certificate, server.public_bytes(pem))
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(credentials.key, private)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign,
        crl_sign=sign,
        encipher_only=False,
        decipher_only=False,
    )
