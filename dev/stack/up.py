"""`infragate up`: everything on this machine, ready in seconds, gone with Ctrl-C."""

import os
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape

from dev.stack import banner, places
from dev.stack.alone import alone
from dev.stack.opening import claimed, measured, opened, wish_from
from dev.stack.parts import Part
from dev.stack.places import Places
from dev.stack.running import ToldToStop, noted_signals
from shared.errors import BadConfiguration, Fault

STOPPED: Final = 0
FAILED: Final = 1
REFUSED: Final = 2


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options of `up`."""
    add = parser.add_argument
    add("--port", type=int, default=places.GATEWAY_PORT, help="of gateway and approval pages")
    add("--strict", action="store_true", help="a process and a Redis user for each part")
    add("--approvals-port", type=int, default=places.APPROVALS_PORT, help="of strict pages")
    add("--issuer-port", type=int, default=places.ISSUER_PORT, help="of the development issuer")
    add("--host", choices=places.HOSTS, default=places.HOSTS[0], help="passkeys need localhost")
    add("--kubeconfig", type=Path, help="a real cluster; default KUBECONFIG, else a simulated one")
    add("--reader-kubeconfig", type=Path, help="of the strict reader; default --kubeconfig")
    add("--planner-kubeconfig", type=Path, help="of the strict planner; default --kubeconfig")
    add("--sandbox", action="store_true", help="the simulated cluster, even if KUBECONFIG is set")
    add("--namespaces", default=places.NAMESPACE, help="comma separated; what agents may see")
    add("--workers", type=int, default=1, help="worker processes of each kind")
    add("--state", type=Path, help="folder that survives; default .infragate")
    add("--no-color", action="store_true", help="plain output")


def run(options: Namespace) -> int:
    """Runs the stack until it is told to stop or a part fails; returns the exit code."""
    screen = Screen(Console(no_color=options.no_color, highlight=False, soft_wrap=True))
    try:
        _run(options, screen)
    except ToldToStop:
        screen.stopped()
        return STOPPED
    except Fault as fault:
        screen.failed(fault)
        return REFUSED if isinstance(fault, BadConfiguration) else FAILED
    return STOPPED


def _run(options: Namespace, screen: "Screen") -> None:
    where = Places(state=(options.state or places.default_state()).resolve())
    wish = wish_from(
        kubeconfig=options.kubeconfig,
        sandbox=options.sandbox,
        namespaces=options.namespaces,
        workers=options.workers,
        environment=os.environ,
        strict=options.strict,
        reader_kubeconfig=options.reader_kubeconfig,
        planner_kubeconfig=options.planner_kubeconfig,
    )
    with alone(where), noted_signals() as signals:
        record = claimed(
            where,
            gateway_port=options.port,
            issuer_port=options.issuer_port,
            host=options.host,
            approvals_port=options.approvals_port if options.strict else None,
        )
        screen.starting(where)
        record = measured(where, record, wish)
        with opened(where, record, wish, signals, screen.ready) as stack:
            screen.tell(banner.sections(where, record, wish))
            try:
                stack.watch()
            finally:
                screen.stopping()


class Screen:
    """What the person sees: plain lines when it is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began = time.monotonic()

    def starting(self, where: Places) -> None:
        """Says what happens and where the files are."""
        self._began = time.monotonic()
        self._console.print(
            f"[bold]InfraGate[/] for development, state in {escape(str(where.state))}"
        )

    def ready(self, part: Part, seconds: float) -> None:
        """Ticks a part off."""
        self._console.print(f"  [green]✓[/] {escape(part.title)} [dim]{seconds:.1f} s[/]")

    def tell(self, sections: list[tuple[str, list[str]]]) -> None:
        """Says that everything is ready, and how to use it."""
        took = time.monotonic() - self._began
        self._console.print(f"\n[bold green]Ready[/] after {took:.1f} s. Ctrl-C stops everything.")
        for title, lines in sections:
            self._console.print(f"\n[bold]{escape(title)}[/]")
            for line in lines:
                self._console.print(f"  {line}", markup=False)

    def stopping(self) -> None:
        """Notes when stopping began."""
        self._began = time.monotonic()
        self._console.print("\nStopping …")

    def stopped(self) -> None:
        """Says that nothing runs any more."""
        self._console.print(f"Stopped everything in {time.monotonic() - self._began:.1f} s.")

    def failed(self, fault: Fault) -> None:
        """Says what went wrong and what to do."""
        self._console.print(f"[bold red]{escape(str(fault))}[/]")
