"""Keys and tokens for tests: well-formed ones and, on purpose, malformed ones."""

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms


@cache
def private_key(alg: str, name: str = "k1") -> Any:
    """One private key per algorithm and name, made once per test run."""
    del name
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if alg == "ES384":
        return ec.generate_private_key(ec.SECP384R1())
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def jwk(alg: str, name: str = "k1", /, **members: object) -> dict[str, object]:
    """The public JWK of `private_key(alg, name)`, its kid being the name."""
    algorithm = get_default_algorithms()[alg]
    public = algorithm.to_jwk(private_key(alg, name).public_key(), as_dict=True)
    public.pop("key_ops", None)
    return {**public, "kid": name, "use": "sig", "alg": alg, **members}


def document(*keys: Mapping[str, object]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign_raw(header: bytes, payload: bytes, *, alg: str, name: str = "k1") -> str:
    """Sign exactly these bytes, however odd the header is."""
    signing_input = f"{b64(header)}.{b64(payload)}"
    signature = get_default_algorithms()[alg].sign(signing_input.encode(), private_key(alg, name))
    return f"{signing_input}.{b64(signature)}"


def sign(
    claims: Mapping[str, object], *, alg: str = "ES256", name: str = "k1", **header: object
) -> str:
    members = {"alg": alg, "kid": name, "typ": "JWT", **header}
    members = {key: value for key, value in members.items() if value is not None}
    return sign_raw(json.dumps(members).encode(), json.dumps(claims).encode(), alg=alg, name=name)
