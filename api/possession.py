"""Whether who shows a token may: a token that was bound to a key needs a proof of that key.

Tokens that are bound to nothing are bearer tokens, as most are.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from api.callers import Caller
from shared.dpop import Proof, read_proof
from shared.errors import Refusal

BEARER: Final = "bearer"
DPOP: Final = "dpop"

Spend = Callable[[str], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A token as a request shows it. `proofs` are the values of its `DPoP` headers."""

    scheme: str
    token: str
    method: str
    proofs: tuple[str, ...] = ()


class Possession:
    """Judges how tokens are shown, at one resource."""

    def __init__(self, *, resource: str, clock: Callable[[], float], spend: Spend | None) -> None:
        """`spend` says once for each proof that it is new; without it no proof is believed."""
        self._resource = resource
        self._clock = clock
        self._spend = spend

    async def refusal(self, caller: Caller, shown: Shown) -> Refusal | None:
        """Why this caller's token is not believed as it is shown, or None.

        Raises:
            RedisUnavailable: whether the proof is new is not known.
        """
        bound = caller.key_thumbprint
        if not bound and shown.scheme == BEARER:
            return None
        if not bound:
            return _refused("The token is not bound to a key; show it as a bearer token.")
        if shown.scheme != DPOP or self._spend is None:
            return _refused("The token is bound to a key; show it with a proof (DPoP).")
        proof = self._proof(shown)
        if isinstance(proof, Refusal):
            return proof
        if proof.thumbprint != bound or not await self._spend(f"{proof.thumbprint} {proof.id}"):
            return _refused("The proof is of another key than the token's, or was shown before.")
        return None

    def _proof(self, shown: Shown) -> Proof | Refusal:
        if len(shown.proofs) != 1:
            return _refused("Exactly one DPoP header is required.")
        return read_proof(
            shown.proofs[0],
            token=shown.token,
            method=shown.method,
            url=self._resource,
            now=int(self._clock()),
        )


def _refused(message: str) -> Refusal:
    return Refusal(code="dpop_proof", message=message)
