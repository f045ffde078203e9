"""Whether who shows a token may: a token that was bound to a key needs a proof of that key.

Tokens that are bound to nothing are bearer tokens, as most are, where such are taken at all.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from api.callers import Caller
from shared.dpop import Proof, read_proof
from shared.errors import Refusal

BEARER: Final = "Bearer"
DPOP: Final = "DPoP"

PROOF: Final = "dpop_proof"
"""The code where a proof is missing, not good, or was shown before."""
BINDING: Final = "dpop_binding"
"""The code where token, scheme and key do not belong together, however good the proof is."""

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

    def __init__(
        self,
        *,
        resource: str,
        clock: Callable[[], float],
        spend: Spend | None,
        bound_tokens_only: bool = False,
    ) -> None:
        """`spend` says once for each proof that it is new; without it no proof is believed.

        `bound_tokens_only`: no bearer token is believed.
        """
        self._resource = resource
        self._clock = clock
        self._spend = spend
        self._bound_tokens_only = bound_tokens_only

    async def refusal(self, caller: Caller, shown: Shown) -> Refusal | None:
        """Why this caller's token is not believed as it is shown, or None.

        Raises:
            RedisUnavailable: whether the proof is new is not known.
        """
        bound = caller.key_thumbprint
        if not bound:
            return self._unbound(shown.scheme)
        if shown.scheme != DPOP or self._spend is None:
            return _not_bound("The token is bound to a key; show it with a proof (DPoP).")
        proof = self._proof(shown)
        if isinstance(proof, Refusal):
            return proof
        if proof.thumbprint != bound:
            return _not_bound("The token is bound to another key than the proof's.")
        if not await self._spend(f"{proof.thumbprint} {proof.id}"):
            return _no_proof("The proof was shown before.")
        return None

    def _unbound(self, scheme: str) -> Refusal | None:
        if self._bound_tokens_only:
            return _not_bound("Only tokens that are bound to a key are taken here (DPoP).")
        if scheme == DPOP:
            return _not_bound("The token is not bound to a key; show it as a bearer token.")
        return None

    def _proof(self, shown: Shown) -> Proof | Refusal:
        if len(shown.proofs) != 1:
            return _no_proof("Exactly one DPoP header is required.")
        return read_proof(
            shown.proofs[0],
            token=shown.token,
            method=shown.method,
            url=self._resource,
            now=int(self._clock()),
        )


def _no_proof(message: str) -> Refusal:
    return Refusal(code=PROOF, message=message)


def _not_bound(message: str) -> Refusal:
    return Refusal(code=BINDING, message=message)
