"""`infragate token`: an access token of the running stack, alone on standard output, for curl."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from dev.stack.alone import is_running
from dev.stack.places import Places, default_state, read_record
from shared.errors import Fault


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options of `token`."""
    add = parser.add_argument
    add("--as", dest="subject", default="dev-requester", help="whose token; default dev-requester")
    add("--scope", default="mcp:tools", help="what it may do; default mcp:tools")
    add("--state", type=Path, help="folder of the stack; default .infragate")


def run(options: Namespace) -> int:
    """Prints the token, or what is missing on standard error; returns the exit code."""
    where = Places(state=(options.state or default_state()).resolve())
    try:
        print(token(where, options.subject, options.scope))
    except Fault as fault:
        print(f"{fault}", file=sys.stderr)
        return 1
    return 0


def token(where: Places, subject: str, scope: str = "mcp:tools") -> str:
    """Returns an access token for a demo person, from the stack that runs with this state.

    Raises:
        Fault: no stack runs, or its issuer refuses; the text says what to do.
    """
    from dev.issuer.minting import mint_token  # noqa: PLC0415 - no stack, no need for it

    record = read_record(where)
    if record is None or not is_running(where):
        raise NoStack(f"No stack runs with the state {where.state}. Run `infragate up` first.")
    return mint_token(record.issuer, where.issuer, subject, scope, record.mcp)


class NoStack(Fault):
    """There is no running stack; the text says how to get one."""

    code = "no_stack"
