"""The signing keys: kept, published, rotated with an overlap."""

import jwt
import pytest

from dev.issuer.keys import MAX_KEYS, OVERLAP, Keyring
from dev.issuer.shortcut import SECRET_FILE
from shared.errors import BadConfiguration
from tests.dev.issuer.provider import Clock, Provider


def kids(provider: Provider) -> list[str]:
    return [key["kid"] for key in provider.browser.get("/jwks").json()["keys"]]


def rotate(provider: Provider) -> str:
    secret = (provider.settings.state / SECRET_FILE).read_text()
    headers = {"authorization": f"Bearer {secret}"}
    return str(provider.browser.post("/_dev/rotate", headers=headers).json()["kid"])


def test_a_restart_keeps_the_keys(provider: Provider) -> None:
    assert kids(Provider(provider.settings.state, clock=provider.clock)) == kids(provider)


def test_after_rotation_the_new_key_signs_and_the_old_one_still_verifies(
    provider: Provider, client_id: str
) -> None:
    old = provider.tokens(client_id)["access_token"]

    kid = rotate(provider)
    new = provider.tokens(client_id)["access_token"]

    assert jwt.get_unverified_header(new)["kid"] == kid
    assert provider.claims(old)["sub"] == provider.claims(new)["sub"]
    assert len(kids(provider)) == 2


def test_a_retired_key_is_withdrawn_after_the_overlap(provider: Provider, clock: Clock) -> None:
    (old,) = kids(provider)
    new = rotate(provider)

    clock.turn(OVERLAP - 1)
    assert kids(provider) == [new, old]
    clock.turn(1)
    assert kids(provider) == [new]


def test_rotating_again_and_again_publishes_a_bounded_number(provider: Provider) -> None:
    newest = [rotate(provider) for _ in range(MAX_KEYS + 1)][-1]

    published = kids(provider)

    assert (len(published), published[0]) == (MAX_KEYS, newest)


def test_one_kind_of_token_is_not_read_as_another(provider: Provider, clock: Clock) -> None:
    keys = Keyring(provider.settings.state / "keys.json", clock=clock)
    token = keys.sign({"sub": "x"}, typ="JWT")

    assert keys.verify(token, typ="JWT") == {"sub": "x"}
    assert keys.verify(token, typ="at+jwt") is None


def test_a_damaged_key_file_stops_the_issuer_with_its_name(
    provider: Provider, clock: Clock
) -> None:
    path = provider.settings.state / "keys.json"
    path.write_text("{")

    with pytest.raises(BadConfiguration, match=r"keys\.json"):
        Keyring(path, clock=clock)


def test_every_state_file_is_its_owners_alone(provider: Provider, client_id: str) -> None:
    provider.tokens(client_id)
    folder = provider.settings.state

    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}

    assert folder.stat().st_mode & 0o777 == 0o700
    assert modes == dict.fromkeys(
        ["keys.json", "clients.json", "sessions.json", "refresh.json", SECRET_FILE], 0o600
    )
