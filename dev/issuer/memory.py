"""Things that live for seconds: codes, pushed requests, login tickets, seen token ids.

In memory on purpose: after a restart an unfinished login begins anew, and nothing else is lost.
"""

import secrets
from dataclasses import dataclass
from typing import Generic, TypeVar

from dev.issuer.settings import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry(Generic[T]):
    value: T
    expires_at: float


class ShortLived(Generic[T]):
    """At most `limit` values for `seconds` each, under keys that cannot be guessed."""

    def __init__(self, *, clock: Clock, seconds: float, limit: int = 1000) -> None:
        self._clock = clock
        self._seconds = seconds
        self._limit = limit
        self._entries: dict[str, _Entry[T]] = {}  # oldest first: all live equally long

    def put(self, value: T) -> str:
        """Stores `value` under a new key of 256 random bits; the oldest gives way when full."""
        self._forget_expired()
        while len(self._entries) >= self._limit:
            del self._entries[next(iter(self._entries))]
        key = secrets.token_urlsafe(32)
        self._entries[key] = self._entry(value)
        return key

    def claim(self, key: str, value: T) -> bool:
        """Stores `value` under `key`; False when the key is taken, or when there is no room.

        Never makes room: forgetting a key that was seen would let it be used twice.
        """
        self._forget_expired()
        if key in self._entries or len(self._entries) >= self._limit:
            return False
        self._entries[key] = self._entry(value)
        return True

    def peek(self, key: str) -> T | None:
        self._forget_expired()
        entry = self._entries.get(key)
        return entry.value if entry else None

    def take(self, key: str) -> T | None:
        """The value of `key`, which is gone afterwards."""
        value = self.peek(key)
        self._entries.pop(key, None)
        return value

    def _entry(self, value: T) -> _Entry[T]:
        return _Entry(value=value, expires_at=self._clock() + self._seconds)

    def _forget_expired(self) -> None:
        now = self._clock()
        while self._entries:
            oldest = next(iter(self._entries))
            if self._entries[oldest].expires_at > now:
                return
            del self._entries[oldest]
