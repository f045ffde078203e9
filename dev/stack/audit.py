"""`infragate audit`: the operator's `audit` on what the stack's workers left behind."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from dev.stack.trail import distinct, trails
from shared.errors import Fault
from shared.seals import public_text
from shared.settings import TrailSettings
from worker.ops import audit, keys
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
            by_root = {trail.audit_root: _anchors(trail) for trail in found}
            options.root = logs
            options.anchors = options.anchors or [by_root[root] for root in logs]
        if not options.seal_key and not options.receipt_key:
            believed = [workers_keys(trail) for trail in found]
            options.seal_key = [public_text(key) for one in believed for key in one.seal]
            options.receipt_key = [public_text(key) for one in believed for key in one.receipt]
        return audit.run(options, found[-1] if found else None)  # the last one applies
    except Fault as fault:
        print(fault, file=sys.stderr)
        return CANNOT


def _anchors(trail: TrailSettings) -> Path | None:
    """A reader has no key and anchors nothing."""
    files = (trail.keys_root / name for name in keys.FILES.values())
    return trail.anchors if any(file.exists() for file in files) else None
