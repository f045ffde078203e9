"""The command `infragate`: which sub-commands there are. What they do is in their own modules."""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Final

COMMANDS: Final = {
    "approve": ("dev.stack.approval", "show a plan in this terminal and sign in to approve it"),
    "audit": ("dev.stack.audit", "check the audit log; show or export the story of one plan"),
    "keys": ("dev.stack.keys", "show, make, rotate and retire the workers' keys"),
    "passkeys": ("dev.stack.passkeys", "enroll an approver's passkey; show those of a policy"),
    "up": ("dev.stack.up", "start everything on this machine; Ctrl-C stops it"),
    "demo": ("dev.demo.command", "play the whole story, step by step"),
    "doctor": ("dev.stack.checkup", "check what the workers depend on, and say how to mend it"),
    "resolve": ("dev.stack.resolving", "end a plan whose outcome is not known, on your word"),
    "top": ("dev.top.command", "watch workers, queues, plans and calls, live"),
    "token": ("dev.stack.tokens", "print an access token of the running stack, for curl"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one sub-command and returns its exit code. Imports no other one."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="infragate", description="InfraGate on a laptop.")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run: Callable[[argparse.Namespace], int] | None = None
    for name, (module_name, summary) in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if given[:1] == [name]:
            module = import_module(module_name)
            module.add_arguments(subparser)
            run = module.run
    options = parser.parse_args(given)
    return run(options) if run is not None else parser.exit(2)


if __name__ == "__main__":
    sys.exit(main())
