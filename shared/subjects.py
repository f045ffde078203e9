"""Whom fairness counts: a person or client, whatever program they use."""

from typing import Protocol


class Named(Protocol):
    """Somebody as their identity provider names them."""

    @property
    def iss(self) -> str: ...

    @property
    def sub(self) -> str: ...


def subject_of(who: Named) -> str:
    """Returns who it is in one text. An issuer is a URL and has no space, so no two are alike."""
    return f"{who.iss} {who.sub}"
