"""A worker's private keys and the public keys that it believes; nothing here signs or checks.

Three files in one folder, PEM (PKCS 8): `seal.key` (planner, Ed25519), `receipt.key` (applier,
Ed25519) and `proof.key` (applier, X25519). Development makes what is missing; Production never.
"""

import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from shared.errors import BadConfiguration
from shared.messages import Role
from shared.seals import signing_key_from_text
from shared.settings import WorkerSettings

SEAL_FILE: Final = "seal.key"
RECEIPT_FILE: Final = "receipt.key"
PROOF_FILE: Final = "proof.key"

MAX_KEY_BYTES: Final = 16 * 1024

Generate: TypeAlias = Callable[[], Ed25519PrivateKey | X25519PrivateKey]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What this process can sign and read, and whose signatures it believes.

    `seal` is there for planners, `receipt` and `proof` for appliers; a reader has none of them.
    `seal_public` holds the planners' keys, `receipt_public` the appliers'.
    """

    seal: Ed25519PrivateKey | None = None
    receipt: Ed25519PrivateKey | None = None
    proof: X25519PrivateKey | None = None
    seal_public: tuple[Ed25519PublicKey, ...] = ()
    receipt_public: tuple[Ed25519PublicKey, ...] = ()


def load_keys(settings: WorkerSettings) -> Keys:
    """Returns the keys that the roles in `settings` need, from the files in `keys_root`.

    In Development missing keys are made, and an applier believes the planner that shares its
    folder. In Production an applier believes exactly `seal_public_keys`.

    Raises:
        BadConfiguration: a file is missing, unreadable, open to others, or holds no such key.
    """
    folder, make = settings.keys_root, not settings.production
    plans, applies = Role.PLAN in settings.roles, Role.APPLY in settings.roles
    seals = plans or (applies and make)
    seal = _signing_key(folder / SEAL_FILE, make) if seals else None
    receipt = _signing_key(folder / RECEIPT_FILE, make) if applies else None
    proof = _encryption_key(folder / PROOF_FILE, make) if applies else None
    return Keys(
        seal=seal if plans else None,
        receipt=receipt,
        proof=proof,
        seal_public=_believed(settings.seal_public_keys, seal, needed=applies),
        receipt_public=(receipt.public_key(),) if receipt else (),
    )


def _believed(
    pinned: Iterable[str], own: Ed25519PrivateKey | None, *, needed: bool
) -> tuple[Ed25519PublicKey, ...]:
    try:
        keys = tuple(signing_key_from_text(text) for text in pinned)
    except ValueError:
        raise BadConfiguration(
            "INFRA_GATE_SEAL_PUBLIC_KEYS: each must be 32 bytes as unpadded base64url."
        ) from None
    if not keys and own is not None:
        keys = (own.public_key(),)
    if needed and not keys:
        raise BadConfiguration("INFRA_GATE_SEAL_PUBLIC_KEYS must pin the planners' public keys.")
    return keys


def _signing_key(path: Path, make: bool) -> Ed25519PrivateKey:
    key = _key(path, Ed25519PrivateKey.generate if make else None)
    if not isinstance(key, Ed25519PrivateKey):
        raise BadConfiguration(f"{path} must hold an Ed25519 key.")
    return key


def _encryption_key(path: Path, make: bool) -> X25519PrivateKey:
    key = _key(path, X25519PrivateKey.generate if make else None)
    if not isinstance(key, X25519PrivateKey):
        raise BadConfiguration(f"{path} must hold an X25519 key.")
    return key


def _key(path: Path, generate: Generate | None) -> object:
    if generate is not None and not path.exists():
        _create(path, generate)
    raw = _private_bytes(path)
    try:
        return load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadConfiguration(f"{path} holds no unencrypted PEM private key.") from None


def _private_bytes(path: Path) -> bytes:
    """Reads a file that nobody else may read; what is checked is what was opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # no wait for a pipe
        try:
            if problem := _permission_problem(os.fstat(descriptor)):
                raise BadConfiguration(f"{path} {problem}")
            return os.read(descriptor, MAX_KEY_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be read ({error.strerror}).") from None


def _permission_problem(status: os.stat_result) -> str:
    """PostgreSQL's rule: 0600 for one's own file; 0640 for root's, as Kubernetes mounts Secrets."""
    if not stat.S_ISREG(status.st_mode):
        return "is no regular file."
    others = status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    roots = status.st_uid == 0 and os.geteuid() != 0
    if others & ~(stat.S_IRGRP if roots else 0):
        return "can be read or written by others; make it mode 0600."
    return ""


def _create(path: Path, generate: Generate) -> None:
    """Makes a key file whole or not at all; of several workers at once the first one wins."""
    pem = generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:  # mode 0600
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(file.name, path)
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be made ({error.strerror}).") from None
