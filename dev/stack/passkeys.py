"""`infragate passkeys`: the operator's `passkeys` for the people and pages of the stack."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from dev.stack.places import Places, default_state, read_record
from shared.errors import Fault
from worker.ops import passkeys
from worker.ops.telling import CANNOT


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options of `passkeys`."""
    for action in passkeys.add_arguments(parser):
        action.add_argument("--state", type=Path, help="folder of the stack; default .infragate")


def run(options: Namespace) -> int:
    """Runs the command, by default for the stack's issuer, pages and policy; returns its code."""
    places = Places(state=(options.state or default_state()).resolve())
    record = read_record(places)
    if record is not None and options.action != "finish":
        options.policy = options.policy or places.policy
    if record is not None and options.action == "begin":
        options.iss = options.iss or record.issuer
        options.origin = options.origin or record.approvals
    try:
        return passkeys.run(options)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return CANNOT
