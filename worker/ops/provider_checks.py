"""Whether the identity provider offers what agents' tokens and approvals need, by its own word.

What only a login can show is in `login_check`. Sources: OpenID Connect Discovery 1.0, RFC 8414,
RFC 9126 (pushed requests), RFC 9207 (`iss` in responses), RFC 7636 (PKCE).
"""

from collections.abc import Callable, Iterator, Mapping

from shared.errors import Refusal
from shared.jwks import KeySet, parse_key_set
from shared.keysets import well_known_urls
from shared.settings import WorkerSettings
from worker.ops.diagnosis import (
    Diagnosis,
    clocks,
    failed,
    fine,
    judged,
    not_checked,
    warning,
)
from worker.outbound import NoAnswer, Reply, ask

ABOUT = "provider"
GOOD = 200
NOT_FOUND = 404


def check(settings: WorkerSettings, clock: Callable[[], float]) -> Iterator[Diagnosis]:
    """Yields what is found; `clock` gives epoch seconds."""
    found = metadata(settings)
    if isinstance(found, Diagnosis):
        yield found
        return
    reply, now = found, clock()
    document = reply.document()
    issuer = settings.oauth_authority
    if document.get("issuer") != issuer:
        yield failed(
            ABOUT,
            f"names itself {str(document.get('issuer'))[:200]!r}, not {issuer!r}",
            "set INFRA_GATE_OAUTH_AUTHORITY to exactly what it says, or to another provider",
        )
        return
    yield fine(ABOUT, f"{issuer} answers and names itself exactly so")
    yield _keys(document)
    yield from _abilities(document)
    yield clocks(ABOUT, reply.date, now)


def metadata(settings: WorkerSettings) -> Reply | Diagnosis:
    """Returns the provider's metadata document as it was answered, or why there is none."""
    issuer, named = settings.oauth_authority, settings.oauth_metadata_address
    mend = "check INFRA_GATE_OAUTH_AUTHORITY, INFRA_GATE_OAUTH_METADATA_ADDRESS, DNS and firewall"
    status = NOT_FOUND
    for url in (named,) if named else well_known_urls(issuer):
        try:
            reply = ask(url)
        except NoAnswer as fault:
            return failed(ABOUT, f"{issuer}: {fault}", mend)
        if reply.status == GOOD:
            return reply
        status = reply.status
    return failed(ABOUT, f"{issuer}: its metadata answer HTTP {status}", mend)


def key_set(document: Mapping[str, object]) -> KeySet | str:
    """Returns the provider's keys, or why there are none."""
    url = document.get("jwks_uri")
    if not isinstance(url, str):
        return "its metadata lack jwks_uri"
    try:
        reply = ask(url)
    except NoAnswer as fault:
        return f"its keys cannot be fetched: {fault}"
    if reply.status != GOOD:
        return f"its keys answer HTTP {reply.status}"
    keys = parse_key_set(reply.body)
    return keys.message if isinstance(keys, Refusal) else keys


def _keys(document: Mapping[str, object]) -> Diagnosis:
    keys = key_set(document)
    if isinstance(keys, str):
        return failed(ABOUT, keys, "make it publish asymmetric signing keys, each with a kid")
    return fine(ABOUT, f"keys that may sign tokens: {len(keys.keys)}")


def _abilities(document: Mapping[str, object]) -> Iterator[Diagnosis]:
    yield judged(
        isinstance(document.get("pushed_authorization_request_endpoint"), str),
        ABOUT,
        "takes pushed authorization requests (RFC 9126)",
        "offers no pushed authorization requests; approvals cannot begin",
        "turn PAR on at the provider, or use one that has it",
    )
    yield _listed(
        document,
        ("code_challenge_methods_supported", "S256"),
        "PKCE with S256",
        "turn PKCE with S256 on for the approval client",
    )
    yield _listed(
        document,
        ("token_endpoint_auth_methods_supported", "private_key_jwt"),
        "clients that prove themselves by key (private_key_jwt)",
        "turn private_key_jwt on for the approval client",
    )
    yield _listed(
        document,
        ("prompt_values_supported", "login"),
        "forced logins (prompt=login)",
        "use a provider that honors prompt=login",
    )
    yield _auth_time(document)
    yield _names_itself(document)


def _listed(
    document: Mapping[str, object], wanted: tuple[str, str], what: str, mend: str
) -> Diagnosis:
    """Judges by a list in the metadata; a provider that publishes none may still be able."""
    field, value = wanted
    listed = document.get(field)
    if not isinstance(listed, list):
        return not_checked(ABOUT, f"does not say whether it supports {what}", "doctor --login")
    return judged(value in listed, ABOUT, f"supports {what}", f"does not support {what}", mend)


def _auth_time(document: Mapping[str, object]) -> Diagnosis:
    claims = document.get("claims_supported")
    if isinstance(claims, list) and "auth_time" in claims:
        return fine(ABOUT, "can say when somebody signed in (auth_time)")
    return warning(
        ABOUT,
        "does not list auth_time; without it no approval counts",
        "map auth_time into ID tokens (Keycloak: client scope basic); doctor --login shows it",
    )


def _names_itself(document: Mapping[str, object]) -> Diagnosis:
    if document.get("authorization_response_iss_parameter_supported") is True:
        return fine(ABOUT, "names itself in its responses (RFC 9207)")
    return warning(
        ABOUT,
        "does not promise iss in its responses (RFC 9207)",
        "turn it on if the provider can; harmless while clients know this provider only",
    )
