"""Keys are fetched when they are needed, never more often than allowed, and only believed when
they come from the configured issuer in the expected form.
"""

import gzip
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import urllib3

from shared import keysets
from shared.errors import BadConfiguration
from shared.keysets import KeysUnavailable, RemoteKeys, well_known_urls
from tests.shared.jose_tokens import document, jwk
from tests.shared.provider import OPENID, Answer, Provider, running_provider


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(provider: Provider, clock: Clock) -> RemoteKeys:
    return RemoteKeys(issuer=provider.url, require_https=False, clock=clock)


def test_keys_are_discovered_from_the_issuer(keys: RemoteKeys, provider: Provider) -> None:
    assert "k1" in keys.keys_for("k1")
    assert provider.seen == [OPENID, "/jwks"]


def test_an_oauth_server_without_openid_is_discovered_too(
    keys: RemoteKeys, provider: Provider
) -> None:
    del provider.answers[OPENID]
    provider.announce("/.well-known/oauth-authorization-server")

    assert "k1" in keys.keys_for("k1")


def test_the_well_known_places_of_an_issuer_with_a_path() -> None:
    assert well_known_urls("https://id.example/realms/a") == (
        "https://id.example/realms/a/.well-known/openid-configuration",
        "https://id.example/.well-known/oauth-authorization-server/realms/a",
    )


def test_a_configured_metadata_address_is_the_only_one_asked(
    provider: Provider, clock: Clock
) -> None:
    provider.announce("/meta", issuer="https://public.example")
    keys = RemoteKeys(
        issuer="https://public.example",
        metadata_url=f"{provider.url}/meta",
        require_https=False,
        clock=clock,
    )

    assert "k1" in keys.keys_for("k1")
    assert provider.seen == ["/meta", "/jwks"]


def test_a_configured_key_set_address_needs_no_metadata(provider: Provider, clock: Clock) -> None:
    keys = RemoteKeys(
        issuer="https://public.example",
        jwks_url=f"{provider.url}/jwks",
        require_https=False,
        clock=clock,
    )

    assert "k1" in keys.keys_for("k1")
    assert provider.seen == ["/jwks"]


def test_known_keys_are_not_fetched_again_for_ten_minutes(
    keys: RemoteKeys, provider: Provider, clock: Clock
) -> None:
    keys.keys_for("k1")
    clock.now += 599
    keys.keys_for("k1")
    assert provider.fetches() == 1

    clock.now += 1
    keys.keys_for("k1")
    assert provider.fetches() == 2


def test_a_rolled_over_key_is_found_and_the_withdrawn_one_forgotten(
    keys: RemoteKeys, provider: Provider, clock: Clock
) -> None:
    keys.keys_for("k1")
    provider.publish(jwk("ES256", "k2"))
    clock.now += 31

    found = keys.keys_for("k2")

    assert "k2" in found
    assert "k1" not in found


@pytest.mark.promise("key-fetches-bounded")
def test_a_flood_of_unknown_kids_causes_one_fetch_per_interval(
    keys: RemoteKeys, provider: Provider, clock: Clock
) -> None:
    keys.keys_for("k1")

    for i in range(600):
        clock.now += 0.1
        assert f"x{i}" not in keys.keys_for(f"x{i}")

    assert provider.fetches() in (2, 3)


def test_a_flood_does_not_hide_the_known_keys(
    keys: RemoteKeys, provider: Provider, clock: Clock
) -> None:
    keys.keys_for("k1")
    clock.now += 31
    provider.answers.clear()

    assert "x" not in keys.keys_for("x")
    assert "k1" in keys.keys_for("k1")


def test_the_last_good_keys_serve_for_a_day_while_the_provider_is_down(
    keys: RemoteKeys, provider: Provider, clock: Clock
) -> None:
    keys.keys_for("k1")
    provider.answers.clear()

    clock.now += 24 * 3600
    assert "k1" in keys.keys_for("k1")

    clock.now += 31
    with pytest.raises(KeysUnavailable):
        keys.keys_for("k1")


def test_a_provider_that_comes_back_is_believed_again(
    keys: RemoteKeys, provider: Provider, clock: Clock
) -> None:
    answers = dict(provider.answers)
    provider.answers.clear()
    with pytest.raises(KeysUnavailable):
        keys.keys_for("k1")

    provider.answers.update(answers)
    with pytest.raises(KeysUnavailable):
        keys.keys_for("k1")  # too early to ask again
    clock.now += 2

    assert "k1" in keys.keys_for("k1")


def test_a_provider_that_is_not_there_is_a_fault(clock: Clock) -> None:
    with running_provider() as gone:
        url = gone.url
    keys = RemoteKeys(issuer=url, require_https=False, clock=clock)

    with pytest.raises(KeysUnavailable):
        keys.keys_for("k1")


def test_threads_that_need_the_same_keys_share_one_fetch(
    keys: RemoteKeys, provider: Provider
) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(keys.keys_for, ["k1"] * 8))

    assert all("k1" in each for each in found)
    assert provider.fetches() == 1


def test_a_known_key_does_not_wait_for_somebody_elses_fetch(
    keys: RemoteKeys, provider: Provider, clock: Clock
) -> None:
    keys.keys_for("k1")
    clock.now += 601
    fetching, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        fetching.set()
        assert go_on.wait(10)

    provider.before_answer = hold
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(keys.keys_for, "k2")
        assert fetching.wait(10)
        assert "k1" in keys.keys_for("k1")
        assert not slow.done()
        go_on.set()
        assert "k2" not in slow.result(10)


def test_what_is_at_hand_is_answered_without_a_fetch(
    keys: RemoteKeys, provider: Provider, clock: Clock
) -> None:
    assert keys.at_hand("k1") is None
    keys.keys_for("k1")
    fetched = len(provider.seen)

    assert keys.at_hand("k1") is not None
    assert keys.at_hand("x") is not None  # known to be unknown: asked a moment ago
    clock.now += 31
    assert keys.at_hand("x") is None
    assert len(provider.seen) == fetched


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://127.0.0.1:1"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "/jwks"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://user:pass@127.0.0.1/jwks"},
        {"jwks_uri": "http://[::1/jwks"},
        {"jwks_uri": "http://127.0.0.1:99999/jwks"},
    ],
)
def test_a_metadata_document_that_is_not_the_issuers_is_not_believed(
    keys: RemoteKeys, provider: Provider, changes: dict[str, object]
) -> None:
    provider.announce(**changes)

    with pytest.raises(KeysUnavailable):
        keys.keys_for("k1")
    assert provider.seen == [OPENID]


def test_an_issuer_with_another_trailing_slash_is_another_issuer(
    keys: RemoteKeys, provider: Provider
) -> None:
    provider.announce(issuer=provider.url + "/")

    with pytest.raises(KeysUnavailable):
        keys.keys_for("k1")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html>"),
        Answer(body=b'{"keys":[]}'),
        Answer(body=document(jwk("ES256")) + b" " * 64 * 1024),
        Answer(status=500, body=document(jwk("ES256"))),
        Answer(status=304),
        Answer(body=gzip.compress(document(jwk("ES256"))), headers={"Content-Encoding": "gzip"}),
        Answer(body=b"zz\r\n", headers={"Transfer-Encoding": "chunked"}),
    ],
    ids=["html", "empty", "huge", "error", "not-modified", "gzip", "broken-chunks"],
)
def test_a_key_set_in_another_form_is_not_believed(
    keys: RemoteKeys, provider: Provider, answer: Answer
) -> None:
    provider.answers["/jwks"] = answer

    with pytest.raises(KeysUnavailable):
        keys.keys_for("k1")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(keys: RemoteKeys, provider: Provider, status: int) -> None:
    with running_provider() as elsewhere:
        provider.answers["/jwks"] = Answer(
            status=status, headers={"Location": f"{elsewhere.url}/jwks"}
        )
        with pytest.raises(KeysUnavailable):
            keys.keys_for("k1")
        assert elsewhere.seen == []


def test_a_provider_that_drips_is_given_up(
    keys: RemoteKeys, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keysets, "FETCH_TIMEOUT_S", 0.05)
    released = threading.Event()
    provider.before_answer = lambda: released.wait(10)

    with pytest.raises(KeysUnavailable):
        keys.keys_for("k1")
    released.set()


def test_the_whole_fetch_has_a_deadline_however_lively_the_other_side_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keysets, "FETCH_TIMEOUT_S", -1.0)
    response = urllib3.HTTPResponse(body=iter([b"a", b"b"]), status=200, preload_content=False)
    monkeypatch.setattr(response, "read1", lambda *_, **__: b"a")

    with pytest.raises(keysets._NotFetched, match="slowly"):
        keysets._read(response, deadline=0.0)


@pytest.mark.parametrize(
    "address",
    [
        {"issuer": "http://id.example"},
        {"issuer": "id.example"},
        {"issuer": "https://"},
        {"issuer": "https://[::1"},
        {"issuer": "https://id.example", "metadata_url": "http://id.example/m"},
        {"issuer": "https://id.example", "jwks_url": "http://id.example/k"},
        {"issuer": "https://id.example", "jwks_url": "https://u@id.example/k"},
        {"issuer": "https://id.example", "jwks_url": "https://id.example/k#f"},
    ],
)
def test_addresses_that_are_not_plain_https_stop_the_process(address: dict[str, str]) -> None:
    with pytest.raises(BadConfiguration):
        RemoteKeys(**address, require_https=True)  # type: ignore[arg-type] # a splatted mapping
