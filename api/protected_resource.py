"""How the gateway presents itself to OAuth clients: its metadata, and what it asks them for.

Knows RFC 9728 (metadata) and the challenges of RFC 6750 and RFC 9449; who is let in is decided in
`api.oauth` and `api.gate`.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from api.callers import FULL_SCOPE, all_scopes
from api.possession import BEARER, BINDING, DPOP, PROOF
from shared.errors import Refusal
from shared.jose import ASYMMETRIC

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_PROOF_ALGORITHMS: Final = sorted(ASYMMETRIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedResource:
    """What clients are told of the resource, in documents and in challenges.

    Issuer and resource are compared byte by byte by clients, so they stay plain strings.
    `bound_tokens_only`: a token that is not bound to a key is believed from nobody.
    """

    resource: str
    issuer: str
    full_scope: str = FULL_SCOPE
    name: str = "InfraGate"
    bound_tokens_only: bool = False

    @property
    def metadata_paths(self) -> tuple[str, ...]:
        """With the resource's path (RFC 9728 §3.1) and, for clients that do not add it, without."""
        path = urlsplit(self.resource).path.rstrip("/")
        return (WELL_KNOWN + path, WELL_KNOWN) if path else (WELL_KNOWN,)

    @property
    def metadata_url(self) -> str:
        """The address that challenges name."""
        parts = urlsplit(self.resource)
        return f"{parts.scheme}://{parts.netloc}{self.metadata_paths[0]}"

    def metadata(self) -> dict[str, object]:
        """The metadata document (RFC 9728 §2)."""
        told: dict[str, object] = {
            "resource": self.resource,
            "authorization_servers": [self.issuer],
            "scopes_supported": list(all_scopes(self.full_scope)),
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": _PROOF_ALGORITHMS,
            "resource_name": self.name,
        }
        return told | (
            {"dpop_bound_access_tokens_required": True} if self.bound_tokens_only else {}
        )

    def ask_for_token(self) -> str:
        """`WWW-Authenticate` for a request without a token: no error, as RFC 6750 §3.1 asks."""
        return self._challenge(DPOP if self.bound_tokens_only else BEARER, self.full_scope)

    def invalid_token(self, refusal: Refusal, scheme: str = BEARER) -> str:
        """`WWW-Authenticate` for a token that is not believed, shown by `scheme`.

        What is wrong with a proof, and a token that needs one, is said by the scheme that takes
        proofs (RFC 9449 §7.1).
        """
        return self._challenge(
            DPOP if refusal.code in (PROOF, BINDING) else scheme,
            self.full_scope,
            error="invalid_dpop_proof" if refusal.code == PROOF else "invalid_token",
            error_description=refusal.message,
        )

    def insufficient_scope(self, scope: str, scheme: str = BEARER) -> str:
        """`WWW-Authenticate` for a believed token that does not suffice; `scope` is what would."""
        return self._challenge(scheme, scope, error="insufficient_scope")

    def _challenge(self, scheme: str, scope: str, **said: str) -> str:
        algorithms = {"algs": " ".join(_PROOF_ALGORITHMS)} if scheme == DPOP else {}
        where = {"resource_metadata": self.metadata_url, "scope": scope}
        parameters = {**said, **algorithms, **where}
        return f"{scheme} " + ", ".join(f'{name}="{one}"' for name, one in parameters.items())
