"""Who is signed in at this issuer, in which browser, since when. Sets no cookies."""

import hashlib
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from dev.issuer.files import read_json, write_json
from dev.issuer.requests import AuthorizationRequest
from dev.issuer.settings import Clock

LIFETIME = 8 * 3600
"""Seconds that a login is good for: a working day."""
MAX_SESSIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One login: `auth_time` is when the person clicked, in whole seconds since 1970."""

    subject: str
    auth_time: int
    sid: str


class Sessions:
    """Logins by the digest of their cookie, so that the state file signs nobody in."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._by_digest = {key: Session(**raw) for key, raw in read_json(path, {}).items()}

    def start(self, subject: str) -> tuple[str, Session]:
        """Signs `subject` in; answers the new cookie value and the session."""
        cookie = secrets.token_urlsafe(32)
        session = Session(
            subject=subject, auth_time=int(self._clock()), sid=secrets.token_urlsafe(16)
        )
        self._drop_old()
        self._by_digest[_digest(cookie)] = session
        self._save()
        return cookie, session

    def find(self, cookie: str | None) -> Session | None:
        """The live session of `cookie`."""
        session = self._by_digest.get(_digest(cookie)) if cookie else None
        return session if session and self._is_live(session) else None

    def end(self, cookie: str | None) -> None:
        if cookie and self._by_digest.pop(_digest(cookie), None):
            self._save()

    def _is_live(self, session: Session) -> bool:
        return self._clock() < session.auth_time + LIFETIME

    def _drop_old(self) -> None:
        live = [(key, one) for key, one in self._by_digest.items() if self._is_live(one)]
        self._by_digest = dict(live[-MAX_SESSIONS + 1 :])

    def _save(self) -> None:
        write_json(self._path, {key: asdict(one) for key, one in self._by_digest.items()})


def needs_login(request: AuthorizationRequest, session: Session | None, now: float) -> bool:
    """Whether the person must sign in (again) for `request` (OIDC Core §3.1.2.1)."""
    if session is None or request.prompt - {"none"}:
        return True
    if request.max_age is None:
        return False
    return request.max_age == 0 or now - session.auth_time > request.max_age


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
