"""Who is signed in to the approval pages, and which logins are under way; written by api only.

Keys are made of SHA-256 digests, so that reading Redis gives nobody a cookie or a state. What lies
here lets somebody look at plans and deny them: no approval follows from it.
"""

import hashlib
from typing import Final, TypeVar, cast

import redis.asyncio
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.approvals import SignedStatement
from shared.passkeys import Wanted
from shared.plans import Identity
from shared.stores.connection import redis_faults

SESSION_S: Final = 8 * 60 * 60
"""A working day; after it everybody signs in again, however busy they were."""

IDLE_S: Final = 60 * 60
"""A browser that was left alone for an hour is signed out."""

UNDER_WAY_S: Final = 10 * 60
"""A login with a second factor takes minutes; one that takes longer begins anew."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Session(_Record):
    """One browser's sign-in, good for looking and denying. Times are epoch seconds."""

    identity: Identity
    name: str
    """What the provider calls the person; shown, never compared."""
    started_at: int
    groups: tuple[str, ...] = ()
    """The groups that the provider signed into the sign-in's ID token."""

    @property
    def ends_at(self) -> int:
        """When the session ends, however much it was used."""
        return self.started_at + SESSION_S


class Approving(_Record):
    """What one login under way is to approve, and in whose session it was begun."""

    plan_id: str
    signed: SignedStatement
    session: str
    """`fingerprint` of the cookie of the session that pressed Approve."""


class UnderWay(_Record):
    """One login that was begun and not yet finished."""

    browser: str
    """`fingerprint` of the cookie of the browser that began it."""
    verifier: str
    """The PKCE secret; worthless without the client's key."""
    nonce: str
    next_path: str
    approving: Approving | None = None
    """None for a sign-in that is only for looking."""


class AwaitingPasskey(_Record):
    """A login that is over, whose proof the applier wants to see again with a passkey."""

    signed: SignedStatement
    sealed_token: str
    """Readable for the applier alone."""
    wanted: Wanted
    session: str
    """`fingerprint` of the cookie of the session that pressed Approve."""


_R = TypeVar("_R", bound=_Record)


def fingerprint(secret: str) -> str:
    """Returns what is stored in place of a cookie or state."""
    return hashlib.sha256(secret.encode()).hexdigest()


class LoginStore:
    """Sessions by cookie, logins under way by state. Each login can be finished once."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    async def start(self, cookie: str, session: Session) -> None:
        """Stores a session under a fresh cookie.

        Raises:
            RedisUnavailable: the person is not signed in.
        """
        with redis_faults():
            await self._redis.set(_session_key(cookie), session.model_dump_json(), ex=IDLE_S)

    async def load(self, cookie: str, *, now: int) -> Session | None:
        """Returns the live session of `cookie` and keeps it from idling out.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        session = await self.look(cookie, now=now)
        if session is None:
            return None
        with redis_faults():
            await self._redis.expire(_session_key(cookie), min(IDLE_S, session.ends_at - now))
        return session

    async def look(self, cookie: str, *, now: int) -> Session | None:
        """Returns the live session of `cookie`, which idles on.

        Raises:
            RedisUnavailable: Redis did not answer.
        """
        with redis_faults():
            raw = cast("bytes | None", await self._redis.get(_session_key(cookie)))
        session = None if raw is None else _read(Session, raw)
        if session is None or not session.started_at <= now < session.ends_at:
            return None
        return session

    async def end(self, cookie: str) -> None:
        """Signs a browser out.

        Raises:
            RedisUnavailable: the session may live until it idles out.
        """
        with redis_faults():
            await self._redis.delete(_session_key(cookie))

    async def remember(self, state: str, login: UnderWay) -> None:
        """Stores a login that begins now, for `UNDER_WAY_S` seconds.

        Raises:
            RedisUnavailable: the login must not begin.
        """
        with redis_faults():
            await self._redis.set(_state_key(state), login.model_dump_json(), ex=UNDER_WAY_S)

    async def take(self, state: str) -> UnderWay | None:
        """Returns the login under way, which nobody else can take after that.

        Raises:
            RedisUnavailable: Redis did not answer; the login may be spent.
        """
        with redis_faults():
            raw = cast("bytes | None", await self._redis.getdel(_state_key(state)))
        return None if raw is None else _read(UnderWay, raw)

    async def wait(self, secret: str, waiting: AwaitingPasskey, *, seconds: int) -> None:
        """Stores a proof that waits for a passkey.

        Raises:
            RedisUnavailable: the approval begins anew.
        """
        with redis_faults():
            await self._redis.set(_waiting_key(secret), waiting.model_dump_json(), ex=seconds)

    async def waiting(self, secret: str, *, take: bool) -> AwaitingPasskey | None:
        """Returns the proof that waits; with `take` nobody else can have it after that.

        Raises:
            RedisUnavailable: Redis did not answer; the proof may be gone.
        """
        command = self._redis.getdel if take else self._redis.get
        with redis_faults():
            raw = cast("bytes | None", await command(_waiting_key(secret)))
        return None if raw is None else _read(AwaitingPasskey, raw)


def _session_key(cookie: str) -> str:
    return f"gw:login:{fingerprint(cookie)}"


def _state_key(state: str) -> str:
    return f"gw:approving:{fingerprint(state)}"


def _waiting_key(secret: str) -> str:
    return f"gw:passkey:{fingerprint(secret)}"


def _read(record: type[_R], raw: bytes) -> _R | None:
    try:
        return record.model_validate_json(raw)
    except ValidationError:
        return None
