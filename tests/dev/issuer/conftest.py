"""An issuer in process, a registered client, and the approval pages' client."""

import itertools
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from dev.issuer import keys
from dev.issuer.clients import APPROVAL_CLIENT
from tests.dev.issuer.provider import ApprovalClient, ClientKey, Clock, Provider


@pytest.fixture(scope="session")
def rsa_keys() -> list[RSAPrivateKey]:
    return [generate_private_key(public_exponent=65537, key_size=2048) for _ in range(8)]


@pytest.fixture(autouse=True)
def ready_made_keys(rsa_keys: list[RSAPrivateKey], monkeypatch: pytest.MonkeyPatch) -> None:
    """RSA keys take a tenth of a second to make; the tests share eight, which differ."""
    pool = itertools.cycle(rsa_keys)
    monkeypatch.setattr(keys, "generate_private_key", lambda **_: next(pool))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def provider(state: Path, clock: Clock) -> Provider:
    return Provider(state, clock=clock)


@pytest.fixture
def client_id(provider: Provider) -> str:
    """A public client, registered as an agent registers itself."""
    return str(provider.register()["client_id"])


@pytest.fixture
def approval(state: Path, clock: Clock, tmp_path: Path) -> ApprovalClient:
    """The approval pages' client, at an issuer that knows its key."""
    key = ClientKey(client_id=APPROVAL_CLIENT, clock=clock)
    jwks = tmp_path / "approval.jwks.json"
    jwks.write_text(json.dumps({"keys": [key.jwk]}))
    return ApprovalClient(Provider(state, clock=clock, approval_jwks=jwks), key)
