"""Whose signatures an operator's check believes: keys that are named, else those of the worker."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.errors import BadConfiguration
from shared.seals import public_text, signing_key_from_text
from shared.settings import TrailSettings
from worker.key_files import RECEIPT_FILE, SEAL_FILE, older, retired, signing_public


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """Public keys of planners (`seal`) and appliers (`receipt`), also of former ones."""

    seal: tuple[Ed25519PublicKey, ...] = ()
    receipt: tuple[Ed25519PublicKey, ...] = ()

    @property
    def anchors(self) -> tuple[Ed25519PublicKey, ...]:
        """Returns the keys that may sign anchors: those of both roles."""
        return self.receipt + self.seal


def named_keys(seal: Sequence[str], receipt: Sequence[str]) -> Believed:
    """Returns exactly the keys that are written here (base64url).

    Raises:
        BadConfiguration: one is no key.
    """
    return Believed(seal=_keys(seal), receipt=_keys(receipt))


def workers_keys(trail: TrailSettings) -> Believed:
    """Returns the pinned keys, and all that lie in the worker's folder: current, older, retired.

    Raises:
        BadConfiguration: a file cannot be used, or a pinned key is none.
    """
    folder = trail.keys_root
    return Believed(
        seal=_distinct((*_keys(trail.seal_public_keys), *_in_files(folder, SEAL_FILE))),
        receipt=_distinct((*_keys(trail.receipt_public_keys), *_in_files(folder, RECEIPT_FILE))),
    )


def _in_files(folder: Path, name: str) -> list[Ed25519PublicKey]:
    current = folder / name
    files = [*([current] if current.exists() else []), *older(current), *retired(folder, name)]
    return [signing_public(file) for file in files]


def _keys(texts: Iterable[str]) -> tuple[Ed25519PublicKey, ...]:
    try:
        return tuple(signing_key_from_text(text) for text in texts)
    except ValueError:
        raise BadConfiguration("A public key is 32 bytes as unpadded base64url.") from None


def _distinct(keys: Iterable[Ed25519PublicKey]) -> tuple[Ed25519PublicKey, ...]:
    return tuple({public_text(key): key for key in keys}.values())
