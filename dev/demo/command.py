"""`infragate demo`: on the stack that runs, else on one of its own that is gone afterwards."""

import asyncio
import os
import shutil
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console

from dev.demo.agent import connected
from dev.demo.person import Person
from dev.demo.story import NAMESPACE, play
from dev.demo.telling import Teller
from dev.stack.alone import alone, is_running
from dev.stack.opening import claimed, opened, wish_from
from dev.stack.places import Places, Record, default_state, read_record
from dev.stack.running import ToldToStop, noted_signals
from dev.stack.tokens import token
from shared.errors import Fault

REQUESTER: Final = "dev-requester"
APPROVER: Final = "dev-approver"
AS_PROMISED: Final = 0
FAILED: Final = 1
INTERRUPTED: Final = 130


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options of `demo`."""
    add = parser.add_argument
    add("--state", type=Path, help="folder of the stack to use; default .infragate")
    add("--kubeconfig", type=Path, help="a real cluster for a stack of its own")
    add("--own", action="store_true", help="a stack of its own, even if one runs")
    add("--strict", action="store_true", help="a stack of its own with a process for each part")
    add("--keep", action="store_true", help="keep state and logs of a stack of its own")
    add("--no-color", action="store_true", help="plain output")


def run(options: Namespace) -> int:
    """Plays the story; returns 0 if every step went as promised."""
    tell = Teller(Console(no_color=options.no_color, highlight=False, soft_wrap=True))
    began = time.monotonic()
    try:
        with _stack(options, tell) as (where, record):
            _play(where, record, tell)
    except (KeyboardInterrupt, ToldToStop):
        tell.head("\nInterrupted.")
        return INTERRUPTED
    except Fault as fault:
        tell.head(f"\nThe demo failed: {fault}")
        return FAILED
    tell.head(f"\nEverything went as promised, in {time.monotonic() - began:.1f} s.")
    return AS_PROMISED


def _play(where: Places, record: Record, tell: Teller) -> None:
    async def story() -> None:
        shown = token(where, REQUESTER)
        async with connected(record.mcp, shown) as agent:
            with Person(APPROVER, record.issuer) as person:
                await play(agent, person, tell)

    try:
        asyncio.run(story())
    except BaseExceptionGroup as group:
        raise _cause(group) from group


@contextmanager
def _stack(options: Namespace, tell: Teller) -> Iterator[tuple[Places, Record]]:
    where = Places(state=(options.state or default_state()).resolve())
    record = read_record(where)
    own = options.own or options.kubeconfig or (options.strict and not (record and record.strict))
    if record is not None and is_running(where) and not own:
        strict = ", strict" if record.strict else ""
        tell.head(f"On the stack that runs at {record.mcp}{strict}")
        yield where, record
        return
    with ExitStack() as cleanup:
        folder = tempfile.mkdtemp(prefix="infragate-demo-")
        cleanup.callback(_leave, Path(folder), keep=options.keep, tell=tell)
        with _own_stack(Places(state=Path(folder).resolve()), options, tell) as own:
            yield own


@contextmanager
def _own_stack(where: Places, options: Namespace, tell: Teller) -> Iterator[tuple[Places, Record]]:
    """A stack on free ports; the cluster of the environment is left alone unless it is named."""
    wish = wish_from(
        kubeconfig=options.kubeconfig,
        sandbox=options.kubeconfig is None,
        namespaces=NAMESPACE,
        workers=1,
        environment=os.environ,
        strict=options.strict,
    )
    kind = (", strict" if options.strict else "") + ("" if wish.kubeconfig else ", simulated")
    tell.head(f"Starting a stack of its own{kind}")
    with alone(where), ExitStack() as held:
        with noted_signals() as signals:
            record = claimed(
                where,
                gateway_port=0,
                issuer_port=0,
                approvals_port=0 if options.strict else None,
            )
            held.enter_context(
                opened(
                    where,
                    record,
                    wish,
                    signals,
                    lambda part, seconds: tell.quiet(f"{part.title} {seconds:.1f} s"),
                )
            )
        yield where, record


def _leave(folder: Path, *, keep: bool, tell: Teller) -> None:
    if keep:
        tell.quiet(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What really happened, out of the task groups of the client."""
    first = group.exceptions[0]
    return _cause(first) if isinstance(first, BaseExceptionGroup) else first
