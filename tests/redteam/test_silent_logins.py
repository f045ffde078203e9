"""Whoever owns the gateway tries to have a login made, silently, that commits to a plan."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from dev.login_driver import browser, sign_in
from shared.approvals import SignedStatement
from tests.journeys.person import Person
from tests.redteam.attackers import Attacker, owner_of, refused
from tests.redteam.provider import (
    CLIENT,
    LOOPBACK,
    OWN_KEY,
    PUBLIC_CLIENT,
    TERMINAL_CLIENT,
    PagesOwner,
    Visit,
    assertion,
    authorization,
    code_in,
)
from tests.redteam.stage import Stage
from tests.redteam.watching import unchanged

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]


@pytest.fixture
def gateway(stage: Stage) -> Iterator[Attacker]:
    with owner_of(stage, "gateway") as attacker:
        yield attacker


@pytest.fixture
def ada(stage: Stage) -> Iterator[httpx2.Client]:
    """The approver's browser, in which she is signed in at the provider."""
    with Person(stage) as person:
        assert person.open(f"{stage.approvals}/approvals").status_code == 200
        yield person.browser


@pytest.fixture
def signed(gateway: Attacker) -> SignedStatement:
    """A real statement in the approver's name: what a login would have to commit to."""
    return gateway.challenge(gateway.plan("silent"))


def authorize(stage: Stage, client: httpx2.Client, form: dict[str, str]) -> httpx2.Response:
    return client.get(f"{stage.record.issuer}/authorize?{urlencode(form)}")


@pytest.mark.promise("owned-gateway-changes-nothing")
@pytest.mark.parametrize("prompt", ["none", "login", ""])
def test_no_login_of_the_approval_client_begins_without_a_pushed_request(
    prompt: str, stage: Stage, ada: httpx2.Client, signed: SignedStatement
) -> None:
    form, _ = authorization(signed.statement.nonce(), f"{stage.approvals}/approvals/callback")
    with unchanged(stage):
        asked = {"client_id": CLIENT, **({"prompt": prompt} if prompt else {})}
        answer = authorize(stage, ada, form | asked)

        told = parse_qs(urlsplit(answer.headers.get("location", "")).query)
        assert "code" not in told
        assert told.get("error") == ["invalid_request"]


@pytest.mark.promise("owned-gateway-changes-nothing")
def test_nobody_pushes_a_request_without_the_approval_clients_key(
    stage: Stage, signed: SignedStatement
) -> None:
    form, _ = authorization(signed.statement.nonce(), f"{stage.approvals}/approvals/callback")
    with unchanged(stage):
        for proof in ({}, assertion(stage, OWN_KEY), {"client_secret": "guess"}):
            given = {**form, "client_id": CLIENT, **proof}
            answer = httpx2.post(f"{stage.record.issuer}/par", data=given, trust_env=False)
            assert answer.status_code in {400, 401}
            assert answer.json()["error"] == "invalid_client"


@pytest.mark.promise("owned-gateway-changes-nothing")
@pytest.mark.parametrize(
    ("client", "code"), [(PUBLIC_CLIENT, "proof_audience"), (TERMINAL_CLIENT, "proof_not_fresh")]
)
def test_a_silent_login_of_a_public_client_is_no_approval(
    client: str, code: str, stage: Stage, visit: Visit, gateway: Attacker
) -> None:
    """The provider mints such a token without asking anybody: a nonce alone is no approval.

    Neither would its code have come to us: it is sent to the approver's own machine.
    """
    visit.until_long_ago()
    signed = gateway.challenge(gateway.plan("silent-public"))
    form, verifier = authorization(signed.statement.nonce(), LOOPBACK, prompt="none")
    with unchanged(stage):
        answer = authorize(stage, visit.browser, {**form, "client_id": client})
        told = token(
            stage,
            grant_type="authorization_code",
            client_id=client,
            code=code_in(answer.headers["location"]),
            redirect_uri=LOOPBACK,
            code_verifier=verifier,
        )

        assert refused(gateway.prove(signed, told["id_token"]), code)
        assert gateway.apply(signed.statement.plan_id)["body"]["state"] == "pending"


@pytest.mark.promise("owned-gateway-changes-nothing")
@pytest.mark.parametrize(
    "redirect",
    [
        "{gateway}/mcp",
        "http://localhost:9/callback",
        "https://evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1@evil.example/callback",
        "http://127.0.0.1:9/callback/../mcp",
        "http://127.0.0.1:9/other",
    ],
)
def test_a_code_for_a_terminal_is_sent_to_no_address_but_the_approvers_own_machine(
    redirect: str, stage: Stage, visit: Visit, signed: SignedStatement
) -> None:
    form, _ = authorization(
        signed.statement.nonce(), redirect.format(gateway=stage.record.origin), prompt="none"
    )
    with unchanged(stage):
        answer = authorize(stage, visit.browser, {**form, "client_id": TERMINAL_CLIENT})

        assert answer.status_code == httpx2.codes.BAD_REQUEST
        assert "location" not in answer.headers


@pytest.mark.promise("owned-approvals-bounded")
def test_a_listener_on_the_approvers_own_machine_has_one_plan_approved_by_one_login(
    stage: Stage, gateway: Attacker
) -> None:
    """Left open where terminals may approve and the attacker listens where the approver sits.

    So it is on a laptop: there the gateway's port is one of the approver's machine. The login was
    made for something else; it must be later than the challenge, and it is spent.
    """
    one = gateway.challenge(gateway.plan("loopback-one"))
    other = gateway.challenge(gateway.plan("loopback-other"))
    with browser() as ada, unchanged(stage, logins=1):
        PagesOwner(stage=stage).login("for looking", ada, "dev-approver", prompt="login")
        replies = [gateway.prove(signed, _listened(stage, ada, signed)) for signed in (one, other)]
    assert replies[0]["body"]["state"] == "approved"
    assert refused(replies[1], "proof_replayed")


def _listened(stage: Stage, ada: httpx2.Client, signed: SignedStatement) -> str:
    """The token for a code that the provider sent to the gateway's own port, asking nobody."""
    redirect = f"{stage.record.origin}/callback"
    form, verifier = authorization(signed.statement.nonce(), redirect, prompt="none")
    answer = authorize(stage, ada, {**form, "client_id": TERMINAL_CLIENT})
    told = token(
        stage,
        grant_type="authorization_code",
        client_id=TERMINAL_CLIENT,
        code=code_in(answer.headers["location"]),
        redirect_uri=redirect,
        code_verifier=verifier,
    )
    return told["id_token"]


def token(stage: Stage, **form: str) -> dict[str, str]:
    """What the provider's token endpoint answers."""
    url = f"{stage.record.issuer}/token"
    answer: dict[str, str] = httpx2.post(url, data=form, trust_env=False).json()
    return answer


@pytest.mark.promise("owned-gateway-changes-nothing")
def test_a_code_of_the_approval_client_is_worth_nothing_without_its_key(
    stage: Stage, signed: SignedStatement
) -> None:
    """A client that somebody registered with the same redirect address is another client."""
    redirect = f"{stage.approvals}/approvals/callback"
    with unchanged(stage):
        registered = httpx2.post(
            f"{stage.record.issuer}/register",
            json={"redirect_uris": [redirect], "client_name": "approvals", "scope": "openid"},
            trust_env=False,
        )
        client_id = registered.json().get("client_id")
        if client_id is None:
            return  # the provider does not even register it
        form, _ = authorization(signed.statement.nonce(), redirect)
        url = f"{stage.record.issuer}/authorize?{urlencode({**form, 'client_id': client_id})}"
        with browser() as own:
            code = code_in(sign_in(url, "dev-approver", client=own))
        for client in (client_id, CLIENT):
            told = token(
                stage,
                grant_type="authorization_code",
                client_id=client,
                code=code,
                redirect_uri=redirect,
                code_verifier="not the one",
            )
            assert "id_token" not in told


@pytest.mark.promise("owned-gateway-changes-nothing")
def test_what_an_agents_client_may_refresh_is_no_approval(
    stage: Stage, gateway: Attacker, signed: SignedStatement
) -> None:
    """A refreshed token has a new `iat`, and tells of the old login."""
    form, verifier = authorization(signed.statement.nonce(), LOOPBACK)
    url = f"{stage.record.issuer}/authorize?{urlencode({**form, 'client_id': PUBLIC_CLIENT})}"
    with browser() as own:
        code = code_in(sign_in(url, "dev-approver", client=own))
    usual = {"client_id": PUBLIC_CLIENT, "redirect_uri": LOOPBACK, "code_verifier": verifier}
    with unchanged(stage):
        first = token(stage, grant_type="authorization_code", code=code, **usual)
        second = token(
            stage,
            grant_type="refresh_token",
            client_id=PUBLIC_CLIENT,
            refresh_token=first["refresh_token"],
        )
        for one in (first["id_token"], second["id_token"], first["access_token"]):
            assert refused(gateway.prove(signed, one), "proof_audience")
        assert gateway.apply(signed.statement.plan_id)["body"]["state"] == "pending"
