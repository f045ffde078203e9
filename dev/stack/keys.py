"""`infragate keys`: the operator's `keys` in the folders of the stack's workers."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from dev.stack.trail import distinct, trails
from shared.errors import Fault
from worker.ops import keys
from worker.ops.telling import CANNOT


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options of `keys`."""
    for action in keys.add_arguments(parser):
        action.add_argument("--state", type=Path, help="folder of the stack; default .infragate")


def run(options: Namespace) -> int:
    """Runs the command where the stack's keys are, unless options say where; returns its code."""
    try:
        if options.action == "make" or options.keys is not None:
            return keys.run(options)
        folders = distinct([trail.keys_root for trail in trails(options.state)])
        names = [keys.FILES[options.key]] if "key" in options else list(keys.FILES.values())
        # a reader has none
        folders = [one for one in folders if any((one / name).exists() for name in names)]
        codes = [keys.run(Namespace(**{**vars(options), "keys": one})) for one in folders]
        return max(codes) if codes else keys.run(options)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return CANNOT
