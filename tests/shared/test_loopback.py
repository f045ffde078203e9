"""A login's answer arrives on this machine: one redirect with our state, and nothing else."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from shared.loopback import Attempt, Listener, with_query


class Waiting:
    """A listener that waits in a thread of its own."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.answer: Mapping[str, str] | None = None
        self._thread = threading.Thread(target=self._wait)
        self._thread.start()

    def _wait(self) -> None:
        self.answer = self.listener.wait("our-state", time.monotonic, 20)

    def get(self, target: str, **headers: str) -> httpx2.Response:
        base = self.listener.redirect_uri.removesuffix("/callback")
        with httpx2.Client(trust_env=False, timeout=20) as client:
            return client.get(base + target, headers=headers)

    def end(self) -> None:
        self._thread.join()


@contextmanager
def waiting() -> Iterator[Waiting]:
    with Listener() as listener:
        it = Waiting(listener)
        yield it
        it.end()


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/callback?code=c&state=forged", {}),
        ("/callback?code=c", {}),
        ("/other?code=c&state=our-state", {}),
        ("/callback?code=c&state=our-state&state=our-state", {}),
        ("/callback?code=c&state=our-state", {"Host": "rebound.example"}),
    ],
)
def test_what_is_not_our_redirect_is_not_taken(target: str, headers: dict[str, str]) -> None:
    with waiting() as it:
        stray = it.get(target, **headers)
        taken = it.get("/callback?code=good&state=our-state&iss=i")

    assert (stray.status_code, taken.status_code) == (404, 200)
    assert it.answer == {"code": "good", "state": "our-state", "iss": "i"}


def test_a_parameter_that_comes_twice_does_not_count() -> None:
    with waiting() as it:
        it.get("/callback?code=one&code=two&state=our-state")

    assert it.answer == {"state": "our-state"}


def test_the_last_page_loads_nothing_and_is_kept_nowhere() -> None:
    with waiting() as it:
        page = it.get("/callback?code=<b>&state=our-state")

    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "server" not in page.headers
    assert "<b>" not in page.text


def test_nobody_is_waited_for_longer_than_was_said() -> None:
    with Listener() as listener:
        assert listener.wait("our-state", lambda: 0.0, -1.0) is None


def test_a_login_that_is_only_for_looking_does_not_ask_for_a_new_one() -> None:
    looking = Attempt.make("cli", "http://127.0.0.1:1/callback", began=0, fresh=False)
    fresh = Attempt.make("cli", "http://127.0.0.1:1/callback", began=0, nonce="commits")

    assert "prompt" not in looking.parameters()
    asked = fresh.parameters()
    assert (asked["prompt"], asked["max_age"], asked["nonce"]) == ("login", "0", "commits")
    assert len({looking.state, looking.nonce, looking.verifier, fresh.state, fresh.verifier}) == 5


def test_an_endpoint_keeps_the_query_that_it_has() -> None:
    url = with_query("https://id.example/authorize?tenant=a", {"state": "s"})

    assert parse_qs(urlsplit(url).query) == {"tenant": ["a"], "state": ["s"]}
