"""One real login at the identity provider: which promises of an approval hold there.

A public client with a loopback redirect (RFC 8252), PKCE, a nonce, prompt=login and max_age=0.
Nothing is stored; the tokens are dropped when the report is made.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import urlencode

from shared import approvals, jose
from shared.errors import Refusal
from shared.loopback import HOST, PATH, Attempt, Listener
from shared.settings import WorkerSettings
from worker.ops.diagnosis import Diagnosis, failed, fine, judged, warning
from worker.ops.provider_checks import key_set, metadata
from worker.outbound import NoAnswer, ask

ABOUT: Final = "login"
CLIENT: Final = "infragate-cli"
WAIT_S: Final = 300.0

Show = Callable[[str], None]


def check(
    settings: WorkerSettings,
    clock: Callable[[], float],
    show: Show,
    *,
    client_id: str = CLIENT,
    wait_s: float = WAIT_S,
) -> Iterator[Diagnosis]:
    """Shows the address to open, waits for the login and yields what it proves."""
    found = metadata(settings)
    if isinstance(found, Diagnosis):
        yield found
        return
    document = found.document()
    endpoint, tokens = (document.get(f"{name}_endpoint") for name in ("authorization", "token"))
    if not isinstance(endpoint, str) or not isinstance(tokens, str):
        yield failed(ABOUT, "the metadata lack an endpoint", "see the lines about the provider")
        return
    with Listener() as listener:
        attempt = Attempt.make(client_id, listener.redirect_uri, began=clock())
        show(attempt.url(endpoint))
        answer = listener.wait(attempt.state, clock, wait_s)
    if answer is None:
        yield failed(ABOUT, f"nobody signed in within {wait_s:g} s", "try again")
        return
    if "error" in answer or "code" not in answer:
        said = f"the provider refused: {answer.get('error', 'no code')}"[:200]
        yield failed(ABOUT, said, f"register {PATH} on {HOST} as redirect of the client")
        return
    yield _issuer(answer, document)
    yield from _proofs(attempt, answer, tokens, document, clock)


def _issuer(answer: Mapping[str, str], document: Mapping[str, object]) -> Diagnosis:
    named = answer.get("iss")
    if named is None:
        return warning(
            ABOUT, "the response does not name its issuer", "turn RFC 9207 on at the provider"
        )
    return judged(
        named == document.get("issuer"),
        ABOUT,
        "the response names its issuer (RFC 9207)",
        "the response names another issuer",
        "do not use this provider: logins could be mixed up",
    )


def _proofs(
    attempt: Attempt,
    answer: Mapping[str, str],
    endpoint: str,
    document: Mapping[str, object],
    clock: Callable[[], float],
) -> Iterator[Diagnosis]:
    token = _redeemed(attempt, answer["code"], endpoint)
    if isinstance(token, Diagnosis):
        yield token
        return
    keys = key_set(document)
    if isinstance(keys, str):
        yield failed(ABOUT, keys, "see the lines about the provider")
        return
    verified = jose.verify(token, keys)
    if isinstance(verified, Refusal):
        yield failed(ABOUT, verified.message, "let the provider sign ID tokens as its keys say")
        return
    yield fine(ABOUT, "the ID token's signature holds")
    yield from _claims(attempt, verified.claims, str(document.get("issuer")), int(clock()))


def _redeemed(attempt: Attempt, code: str, endpoint: str) -> str | Diagnosis:
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    try:
        reply = ask(endpoint, body=urlencode(attempt.redemption(code)).encode(), headers=headers)
    except NoAnswer as fault:
        return failed(ABOUT, f"the token endpoint: {fault}", "check DNS and firewall")
    token = reply.document().get("id_token")
    if isinstance(token, str):
        return token
    said = f"no ID token for the code (HTTP {reply.status})"
    return failed(ABOUT, said, f"make {attempt.client_id} a public client with scope openid")


def _claims(
    attempt: Attempt, claims: Mapping[str, object], issuer: str, now: int
) -> Iterator[Diagnosis]:
    refusal = approvals.check_id_token_claims(
        claims, issuer=issuer, client_id=attempt.client_id, now=now
    )
    if refusal is not None:
        yield failed(ABOUT, refusal.message, "see docs/operations.md, The identity provider")
    else:
        yield fine(ABOUT, "issuer, audience and times of the ID token hold")
    yield judged(
        claims.get("nonce") == attempt.nonce,
        ABOUT,
        "nonce holds: a login can commit to a plan",
        "the ID token lacks our nonce: no login can commit to a plan",
        "use a provider that returns nonce",
    )
    signed_in = jose.numeric_date(claims.get("auth_time"))
    yield judged(
        signed_in is not None and signed_in >= attempt.began - approvals.AUTH_TIME_SKEW_S,
        ABOUT,
        "auth_time is of this login: an approval is fresh",
        "auth_time is missing" if signed_in is None else "auth_time is older than this login",
        "map auth_time into ID tokens, make the provider honor prompt=login, synchronize clocks",
    )
