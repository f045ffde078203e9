"""`keys show|make|rotate|retire`: a worker's key files, and what their public halves are set as.

A private key is never printed. Nothing here restarts anything: a worker reads its keys at start.
"""

import hashlib
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.plans import APPLY_WINDOW_S, PLAN_LIFETIME_S
from shared.seals import public_text
from shared.settings import TrailSettings, read_trail_settings
from worker.key_files import (
    PROOF_FILE,
    RECEIPT_FILE,
    SEAL_FILE,
    Private,
    Public,
    make_key,
    older,
    public_half,
    retire,
    retired,
    rotate,
)
from worker.ops.telling import WELL, WRONG, complain, tell

CHALLENGE_S: Final = 900
"""The longest life of a challenge that settings allow."""

FILES: Final = {"seal": SEAL_FILE, "receipt": RECEIPT_FILE, "proof": PROOF_FILE}
ROLES: Final = {"seal": "planner", "receipt": "applier", "proof": "applier"}
MADE_FOR: Final = {
    "plan": ("seal",),
    "apply": ("receipt", "proof"),
    "all": ("seal", "receipt", "proof"),
}
OVERLAP_S: Final = {
    "seal": PLAN_LIFETIME_S,
    "receipt": CHALLENGE_S + APPLY_WINDOW_S,
    "proof": CHALLENGE_S,
}
"""How long after the last use of an older key something may still need it."""

NEXT: Final = {
    "seal": (
        "Next: 1. set the line below at gateways, pages and appliers and restart them; "
        "2. restart the planners: they seal with the new key; "
        "3. an hour later `keys retire seal`, and take the older key out of that line."
    ),
    "receipt": (
        "Next: 1. bring the same files, or the line below, to the other appliers of the cluster; "
        "2. restart all appliers; 3. half an hour later `keys retire receipt`."
    ),
    "proof": (
        "Next: 1. bring the same files to the other appliers of the cluster; 2. restart all "
        "appliers: they read both; 3. set the line below at gateways and pages and restart them; "
        "4. a quarter of an hour later `keys retire proof`."
    ),
}


def add_arguments(parser: ArgumentParser) -> tuple[ArgumentParser, ...]:
    """Declares the options of `keys`; returns the parsers of its actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="public halves, fingerprints, settings to paste")
    make = actions.add_parser("make", help="make the keys of a role; never overwrites")
    make.add_argument("--role", choices=MADE_FOR, required=True)
    make.add_argument("--to", type=Path, required=True, help="the folder")
    turn = actions.add_parser("rotate", help="make a new key current, keep the old one readable")
    drop = actions.add_parser("retire", help="take older keys out of use, once nothing needs them")
    drop.add_argument("--now", action="store_true", help="at once, e.g. because a key was stolen")
    for action in (turn, drop):
        action.add_argument("key", choices=FILES)
    for action in (show, turn, drop):
        action.add_argument("--keys", type=Path, help="the folder; default INFRA_GATE_KEYS_ROOT")
    return show, make, turn, drop


def run(
    options: Namespace,
    trail: TrailSettings | None = None,
    clock: Callable[[], float] = time.time,  # noqa: TID251 - an operator's command, started here
) -> int:
    """Runs one action on the folder that options, or else `trail` (the environment), name.

    Raises:
        BadConfiguration: a key file cannot be used or made; the text says which.
    """
    if options.action == "make":
        return _make(options.to, MADE_FOR[options.role])
    folder: Path = options.keys or (trail or read_trail_settings()).keys_root
    if options.action == "show":
        return _show(folder)
    if options.action == "rotate":
        return _rotate(folder, options.key)
    return _retire(folder, options.key, now=None if options.now else clock())


def _make(folder: Path, names: tuple[str, ...]) -> int:
    taken = [folder / FILES[name] for name in names if (folder / FILES[name]).exists()]
    if taken:
        complain(f"{taken[0]} is there already; nothing was made. To renew it: keys rotate.")
        return WRONG
    for name in names:
        if not make_key(folder / FILES[name], _fresh(name)):
            complain(f"{folder / FILES[name]} has just been made by somebody else.")
            return WRONG
    return _show(folder)


def _show(folder: Path) -> int:
    keys = {name: _public_halves(folder, FILES[name]) for name in FILES}
    if not any(keys.values()):
        complain(f"There are no keys in {folder}.")
        return WRONG
    for name, halves in keys.items():
        for path, public in halves.items():
            use = "current" if path.name == FILES[name] else "older, still accepted"
            _tell_key(name, path, public, use)
        for path in retired(folder, FILES[name]):
            _tell_key(name, path, public_half(path), "retired, for checking old records")
    tell()
    for line in _settings(keys):
        tell(line)
    return WELL


def _rotate(folder: Path, name: str) -> int:
    kept = rotate(folder / FILES[name], _fresh(name))
    tell(f"{folder / FILES[name]} is new; the one before still counts as {kept.name}.")
    tell(NEXT[name])
    for line in _settings({name: _public_halves(folder, FILES[name])}):
        tell(line)
    return WELL


def _retire(folder: Path, name: str, *, now: float | None) -> int:
    current = folder / FILES[name]
    public_half(current)  # without a current key nothing may be taken away
    files = older(current)
    if not files:
        tell(f"There is no older {name} key in {folder}.")
        return WELL
    since = max(path.stat().st_mtime for path in files)
    if now is not None and now < since + OVERLAP_S[name]:
        minutes = int(since + OVERLAP_S[name] - now) // 60 + 1
        complain(
            f"Something may still need it for {minutes} minutes; `--now` does it all the same."
        )
        return WRONG
    for path in files:
        tell(f"{path} is retired; its public half is {retire(path)}.")
    tell("Restart the workers that read this folder.")
    for line in _settings({name: _public_halves(folder, FILES[name])}):
        tell(line)
    return WELL


def _public_halves(folder: Path, name: str) -> dict[Path, Public]:
    current = folder / name
    files = [*([current] if current.exists() else []), *older(current)]
    return {path: public_half(path) for path in files}


def _settings(keys: Mapping[str, Mapping[Path, Public]]) -> Iterator[str]:
    """The lines to paste, for those keys that are there."""
    texts = {name: [public_text(half) for half in halves.values()] for name, halves in keys.items()}
    if seal := texts.get("seal"):
        yield "# gateways, approval pages, appliers:"
        yield f"INFRA_GATE_SEAL_PUBLIC_KEYS={','.join(seal)}"
    if proof := texts.get("proof"):
        yield "# gateways, approval pages:"
        yield f"INFRA_GATE_PROOF_PUBLIC_KEY={proof[0]}"
    if receipt := texts.get("receipt"):
        yield "# appliers of the same cluster that have another receipt key:"
        yield f"INFRA_GATE_RECEIPT_PUBLIC_KEYS={','.join(receipt)}"


def _tell_key(name: str, path: Path, public: Public, use: str) -> None:
    tell(f"{path}")
    tell(f"  {name} key of the {ROLES[name]}, {use}")
    tell(f"  public  {public_text(public)}")
    tell(f"  sha256  {fingerprint(public)}")


def fingerprint(public: Public) -> str:
    """Returns what `openssl pkey -pubout -outform DER | sha256sum` says of a key."""
    raw = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(raw).hexdigest()


def _fresh(name: str) -> Private:
    return X25519PrivateKey.generate() if name == "proof" else Ed25519PrivateKey.generate()
