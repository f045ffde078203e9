"""Which key a request proves to hold (DPoP, RFC 9449): tokens are bound to it."""

from starlette.requests import Request

from dev.issuer.memory import ShortLived
from dev.issuer.settings import Settings
from shared.dpop import SKEW_S, read_proof
from shared.errors import Refusal
from shared.jose import ASYMMETRIC

ALGORITHMS = tuple(sorted(ASYMMETRIC))
"""What a proof may be signed with."""
_REMEMBERED = 2 * SKEW_S + 1
"""Seconds: a proof may be of the future, and is good for as long again."""


class Proofs:
    """Believes each proof once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: ShortLived[bool] = ShortLived(
            clock=settings.clock, seconds=_REMEMBERED, limit=100_000
        )

    def key_of(self, http: Request, *, token: str | None = None) -> str | Refusal:
        """The thumbprint (RFC 7638) of the key that signed the request's proof, empty without one.

        `token` is the access token that the request shows, if it shows one. The proof's address is
        that of the endpoint as it is published where the client asks.
        """
        proofs = http.headers.getlist("dpop")
        if not proofs:
            return ""
        if len(proofs) != 1:
            return _refused("more than one DPoP header")
        proof = read_proof(
            proofs[0],
            token=token,
            method=http.method,
            url=self._settings.url(http.url.path, host=http.headers["host"]),
            now=int(self._settings.clock()),
        )
        if isinstance(proof, Refusal):
            return _refused(proof.message)
        if not self._seen.claim(f"{proof.thumbprint} {proof.id}", value=True):
            return _refused("the proof was shown before")
        return proof.thumbprint


def _refused(why: str) -> Refusal:
    return Refusal(code="invalid_dpop_proof", message=why)
