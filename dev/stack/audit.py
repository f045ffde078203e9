"""`infragate audit`: the operator's `audit` on what the stack's workers left behind."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from dev.stack.trail import distinct, trails
from shared.errors import Fault
from shared.seals import public_text
from worker.ops import audit
from worker.ops.believing import workers_keys
from worker.ops.telling import CANNOT


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options of `audit`."""
    for action in audit.add_arguments(parser):
        action.add_argument("--state", type=Path, help="folder of the stack; default .infragate")


def run(options: Namespace) -> int:
    """Runs the command on the stack's files, unless options name others; returns its exit code."""
    try:
        found = trails(options.state)
        if not options.root and found:
            logs = distinct([trail.audit_root for trail in found])
            by_root = {trail.audit_root: trail.anchors for trail in found}
            options.root = logs
            options.anchors = options.anchors or [by_root[root] for root in logs]
        if not options.seal_key and not options.receipt_key:
            believed = [workers_keys(trail) for trail in found]
            options.seal_key = [public_text(key) for keys in believed for key in keys.seal]
            options.receipt_key = [public_text(key) for keys in believed for key in keys.receipt]
        return audit.run(options, found[0] if found else None)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return CANNOT
