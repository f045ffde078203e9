"""Whether a passkey of the policy signed a challenge: the second proof beside a login.

The key is the policy's, the challenge is made of the applier's own statement, the origin is the
applier's own setting: nothing of it comes from the pages. Each check refuses with a code of its
own; then the `webauthn` package checks all of it once more, with the signature. That is imported
where a passkey is at hand: it takes 5 MB, and most workers never see one.
"""

import hashlib
import hmac
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from shared.addresses import host_of
from shared.digests import base64url, from_base64url, passkey_digest
from shared.errors import Refusal
from shared.passkeys import REQUIRED, Assertion, CredentialId, RpId, Wanted
from shared.plans import Identity
from shared.strict import strict_json

if TYPE_CHECKING:
    from webauthn.helpers.structs import AuthenticatorData

ALGORITHMS: Final = {
    -7: "ES256",
    -8: "EdDSA",
    -257: "RS256",
}
"""By their numbers in COSE (RFC 9053 section 2, RFC 8812 section 2)."""

MIN_CREDENTIAL_ID_BYTES: Final = 16
MIN_RSA_BITS: Final = 2048

_MALFORMED: Final = (ValueError, KeyError, TypeError, IndexError)
"""What the package raises for bytes that are no COSE key and no authenticator data, beside its own
`WebAuthnException`."""


class Passkey(BaseModel):
    """One passkey in the policy: whose it is, and the public key that speaks for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    iss: str = Field(min_length=1)
    sub: str = Field(min_length=1)
    credential_id: CredentialId
    public_key: str = Field(max_length=2048)
    """COSE key (RFC 9053), base64url."""
    rp_id: RpId
    name: str = Field(default="", max_length=80)
    """For people who read the policy."""

    @field_validator("credential_id", "public_key")
    @classmethod
    def _usable(cls, value: str, info: ValidationInfo) -> str:
        raw = from_base64url(value)
        if info.field_name == "public_key":
            algorithm_of(raw)
        elif len(raw) < MIN_CREDENTIAL_ID_BYTES:
            raise ValueError("is too short for a credential's id")
        return value

    @property
    def key(self) -> bytes:
        """The COSE bytes."""
        return from_base64url(self.public_key)

    @property
    def digest(self) -> str:
        """Of the public key: what people compare in six words."""
        return passkey_digest(subject_public_key_info(self.key))

    @property
    def credential_sha256(self) -> str:
        """What receipts and the audit log know the passkey by."""
        return hashlib.sha256(from_base64url(self.credential_id)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """A passkey that signed, and its signature counter: recorded, not judged."""

    credential_sha256: str
    count: int


def algorithm_of(key: bytes) -> str:
    """Returns the name of a COSE key's algorithm.

    Raises:
        ValueError: it is no key of one of `ALGORITHMS`.
    """
    from webauthn.helpers import decode_credential_public_key as decode  # noqa: PLC0415 - see the module
    from webauthn.helpers import decoded_public_key_to_cryptography as usable  # noqa: PLC0415 - see the module
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 - see the module

    try:
        decoded = decode(key)
        public = usable(decoded)
        name = ALGORITHMS.get(decoded.alg)
    except (WebAuthnException, *_MALFORMED):
        raise ValueError("is no public key of a passkey") from None
    weak = isinstance(public, RSAPublicKey) and public.key_size < MIN_RSA_BITS
    bent = isinstance(public, EllipticCurvePublicKey) and public.curve.name != "secp256r1"
    if name is None or weak or bent:
        raise ValueError(f"needs one of {', '.join(ALGORITHMS.values())}, RSA with 2048 bits")
    return name


def subject_public_key_info(key: bytes) -> bytes:
    """Returns a COSE key that `algorithm_of` accepts in the form that browsers hand out, too."""
    from webauthn.helpers import decode_credential_public_key as decode  # noqa: PLC0415 - see the module
    from webauthn.helpers import decoded_public_key_to_cryptography as usable  # noqa: PLC0415 - see the module

    public = usable(decode(key))
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def of_person(passkeys: Iterable[Passkey], person: Identity) -> tuple[Passkey, ...]:
    """Returns the passkeys that the policy holds for somebody."""
    return tuple(one for one in passkeys if (one.iss, one.sub) == (person.iss, person.sub))


def absent_refusal(own: Sequence[Passkey]) -> Refusal:
    """Returns that a passkey is wanted, with those of the person; or that they have none."""
    if not own:
        return Refusal(
            code="passkey_missing",
            message="The policy wants a passkey of yours for this plan and names none; enroll one.",
        )
    wanted = Wanted(rp_id=own[0].rp_id, credentials=tuple(one.credential_id for one in own))
    return Refusal(
        code=REQUIRED,
        message="Beside the sign-in the policy wants your passkey: approve it on the pages.",
        details=wanted.details(),
    )


def address_problem(
    rp_ids: Collection[str], address: str, *, production: bool = False
) -> str | None:
    """Returns why no browser could use passkeys of these sites on pages at `address`."""
    host = host_of(address)
    secure = address.startswith("https://") or (host == "localhost" and not production)
    if rp_ids and not secure:
        return "passkeys need approval pages with https:// (or, for development, http://localhost)"
    for rp_id in rp_ids:
        if host != rp_id and not host.endswith("." + rp_id):
            return f"passkeys of {rp_id} can be used only where the pages' host ends with that name"
    return None


def verify(
    assertion: Assertion, *, passkeys: Sequence[Passkey], challenge: bytes, origin: str
) -> Used | Refusal:
    """Checks that one of `passkeys` signed `challenge` on a page of `origin`, its user verified.

    The signature counter is not compared: what Redis remembers is worth nothing against its owner,
    and a second use of the same answer meets a statement that was used up.
    """
    from webauthn import verify_authentication_response  # noqa: PLC0415 - see the module
    from webauthn.helpers import parse_authenticator_data, structs  # noqa: PLC0415 - see the module
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 - see the module

    # (a) One of this person's passkeys.
    passkey = next((one for one in passkeys if one.credential_id == assertion.credential_id), None)
    if passkey is None:
        return _refused("unknown", "The policy has no such passkey of yours.")

    # (b) What the browser signed: an answer, to this challenge, on our pages.
    try:
        client = from_base64url(assertion.client_data)
        data = from_base64url(assertion.authenticator_data)
        signature = from_base64url(assertion.signature)
        authenticator = parse_authenticator_data(data)
    except (WebAuthnException, *_MALFORMED):
        return _refused("unreadable", "The answer of the passkey cannot be read.")
    # (c) What the authenticator says: for our name, somebody touched it and was recognized.
    refusal = client_refusal(
        client, kind="webauthn.get", challenge=challenge, origin=origin
    ) or _authenticator_refusal(authenticator, passkey)
    if refusal is not None:
        return refusal

    # (d) The signature, under the policy's key.
    credential = structs.AuthenticationCredential(
        id=assertion.credential_id,
        raw_id=from_base64url(assertion.credential_id),
        response=structs.AuthenticatorAssertionResponse(
            client_data_json=client, authenticator_data=data, signature=signature
        ),
    )
    try:
        verified = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=passkey.rp_id,
            expected_origin=[origin],
            credential_public_key=passkey.key,
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except (WebAuthnException, *_MALFORMED):
        return _refused("signature", "The passkey's signature does not hold.")
    return Used(credential_sha256=passkey.credential_sha256, count=verified.new_sign_count)


def client_refusal(raw: bytes, *, kind: str, challenge: bytes, origin: str) -> Refusal | None:
    """Returns why what a browser signed is not about this challenge on our pages."""
    client = strict_json(raw)
    if not isinstance(client, dict) or not isinstance(client.get("challenge"), str):
        return _refused("unreadable", "The answer of the passkey cannot be read.")
    if client.get("type") != kind:
        return _refused("type", "The passkey answered to something else.")
    if not hmac.compare_digest(client["challenge"].encode(), base64url(challenge).encode()):
        return _refused("challenge", "The passkey signed something else than this plan.")
    if client.get("origin") != origin:
        return _refused("origin", "The passkey was used on another page than ours.")
    if client.get("crossOrigin", False) is not False or "topOrigin" in client:
        return _refused("cross_origin", "The passkey was used inside another page.")
    return None


def _authenticator_refusal(data: "AuthenticatorData", passkey: Passkey) -> Refusal | None:
    expected = hashlib.sha256(passkey.rp_id.encode()).digest()
    if not hmac.compare_digest(data.rp_id_hash, expected):
        return _refused("rp_id", "The passkey was used for another site.")
    if not data.flags.up:
        return _refused("user_absent", "Nobody confirmed the use of the passkey.")
    if not data.flags.uv:
        return _refused(
            "user_unverified",
            "The passkey did not ask who you are; use one with PIN or biometrics.",
        )
    return None


def _refused(what: str, message: str) -> Refusal:
    return Refusal(code=f"passkey_{what}", message=message)
