"""The proof of a login that is over and waits for a passkey, in the browser that signed in.

It is kept as it was sealed: readable for the applier alone, which also judges the passkey.
"""

from collections.abc import Callable, Mapping
from secrets import token_urlsafe

from api.cookies import Cookie, Cookies, Departure
from api.paths import HOME
from shared.approvals import SignedStatement
from shared.errors import Refusal
from shared.passkeys import Wanted
from shared.stores.logins import AwaitingPasskey, LoginStore, fingerprint


class WaitingProofs:
    """Proofs that wait for a passkey, each for one plan, browser and session of a person.

    A session is named by its cookie's value. `now` answers epoch seconds.
    """

    def __init__(self, store: LoginStore, cookies: Cookies, now: Callable[[], int]) -> None:
        self._store = store
        self._cookies = cookies
        self._now = now

    async def keep(
        self, session: str, signed: SignedStatement, sealed_token: str, wanted: Wanted
    ) -> Departure:
        """Keeps the proof of a login that is over until this browser comes with a passkey.

        Raises:
            RedisUnavailable: the approval begins anew.
        """
        statement, secret = signed.statement, token_urlsafe(32)
        seconds = max(1, statement.expires_at - self._now())
        waiting = AwaitingPasskey(
            signed=signed,
            sealed_token=sealed_token,
            wanted=wanted,
            session=fingerprint(session),
        )
        await self._store.wait(secret, waiting, seconds=seconds)
        return Departure(
            url=f"{HOME}/{statement.plan_id}/passkey",
            cookie=self._cookies.waiting(statement.plan_id, secret, max_age=seconds),
        )

    async def find(
        self, session: str, plan_id: str, cookies: Mapping[str, str], *, take: bool = False
    ) -> AwaitingPasskey | Refusal:
        """Returns the proof of this browser and session for a plan; `take` ends the wait.

        Raises:
            RedisUnavailable: nobody can tell.
        """
        secret = cookies.get(self._cookies.waiting(plan_id, "").name, "")
        waiting = await self._store.waiting(secret, take=take) if secret else None
        if (
            waiting is None
            or waiting.session != fingerprint(session)
            or waiting.signed.statement.plan_id != plan_id
        ):
            return Refusal(
                code="passkey_not_awaited",
                message="No approval of this plan waits for a passkey in this browser.",
            )
        return waiting

    def used(self, plan_id: str) -> Cookie:
        """Returns the cookie by which the browser forgets a waiting proof."""
        return self._cookies.waiting(plan_id, "", max_age=0)
