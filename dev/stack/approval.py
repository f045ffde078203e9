"""`infragate approve`: an approver's terminal for the running stack, with keys from its folders.

The keys come from the files of the workers' folders, never from Redis or the approvals service: the
terminal believes neither.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from api.terminal import __main__ as terminal
from api.terminal.deciding import End
from dev.issuer.clients import TERMINAL_CLIENT
from dev.stack.places import Places, Record, default_state, read_record
from dev.stack.tokens import NoStack
from dev.stack.trail import distinct, trails
from shared.errors import Fault
from shared.seals import public_text
from shared.settings import TerminalSettings, read_terminal_settings
from worker.key_files import PROOF_FILE, RECEIPT_FILE, SEAL_FILE, older, public_half


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options of `approve`."""
    terminal.add_arguments(parser)
    parser.add_argument("--state", type=Path, help="folder of the stack; default .infragate")


def run(options: Namespace) -> int:
    """Shows the plan and lets the person decide; returns the exit code."""
    places = Places(state=(options.state or default_state()).resolve())
    try:
        record = read_record(places)
        if record is None:
            raise NoStack(f"No stack has run with the state {places.state}: `infragate up` first.")
        settings = pinned(record, distinct([trail.keys_root for trail in trails(places.state)]))
    except Fault as fault:
        print(fault, file=sys.stderr)
        return End.CANNOT
    return terminal.run(settings, options.plan, browser=not options.no_browser)


def pinned(record: Record, folders: list[Path]) -> TerminalSettings:
    """Returns the settings for a stack whose workers keep their keys in `folders`.

    Raises:
        BadConfiguration: there is no such key, or it cannot be read.
    """
    seal, receipt, proof = (
        list(_publics(folders, name)) for name in (SEAL_FILE, RECEIPT_FILE, PROOF_FILE)
    )
    return read_terminal_settings(
        {
            "INFRA_GATE_APPROVAL_BASE_URL": record.approvals,
            "INFRA_GATE_OAUTH_AUTHORITY": record.issuer,
            "INFRA_GATE_APPROVAL_CLI_CLIENT_ID": TERMINAL_CLIENT,
            "INFRA_GATE_SEAL_PUBLIC_KEYS": ",".join(seal),
            "INFRA_GATE_RECEIPT_PUBLIC_KEYS": ",".join(receipt),
            "INFRA_GATE_PROOF_PUBLIC_KEY": proof[0] if proof else "",
        }
    )


def _publics(folders: list[Path], name: str) -> Iterator[str]:
    """The public halves of a key and of its predecessors that still count, in each folder."""
    for folder in folders:
        path = folder / name
        for file in (path, *older(path)):
            if file.exists():
                yield public_text(public_half(file))
