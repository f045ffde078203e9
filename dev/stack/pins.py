"""The keys of workers with one role each: made first, with their public halves pinned.

So nothing has to be learnt from Redis, as in production. Run by itself (`python -m dev.stack.pins`)
it makes the files for containers.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared.seals import public_text
from worker.key_files import PROOF_FILE, RECEIPT_FILE, SEAL_FILE, make_key, older, public_half


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """Public keys as settings name them: planners' and appliers', older ones too."""

    seals: tuple[str, ...] = ()
    receipts: tuple[str, ...] = ()
    proof: str = ""


def make_keys(*, planner: Path, applier: Path) -> None:
    """Makes the keys that are missing in the folders of planner and applier.

    Raises:
        BadConfiguration: a folder cannot be written.
    """
    make_key(planner / SEAL_FILE, Ed25519PrivateKey.generate())
    make_key(applier / RECEIPT_FILE, Ed25519PrivateKey.generate())
    make_key(applier / PROOF_FILE, X25519PrivateKey.generate())


def pinned(*, planner: Path, applier: Path) -> Pins:
    """Returns what is to be pinned of the keys in these folders; nothing before they were made.

    Raises:
        BadConfiguration: a key file cannot be used.
    """
    seal, receipt, proof = planner / SEAL_FILE, applier / RECEIPT_FILE, applier / PROOF_FILE
    if not all(path.exists() for path in (seal, receipt, proof)):
        return Pins()
    return Pins(
        seals=tuple(public_text(public_half(path)) for path in (seal, *older(seal))),
        receipts=tuple(public_text(public_half(path)) for path in (receipt, *older(receipt))),
        proof=public_text(public_half(proof)),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes the keys and a file that a shell reads the pins from."""
    parser = argparse.ArgumentParser(description="Makes planner's and applier's keys, and pins.")
    for name in ("planner", "applier"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="folder of its keys")
    parser.add_argument("--pins", type=Path, required=True, help="file of the public halves")
    options = parser.parse_args(arguments)
    make_keys(planner=options.planner, applier=options.applier)
    pins = pinned(planner=options.planner, applier=options.applier)
    options.pins.write_text(
        f"INFRA_GATE_SEAL_PUBLIC_KEYS={','.join(pins.seals)}\n"
        f"INFRA_GATE_RECEIPT_PUBLIC_KEYS={','.join(pins.receipts)}\n"
        f"INFRA_GATE_PROOF_PUBLIC_KEY={pins.proof}\n",
        "ascii",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
