"""A stage for the approval pages: an identity provider, an applier and browsers, all in process."""

import base64
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import anyio
import fakeredis
import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fastapi import FastAPI
from starlette.testclient import TestClient

from api.client_key import ClientKey
from api.headers import PageHeaders
from api.live import Ear, Heard
from api.login import Login
from api.pages import make_pages
from api.past import Memory
from api.provider import Provider, ProviderConfig
from api.remote import make_remote
from api.review import Review
from api.sources import Pins, Sources
from api.visits import Visits
from shared.approvals import Receipt, SignedReceipt, SignedStatement, Statement
from shared.approver_rules import ApproverRule
from shared.diffs import diff
from shared.digests import object_digest
from shared.errors import Fault, Refusal
from shared.jose import KeySet, parse_key_set
from shared.manifests import JSON, Object
from shared.messages import (
    Announcement,
    Call,
    ChallengeCall,
    DenyCall,
    Progress,
    ProofCall,
    RecheckCall,
    Role,
    RollbackCall,
)
from shared.outcomes import Check
from shared.plans import (
    Action,
    ClusterRef,
    Identity,
    Intent,
    Note,
    Operation,
    Plan,
    PlannedChange,
    PlannedObject,
    Requester,
    RiskNote,
    SealedPlan,
    State,
)
from shared.seals import (
    RECEIPT_DOMAIN,
    STATEMENT_DOMAIN,
    decrypt_proof,
    public_text,
    seal_plan,
    sign,
)
from shared.settings import TERMINAL_CLIENT, GatewaySettings
from shared.stores.history import HistoryView
from shared.stores.logins import LoginStore
from shared.stores.plan_view import PlanView
from shared.stores.plans import PlanStore
from worker.passkeys import Passkey, absent_refusal, verify

NOW = 1_790_000_000
BASE = "http://127.0.0.1:3001"
ISSUER = "http://127.0.0.1:3011"
CLIENT = "infra-gate-approval-ui"
ADA = "dev-approver"


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is turned."""

    now: int = NOW

    def __call__(self) -> int:
        return self.now


def make_plan(**changes: Any) -> Plan:
    """A plan that scales nginx, but for `changes`."""
    facts: dict[str, Any] = {
        "id": "Zk3vJ1c0Q0mYb8u2m5XyQA",
        "salt": "c2FsdA",
        "cluster": ClusterRef(name="local", id="cluster-uid", ca_sha256="ca"),
        "namespace": "mcp-nginx-demo",
        "operation": Operation.SCALE,
        "summary": "nginx: replicas 2 → 4",
        "objects": (make_object(),),
        "findings": (
            Note(code="single_zone", message="All nodes are in one zone.", severity="warning"),
        ),
        "warnings": ("spec.x is deprecated",),
        "managers": ("kubectl-client-side-apply",),
        "requester": Requester(
            iss=ISSUER, sub="dev-requester", client_id="codex", assurance="gateway-asserted"
        ),
        "reason": "Traffic has doubled since noon.",
        "risk": RiskNote(
            level="low", reasons=(Note(code="more_pods", message="Two more Pods are started."),)
        ),
        "policy_sha256": "ab" * 32,
        "created_at": NOW - 120,
        "expires_at": NOW + 3480,
    }
    return Plan(**(facts | changes))


def make_object(**changes: Any) -> PlannedObject:
    """A Deployment whose replicas go from 2 to 4, but for `changes`."""
    facts: dict[str, Any] = {
        "api_version": "apps/v1",
        "kind": "Deployment",
        "name": "nginx",
        "action": Action.UPDATE,
        "uid": "0b8f7a52-4f4b-4d4e-9a1c-2f3b6c7d8e9f",
        "base_digest": "sha256:" + "1" * 64,
        "predicted_digest": "sha256:" + "2" * 64,
        "intent": Intent(
            verb="patch", body=[{"op": "replace", "path": "/spec/replicas", "value": 4}]
        ),
        "changes": (PlannedChange(path="spec.replicas", op="change", old=2, new=4),),
    }
    return PlannedObject(**(facts | changes))


class Looking:
    """An ear that hears nothing: whoever waits looks every second."""

    @contextmanager
    def hearing(self, plan_ids: Collection[str] | None) -> Iterator[Heard]:  # noqa: ARG002
        yield self

    async def wait(self, within_s: float) -> bool:
        await anyio.sleep(min(within_s, 1.0))
        return False


def changed_object(before: Object, after: Object) -> PlannedObject:
    """An object as a planner plans its change, with all that its page shows."""
    metadata = before["metadata"]
    assert isinstance(metadata, dict)
    return make_object(
        api_version=before["apiVersion"],
        kind=before["kind"],
        name=metadata["name"],
        base_digest=object_digest(before),
        predicted_digest=object_digest(after),
        intent=Intent(verb="apply", body=after),
        changes=tuple(
            PlannedChange(path=one.path, op=one.op, old=one.old, new=one.new)
            for one in diff(before, after)
        ),
        before=before,
    )


class FakeProvider:
    """An identity provider with one key, whose answers a test can bend."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.key = ClientKey.of(generate_private_key(SECP256R1()))
        self.pushed: dict[str, dict[str, str]] = {}
        self.codes: dict[str, dict[str, Any]] = {}
        self.down = False
        self.error: str | None = None
        self.rubbish: bytes | None = None
        self.bend: dict[str, object] = {}
        """Claims of the next ID tokens that differ from good ones; None leaves one out."""
        self.metadata: dict[str, object] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "pushed_authorization_request_endpoint": f"{ISSUER}/par",
            "jwks_uri": f"{ISSUER}/jwks",
            "authorization_response_iss_parameter_supported": True,
        }

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        if self.down:
            raise httpx2.ConnectError("refused")
        if self.rubbish is not None:
            return httpx2.Response(200, content=self.rubbish)
        if request.url.path.startswith("/.well-known/"):
            return httpx2.Response(200, json=self.metadata)
        form = dict(parse_qsl(request.content.decode()))
        if self.error:
            return httpx2.Response(400, json={"error": self.error})
        return self._push(form) if request.url.path == "/par" else self._redeem(form)

    def keys_for(self, kid: str) -> KeySet:  # noqa: ARG002 - what RemoteKeys looks like
        keys = parse_key_set(json.dumps({"keys": [self.key.public_jwk()]}).encode())
        assert isinstance(keys, KeySet)
        return keys

    def sign_in(self, url: str, sub: str = ADA, **changes: str | None) -> str:
        """The callback URL after `sub` signed in; None in `changes` leaves a parameter out."""
        sent = dict(parse_qsl(urlsplit(url).query))
        request = self.pushed.pop(sent["request_uri"])
        code = secrets.token_urlsafe(8)
        self.codes[code] = {**request, "sub": sub}
        answer: dict[str, str | None] = {"code": code, "state": request["state"], "iss": ISSUER}
        kept = {name: value for name, value in (answer | changes).items() if value is not None}
        return f"{request['redirect_uri']}?{urlencode(kept)}"

    def id_token(self, request: dict[str, Any]) -> str:
        now = self.clock()
        claims: dict[str, object] = {
            "iss": ISSUER,
            "sub": request["sub"],
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "auth_time": now,
            "nonce": request["nonce"],
            "name": "Ada Approver",
        }
        bent = {name: v for name, v in (claims | self.bend).items() if v is not None}
        return self.key.sign(bent)

    def _push(self, form: dict[str, str]) -> httpx2.Response:
        reference = f"urn:ietf:params:oauth:request_uri:{secrets.token_urlsafe(8)}"
        self.pushed[reference] = form
        return httpx2.Response(201, json={"request_uri": reference, "expires_in": 60})

    def _redeem(self, form: dict[str, str]) -> httpx2.Response:
        request = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if request is None or challenge != request["code_challenge"]:
            return httpx2.Response(400, json={"error": "invalid_grant"})
        return httpx2.Response(200, json={"id_token": self.id_token(request)})


class FakeWorkers:
    """Dispatcher and workers in one: seals plans, issues statements and checks commitments."""

    def __init__(self, server: fakeredis.FakeServer, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.redis = fakeredis.FakeRedis(server=server)
        self.store = PlanStore(self.redis)
        self.seal_key = Ed25519PrivateKey.generate()
        self.receipt_key = Ed25519PrivateKey.generate()
        self.proof_key = X25519PrivateKey.generate()
        self.approvers = {Identity(iss=ISSUER, sub=ADA)}
        self.namespaces: set[str] = set()
        self.calls: list[Call] = []
        self.sent: list[Call] = []
        """What nobody waits for."""
        self.unsent: Fault | None = None
        self.no_rollback: Refusal | None = None
        self.changed: tuple[str, ...] = ()
        """What the cluster has changed of every plan's objects."""
        self.rechecks: list[str] = []
        self.origin = BASE
        self.fault: Fault | None = None
        self.running = True
        self.simulated = True
        self.passkeys: tuple[Passkey, ...] = ()
        """Where there are any, an approval needs one of them."""

    def add(self, plan: Plan, *, key: Ed25519PrivateKey | None = None) -> Plan:
        self.namespaces.add(plan.namespace)
        unsealed = SealedPlan(document=plan.document(), seal="")
        seal = seal_plan(key or self.seal_key, unsealed.digest, plan.expires_at)
        self.store.add(plan, SealedPlan(document=plan.document(), seal=seal))
        return plan

    def state(self, plan: Plan) -> State:
        stored = self.store.load(plan.id)
        assert stored is not None
        return stored.state

    def record(self, plan_id: str, state: State, **fields: str) -> None:
        """Writes into Redis what a worker might, or an attacker."""
        for name, value in {"state": state.value, **fields}.items():
            self.redis.hset(f"wk:plan:{plan_id}", name, value)

    async def workers(self) -> tuple[Announcement, ...]:
        announcement = Announcement(
            worker="w1",
            version="0",
            cluster="local",
            cluster_id="cluster-uid",
            cluster_version="v1.36.0",
            simulated=self.simulated,
            namespaces=("mcp-nginx-demo",),
            roles=tuple(Role),
            seal_key=public_text(self.seal_key.public_key()),
            receipt_key=public_text(self.receipt_key.public_key()),
            proof_key=public_text(self.proof_key.public_key()),
            approvers=(
                ApproverRule(namespaces=tuple(self.namespaces), subjects=tuple(self.approvers)),
            ),
            started_at=NOW,
            seen_at=NOW,
        )
        return (announcement,) if self.running else ()

    async def call(
        self,
        cluster: str,
        call: Call,
        *,
        timeout_s: float,
        subject: str,
        on_progress: Callable[[Progress], Awaitable[None]] | None = None,
    ) -> JSON | Refusal:
        assert (cluster, timeout_s > 0, bool(subject), on_progress) == ("local", True, True, None)
        if isinstance(call, RecheckCall):
            return self._recheck(call)
        self.calls.append(call)
        if self.fault:
            raise self.fault
        if isinstance(call, ChallengeCall):
            return self._challenge(call)
        if isinstance(call, ProofCall):
            return self._prove(call)
        if isinstance(call, RollbackCall):
            return self._rollback(call)
        assert isinstance(call, DenyCall)
        return self._deny(call)

    async def send(self, cluster: str, call: Call, *, timeout_s: float) -> None:
        assert (cluster, timeout_s > 0) == ("local", True)
        if self.unsent:
            raise self.unsent
        self.sent.append(call)

    def _rollback(self, call: RollbackCall) -> JSON | Refusal:
        if self.no_rollback:
            return self.no_rollback
        who = call.approver.model_dump(include={"iss", "sub"})
        requester = Requester(client_id="approval pages", assurance="pages-asserted", **who)
        made = make_plan(
            id="R0llback", undoes=call.plan_id, reason="", requester=requester, summary="Rollback"
        )
        return {"plan_id": self.add(made).id}

    def _recheck(self, call: RecheckCall) -> JSON | Refusal:
        self.rechecks.append(call.plan_id)
        if self.fault:
            raise self.fault
        check = Check(checked_at=self.clock(), changed=self.changed)
        return dict(check.model_dump(mode="json"))

    def _challenge(self, call: ChallengeCall) -> JSON | Refusal:
        stored = self.store.load(call.plan_id)
        assert stored is not None
        if call.approver not in self.approvers:
            return Refusal(code="not_an_approver", message="You may not approve here.")
        if stored.state is not State.PENDING:
            return Refusal(code="already_decided", message="It was decided.")
        statement = Statement(
            plan_id=call.plan_id,
            plan_digest=stored.sealed.digest,
            decision="approve",
            approver=call.approver,
            challenge=secrets.token_urlsafe(32),
            challenge_iat=self.clock(),
            expires_at=self.clock() + 300,
            cluster_id="cluster-uid",
        )
        signature = sign(self.receipt_key, STATEMENT_DOMAIN, statement.document())
        signed = SignedStatement(statement=statement, signature=signature)
        return dict(signed.model_dump(mode="json"))

    def _prove(self, call: ProofCall) -> JSON | Refusal:
        statement = call.signed.statement
        token = decrypt_proof(self.proof_key, call.sealed_token, statement=statement.document())
        assert token is not None
        claims = jwt.decode(token, options={"verify_signature": False})
        if claims["nonce"] != statement.nonce():
            return Refusal(code="proof_nonce", message="Another nonce.")
        if claims["sub"] != statement.approver.sub:
            return Refusal(code="proof_of_somebody_else", message="Somebody else signed in.")
        if claims["auth_time"] < statement.challenge_iat - 5:
            return Refusal(code="proof_not_fresh", message="An old login.")
        if self.passkeys:
            used = (
                absent_refusal(self.passkeys)
                if call.assertion is None
                else verify(
                    call.assertion,
                    passkeys=self.passkeys,
                    challenge=statement.passkey_challenge(),
                    origin=self.origin,
                )
            )
            if isinstance(used, Refusal):
                return used
        receipt = self._receipt(call, claims, hashlib.sha256(token.encode()).hexdigest())
        return self._move(call.plan_id, State.APPROVED, {"receipt": receipt})

    def _receipt(self, call: ProofCall, claims: dict[str, Any], proof: str) -> str:
        receipt = Receipt(
            plan_id=call.plan_id,
            plan_digest=call.signed.statement.plan_digest,
            approver=call.signed.statement.approver,
            auth_time=claims["auth_time"],
            proof_sha256=proof,
            key_thumbprint="t",
            policy_sha256="ab" * 32,
            verified_at=self.clock(),
            apply_before=self.clock() + 900,
        )
        signature = sign(self.receipt_key, RECEIPT_DOMAIN, receipt.document())
        return SignedReceipt(receipt=receipt, signature=signature).model_dump_json()

    def _deny(self, call: DenyCall) -> JSON | Refusal:
        if call.approver not in self.approvers:
            return Refusal(code="not_an_approver", message="You may not deny here.")
        stored = self.store.load(call.plan_id)
        assert stored is not None
        target = State.REVOKED if stored.state is State.APPROVED else State.DENIED
        fields = {
            "decided_by": call.approver.model_dump_json(),
            "decided_reason": call.reason,
            "decided_at": str(self.clock()),
        }
        return self._move(call.plan_id, target, fields)

    def _move(self, plan_id: str, target: State, fields: dict[str, str]) -> JSON | Refusal:
        # Not by `PlanStore.move`: its script needs a Lua that fakeredis does not bring.
        self.record(plan_id, target, **fields)
        return {"state": target.value}


@dataclass(slots=True, kw_only=True)
class Form:
    """One form of a page."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(action=given["action"]))
        elif tag == "input" and self.forms:
            self.forms[-1].fields[given["name"]] = given.get("value", "")


class Browser:
    """A browser on the approval pages: keeps cookies, shows redirects, sends its headers."""

    def __init__(self, app: FastAPI | PageHeaders) -> None:
        self.http = TestClient(app, base_url=BASE, follow_redirects=False)

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.http.get(path, headers={"sec-fetch-site": "none"} | headers)

    def post(
        self, path: str, fields: dict[str, str], headers: dict[str, str | None] | None = None
    ) -> httpx2.Response:
        usual: dict[str, str | None] = {"origin": BASE, "sec-fetch-site": "same-origin"}
        sent = {name: v for name, v in (usual | (headers or {})).items() if v is not None}
        return self.http.post(path, data=fields, headers=sent)

    def form(self, page: str, ending: str) -> Form:
        """The form of a page whose action ends so."""
        answer = self.get(page)
        assert answer.status_code == 200, answer.text
        parser = _Forms()
        parser.feed(answer.text)
        return next(form for form in parser.forms if form.action.endswith(ending))

    def press(self, page: str, ending: str, **typed: str) -> httpx2.Response:
        """Opens a page and posts one of its forms, with what was typed."""
        form = self.form(page, ending)
        return self.post(form.action, form.fields | typed)

    def location(self, answer: httpx2.Response) -> str:
        assert answer.status_code == 303, answer.text
        return urljoin(BASE, answer.headers["location"])


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything around the pages, and the pages."""

    clock: Clock
    provider: FakeProvider
    workers: FakeWorkers
    server: fakeredis.FakeServer
    app: FastAPI | PageHeaders
    browser: Browser

    def sign_in(self, sub: str = ADA, browser: Browser | None = None) -> None:
        browser = browser or self.browser
        departure = browser.post("/approvals/login", {"next": "/approvals"})
        back = self.provider.sign_in(browser.location(departure), sub)
        assert browser.get(back).status_code == 303

    def approve(self, plan: Plan, sub: str = ADA, **typed: str) -> httpx2.Response:
        """Presses Approve, signs in anew as `sub` and comes back."""
        departure = self.browser.press(f"/approvals/{plan.id}", "/approve", **typed)
        return self.browser.get(self.provider.sign_in(self.browser.location(departure), sub))


@contextmanager
def staged(
    *, pins: Pins | None = None, base_url: str = BASE, ear: Ear | None = None
) -> Iterator[Stage]:
    """A stage with one browser on it."""
    clock, server = Clock(), fakeredis.FakeServer()
    provider, workers = FakeProvider(clock), FakeWorkers(server, clock)
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(provider.answer))
    app = make_app(
        server,
        workers,
        clock,
        client=client,
        keys=provider,
        settings=GatewaySettings(approval_base_url=base_url),
        pins=pins,
        ear=ear,
    )
    browser = Browser(app)
    with browser.http:
        yield Stage(
            clock=clock,
            provider=provider,
            workers=workers,
            server=server,
            app=app,
            browser=browser,
        )


def make_app(
    server: fakeredis.FakeServer,
    workers: FakeWorkers,
    now: Callable[[], int],
    *,
    client: httpx2.AsyncClient,
    keys: Any,
    settings: GatewaySettings,
    pins: Pins | None = None,
    key: ClientKey | None = None,
    ear: Ear | None = None,
) -> PageHeaders:
    """The pages as the gateway puts them together, with these collaborators."""
    redis = fakeredis.FakeAsyncRedis(server=server)
    provider = Provider(
        ProviderConfig.from_settings(settings),
        key=key or ClientKey.of(generate_private_key(SECP256R1())),
        client=client,
        now=now,
    )
    login = Login(
        store=LoginStore(redis),
        provider=provider,
        keys=keys,
        base_url=settings.approval_base_url,
        now=now,
    )
    pins = pins or Pins.from_settings(settings)
    review = Review(Sources(plans=PlanView(redis), dispatch=workers, pins=pins, now=now))
    app = FastAPI(openapi_url=None)
    visits = Visits(
        store=LoginStore(redis),
        keys=keys,
        issuer=settings.oauth_authority,
        client_id=TERMINAL_CLIENT,
        now=now,
    )
    app.include_router(make_remote(review=review, visits=visits))
    app.include_router(
        make_pages(
            review=review,
            login=login,
            provider=provider,
            settings=settings,
            now=now,
            ear=ear or Looking(),
            memory=Memory(history=HistoryView(redis), dispatch=workers, pins=pins),
        )
    )
    return PageHeaders(app, form_targets=provider.form_targets, production=settings.production)
