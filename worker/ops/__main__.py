"""Starts an operator's command: `python -m worker.ops COMMAND`. What they do is in their modules.

Exit codes: 0 all is well, 1 something is wrong with what was looked at, 2 it could not be done.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

from shared.errors import Fault
from worker.ops.telling import CANNOT, complain

COMMANDS: Final = {
    "audit": ("worker.ops.audit", "check the audit log, show or export the story of one plan"),
    "keys": ("worker.ops.keys", "show, make, rotate and retire a worker's keys"),
    "resolve": ("worker.ops.resolve", "end a plan whose outcome is not known, on a person's word"),
    "passkeys": ("worker.ops.passkeys", "enroll an approver's passkey; show those of a policy"),
    "doctor": ("worker.ops.doctor", "check what a worker depends on, and say how to mend it"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code. Imports no other one."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="python -m worker.ops", description="What an operator runs where a worker runs."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run: Callable[[argparse.Namespace], int] | None = None
    for name, (module_name, summary) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if given[:1] == [name]:
            module = import_module(module_name)
            module.add_arguments(subparser)
            run = module.run
    options = parser.parse_args(given)
    try:
        return run(options) if run is not None else parser.exit(CANNOT)
    except Fault as fault:
        complain(str(fault))
        return CANNOT


if __name__ == "__main__":
    sys.exit(main())
