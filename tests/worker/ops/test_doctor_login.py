"""One real login at the development issuer, by a simulated browser; and what a bad one shows."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from dev.login_driver import sign_in
from dev.redis_server import free_port
from shared.loopback import Attempt
from shared.settings import WorkerSettings
from tests.worker.ops.doctoring import marks, provider, the_one
from worker.ops import login_check
from worker.ops.diagnosis import Diagnosis, Mark


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    state = tmp_path_factory.mktemp("issuer")
    command = [sys.executable, "-m", "dev.issuer", "--port", str(port), "--state", str(state)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx2.get(f"{url}/healthz", timeout=2)
                break
            except httpx2.HTTPError:
                assert process.poll() is None
                assert time.monotonic() < deadline
        yield url
        process.terminate()


class Person:
    """Opens the address in a thread of their own, as somebody at a browser does."""

    def __init__(self, subject: str = "dev-approver", *, bend: str = "") -> None:
        self._subject = subject
        self._bend = bend
        self.urls: list[str] = []
        self.strays: list[int] = []
        self._thread: threading.Thread | None = None

    def __call__(self, url: str) -> None:
        self.urls.append(url)
        self._thread = threading.Thread(target=self._act, args=(url,))
        self._thread.start()

    def _act(self, url: str) -> None:
        callback = sign_in(url, self._subject)
        base = callback.partition("?")[0]
        for stray in (f"{base}?code=x&state=forged", base, base.replace("/callback", "/other")):
            self.strays.append(httpx2.get(stray, timeout=20).status_code)
        httpx2.get(callback + self._bend, timeout=20)

    def done(self) -> None:
        if self._thread is not None:
            self._thread.join()


def checked(issuer: str, person: Person, **options: object) -> list[Diagnosis]:
    settings = WorkerSettings(oauth_authority=issuer)
    found = list(login_check.check(settings, time.time, person, **options))  # type: ignore[arg-type]  # as given
    person.done()
    return found


def test_a_login_at_the_development_issuer_shows_that_all_promises_hold(issuer: str) -> None:
    person = Person()

    found = checked(issuer, person)

    assert marks(found) == {Mark.FINE}, "\n".join(map(str, found))
    for words in ("RFC 9207", "signature", "audience", "nonce holds", "auth_time is of this login"):
        the_one(found, Mark.FINE, words)
    (query,) = (parse_qs(urlsplit(url).query) for url in person.urls)
    assert (query["prompt"], query["max_age"]) == (["login"], ["0"])
    assert query["code_challenge_method"] == ["S256"]


def test_a_redirect_with_another_state_is_not_taken(issuer: str) -> None:
    person = Person()

    checked(issuer, person)

    assert person.strays == [404, 404, 404]


def test_a_login_that_nobody_makes_ends_in_time() -> None:
    with provider() as issuer:
        (line,) = checked(issuer, _Absent(), wait_s=0.0)

    assert (line.mark, "nobody signed in" in line.said) == (Mark.FAILED, True)


class _Absent(Person):
    """Looks at the address and does nothing."""

    def __call__(self, url: str) -> None:
        del url

    def done(self) -> None:
        """Has not begun."""


CLAIMS = {"aud": "infragate-cli", "iss": "http://id", "exp": 2000, "iat": 1000, "nonce": "n"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"nonce": "other"}, "lacks our nonce"),
        ({"auth_time": 900}, "older than this login"),
        ({"auth_time": None}, "auth_time is missing"),
        ({"aud": "somebody"}, "another application"),
    ],
)
def test_what_an_id_token_lacks_is_named(changed: dict[str, object], words: str) -> None:
    claims = {**CLAIMS, "auth_time": 1000, **changed}
    claims = {name: value for name, value in claims.items() if value is not None}
    attempt = Attempt(
        client_id="infragate-cli", redirect_uri="", state="", nonce="n", verifier="", began=1000
    )

    found = login_check._claims(attempt, claims, "http://id", 1001)

    the_one(found, Mark.FAILED, words)
