"""How the demo speaks: numbered steps, what happened in each, and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from shared.errors import Fault


class NotAsPromised(Fault):
    """Something did not happen as InfraGate promises; the text says what happened instead."""

    code = "not_as_promised"


def promised(kept: bool, otherwise: str) -> None:
    """Returns if `kept`.

    Raises:
        NotAsPromised: with `otherwise`, what happened instead.
    """
    if not kept:
        raise NotAsPromised(otherwise)


class Teller:
    """Writes the story to a console, plain when that is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._steps = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Heads what is said in the block, and ends it with the seconds that it took."""
        self._steps += 1
        self._console.print(f"\n[bold cyan]{self._steps}. {escape(title)}[/]")
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self._console.print("   [bold red]✗ not as promised[/]")
            raise
        self._console.print(f"   [green]✓[/] [dim]{time.monotonic() - began:.1f} s[/]")

    def say(self, text: str, *, style: str = "") -> None:
        """Says one thing, line by line."""
        for line in text.splitlines():
            self._console.print(f"   {line}", style=style or None, markup=False)

    def head(self, text: str) -> None:
        """Says something outside the steps."""
        self._console.print(text, style="bold", markup=False)

    def quiet(self, text: str) -> None:
        """Says something that is only of passing interest."""
        self.say(text, style="dim")
