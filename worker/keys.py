"""A worker's private keys and the public keys that it believes; nothing here signs or checks.

Three files in one folder: `seal.key` (planner, Ed25519), `receipt.key` (applier, Ed25519) and
`proof.key` (applier, X25519), each with its predecessors while a rotation lasts. Development makes
what is missing; Production never.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared.errors import BadConfiguration
from shared.messages import Role
from shared.seals import public_text, signing_key_from_text
from shared.settings import WorkerSettings
from worker.key_files import (
    PROOF_FILE,
    RECEIPT_FILE,
    SEAL_FILE,
    decryption_key,
    older,
    signing_key,
    signing_public,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What this process can sign and read, and whose signatures it believes.

    `seal` is there for planners, `receipt` and `proof` for appliers; a reader has none of them.
    `seal_public` holds the planners' keys, `receipt_public` the appliers'. `older_proofs` still
    read what was encrypted before the last rotation.
    """

    seal: Ed25519PrivateKey | None = None
    receipt: Ed25519PrivateKey | None = None
    proof: X25519PrivateKey | None = None
    older_proofs: tuple[X25519PrivateKey, ...] = ()
    seal_public: tuple[Ed25519PublicKey, ...] = ()
    receipt_public: tuple[Ed25519PublicKey, ...] = ()

    @property
    def proofs(self) -> tuple[X25519PrivateKey, ...]:
        """Returns all keys that a proof may be encrypted to, the current one first."""
        return (() if self.proof is None else (self.proof,)) + self.older_proofs

    @property
    def anchor(self) -> Ed25519PrivateKey | None:
        """Returns the key that signs anchors of the audit log; a reader has none."""
        return self.receipt or self.seal


def load_keys(settings: WorkerSettings) -> Keys:
    """Returns the keys that the roles in `settings` need, from the files in `keys_root`.

    In Development missing keys are made, and an applier without `seal_public_keys` believes the
    planner that shares its folder. In Production an applier believes exactly `seal_public_keys`. An
    applier believes its own receipts, also those from before a rotation, and those of
    `receipt_public_keys`.

    Raises:
        BadConfiguration: a file is missing, unreadable, open to others, or holds no such key.
    """
    folder, make = settings.keys_root, not settings.production
    plans, applies = Role.PLAN in settings.roles, Role.APPLY in settings.roles
    seals = plans or (applies and make and not settings.seal_public_keys)
    seal = signing_key(folder / SEAL_FILE, make=make) if seals else None
    receipt = signing_key(folder / RECEIPT_FILE, make=make) if applies else None
    proof = decryption_key(folder / PROOF_FILE, make=make) if applies else None
    return Keys(
        seal=seal if plans else None,
        receipt=receipt,
        proof=proof,
        older_proofs=tuple(map(decryption_key, older(folder / PROOF_FILE))) if applies else (),
        seal_public=_planners(settings.seal_public_keys, _own(folder / SEAL_FILE, seal), applies),
        receipt_public=_distinct(
            *_own(folder / RECEIPT_FILE, receipt),
            *(_pinned("INFRA_GATE_RECEIPT_PUBLIC_KEYS", settings.receipt_public_keys)),
        )
        if applies
        else (),
    )


def _own(path: Path, current: Ed25519PrivateKey | None) -> tuple[Ed25519PublicKey, ...]:
    """The public halves of a signing key and of its predecessors."""
    if current is None:
        return ()
    return (current.public_key(), *map(signing_public, older(path)))


def _planners(
    texts: Iterable[str], own: tuple[Ed25519PublicKey, ...], needed: bool
) -> tuple[Ed25519PublicKey, ...]:
    keys = _pinned("INFRA_GATE_SEAL_PUBLIC_KEYS", texts) or own
    if needed and not keys:
        raise BadConfiguration("INFRA_GATE_SEAL_PUBLIC_KEYS must pin the planners' public keys.")
    return keys


def _pinned(variable: str, texts: Iterable[str]) -> tuple[Ed25519PublicKey, ...]:
    try:
        return tuple(signing_key_from_text(text) for text in texts)
    except ValueError:
        raise BadConfiguration(
            f"{variable}: each must be 32 bytes as unpadded base64url."
        ) from None


def _distinct(*keys: Ed25519PublicKey) -> tuple[Ed25519PublicKey, ...]:
    return tuple({public_text(key): key for key in keys}.values())
