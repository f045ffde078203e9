"""Key files in one folder: read, made, rotated, retired; which roles need which is not known here.

`<name>.key` is the current private key, PEM (PKCS 8), mode 0600. `<name>.key.1`, `.2`, … are older
ones that still count, the highest number the newest: of a signing key only the public half is kept,
so that it can sign nothing more; of a decryption key the private one. `retired/` holds public
halves that count no longer, for checking old records.
"""

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from shared.errors import BadConfiguration
from shared.seals import public_text

SEAL_FILE: Final = "seal.key"
RECEIPT_FILE: Final = "receipt.key"
PROOF_FILE: Final = "proof.key"
RETIRED: Final = "retired"

MAX_KEY_BYTES: Final = 16 * 1024

Private: TypeAlias = Ed25519PrivateKey | X25519PrivateKey
Public: TypeAlias = Ed25519PublicKey | X25519PublicKey

_PUBLIC: Final = b"-----BEGIN PUBLIC KEY-----"


def signing_key(path: Path, *, make: bool = False) -> Ed25519PrivateKey:
    """Returns the private key in a file, which is made first if `make` and it is missing.

    Raises:
        BadConfiguration: missing, unreadable, open to others, or no such key.
    """
    if make:
        make_key(path, Ed25519PrivateKey.generate())
    key = _read(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise BadConfiguration(f"{path} must hold an Ed25519 key.")
    return key


def decryption_key(path: Path, *, make: bool = False) -> X25519PrivateKey:
    """Returns the private key in a file, which is made first if `make` and it is missing.

    Raises:
        BadConfiguration: missing, unreadable, open to others, or no such key.
    """
    if make:
        make_key(path, X25519PrivateKey.generate())
    key = _read(path)
    if not isinstance(key, X25519PrivateKey):
        raise BadConfiguration(f"{path} must hold an X25519 key.")
    return key


def signing_public(path: Path) -> Ed25519PublicKey:
    """Returns the public half of the signing key in a file that holds either half.

    Raises:
        BadConfiguration: unreadable, open to others, or no such key.
    """
    public = public_half(path)
    if not isinstance(public, Ed25519PublicKey):
        raise BadConfiguration(f"{path} must hold an Ed25519 key.")
    return public


def public_half(path: Path) -> Public:
    """Returns the public half of the key in a file that holds either half.

    Raises:
        BadConfiguration: unreadable, open to others, or no such key.
    """
    key = _read(path)
    return key.public_key() if isinstance(key, Private) else key


def older(path: Path) -> tuple[Path, ...]:
    """Returns the files of a key's predecessors that still count, newest first."""
    pattern = re.compile(re.escape(path.name) + r"\.([1-9][0-9]{0,5})")
    numbered = [
        (int(found[1]), file)
        for file in (path.parent.iterdir() if path.parent.is_dir() else ())
        if (found := pattern.fullmatch(file.name))
    ]
    return tuple(file for _, file in sorted(numbered, reverse=True))


def retired(folder: Path, name: str) -> tuple[Path, ...]:
    """Returns the files of public halves that count no longer."""
    return tuple(sorted((folder / RETIRED).glob(f"{name.removesuffix('.key')}-*.pub")))


def make_key(path: Path, key: Private) -> bool:
    """Makes a key file whole or not at all; of several at once the first one wins.

    Returns whether it was this one. Raises:
        BadConfiguration: it cannot be made.
    """
    if path.exists():
        return False
    return _link(path, private_pem(key))


def rotate(path: Path, fresh: Private) -> Path:
    """Makes `fresh` the current key and keeps of the one before what is still needed of it.

    Killed at any point, the old key or the new one is current and the old one still counts.
    Returns the file of the old one. Raises:
        BadConfiguration: there is no usable current key, or the folder cannot be written.
    """
    with _alone(path.parent):
        current = _read(path)
        if not isinstance(current, Private) or type(current) is not type(fresh):
            raise BadConfiguration(f"{path} holds another kind of key.")
        signs = isinstance(current, Ed25519PrivateKey)
        latest = older(path)
        number = int(latest[0].suffix[1:]) + 1 if latest else 1
        kept = path.with_name(f"{path.name}.{number}")
        _link(kept, public_pem(current.public_key()) if signs else private_pem(current))
        _replace(path, private_pem(fresh))
        return kept


def retire(path: Path) -> Path:
    """Takes an older key out of use, keeping its public half for checks; returns that file.

    Raises:
        BadConfiguration: it cannot be read, or the folder cannot be written.
    """
    public = public_half(path)
    name = path.name.split(".", 1)[0]
    kept = path.parent / RETIRED / f"{name}-{public_text(public)}.pub"
    _link(kept, public_pem(public))
    try:
        path.unlink()
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be removed ({error.strerror}).") from None
    return kept


def private_pem(key: Private) -> bytes:
    """Returns a private key as it lies in its file."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: Public) -> bytes:
    """Returns a public key as it lies in its file."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path) -> Private | Public:
    raw = _own_bytes(path)
    try:
        public = raw.startswith(_PUBLIC)
        key = load_pem_public_key(raw) if public else load_pem_private_key(raw, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadConfiguration(f"{path} holds no unencrypted PEM private key.") from None
    if not isinstance(key, Private | Public):
        raise BadConfiguration(f"{path} must hold an Ed25519 key or an X25519 key.")
    return key


def _own_bytes(path: Path) -> bytes:
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


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps others who rotate in this folder waiting, so that none takes the other's fresh key."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise BadConfiguration(f"{folder} cannot be opened ({error.strerror}).") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _link(path: Path, content: bytes) -> bool:
    """Puts a file in a place that is free; says whether it was."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:  # mode 0600
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(file.name, path)
                return True
            return False
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be made ({error.strerror}).") from None


def _replace(path: Path, content: bytes) -> None:
    """Puts a file in the place of another, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    _link(fresh, content)
    try:
        fresh.replace(path)
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be replaced ({error.strerror}).") from None
