"""The cookies of the pages: their names, and what ties a login or a proof to one browser.

What they stand for is kept in `shared.stores.logins`, under their hash alone.
"""

from dataclasses import dataclass

from shared.addresses import origin_of
from shared.stores.logins import fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """A cookie to set; an empty value removes it. `max_age` in seconds, None: until the end."""

    name: str
    value: str
    secure: bool
    max_age: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """Where the browser goes, and the cookie that ties what it begins there to it."""

    url: str
    cookie: Cookie


class Cookies:
    """Names and makes the cookies of pages that are served at one address."""

    def __init__(self, base_url: str) -> None:
        self.origin = origin_of(base_url)
        self._secure = self.origin.startswith("https://")
        # `__Host-` needs `Secure`, which browsers accept on http://127.0.0.1 in part only.
        self._prefix = "__Host-infragate" if self._secure else "infragate"

    def session(self, value: str, *, max_age: int | None = None) -> Cookie:
        """Returns the cookie of a session for looking."""
        return self._cookie("session", value, max_age)

    def state(self, state: str, value: str, *, max_age: int | None = None) -> Cookie:
        """Returns the cookie of one login under way, so that two tabs can sign in at once."""
        return self._cookie(f"login-{fingerprint(state)[:16]}", value, max_age)

    def waiting(self, plan_id: str, value: str, *, max_age: int | None = None) -> Cookie:
        """Returns the cookie that ties a waiting proof to the browser."""
        return self._cookie(f"passkey-{fingerprint(plan_id)[:16]}", value, max_age)

    def _cookie(self, name: str, value: str, max_age: int | None) -> Cookie:
        return Cookie(
            name=f"{self._prefix}-{name}", value=value, secure=self._secure, max_age=max_age
        )
