"""Speaking with the person at a terminal: lines out, answers in. Decides nothing."""

from collections.abc import Iterable
from os import terminal_size
from typing import Final, TextIO

from api.terminal.lines import guarded

NARROWEST: Final = 20
LOWEST: Final = 5


class Talk:
    """One person's terminal. `size` is None where nobody watches: nothing pauses there."""

    def __init__(self, heard: TextIO, said: TextIO, *, size: terminal_size | None = None) -> None:
        self._heard = heard
        self._said = said
        self._size = size

    @property
    def is_person(self) -> bool:
        """Says whether somebody is there to decide: a pipe is nobody."""
        return self._heard.isatty()

    def say(self, *lines: str) -> None:
        """Prints lines."""
        for line in lines:
            self._said.write(guarded(line) + "\n")
        self._said.flush()

    def show(self, lines: Iterable[str]) -> None:
        """Prints lines, waiting for the person after each screen, so that none passes unseen."""
        told = list(lines)
        if self._size is None or not self.is_person:
            self.say(*told)
            return
        width, height = max(self._size.columns, NARROWEST), max(self._size.lines, LOWEST) - 2
        used = 0
        for number, line in enumerate(told):
            rows = 1 + max(len(guarded(line)) - 1, 0) // width
            if used and used + rows > height:
                self.ask(f"-- {len(told) - number} more lines, press Enter --")
                used = 0
            self.say(line)
            used += rows

    def ask(self, question: str) -> str:
        """Returns what the person types; nothing when they have gone."""
        self._said.write(guarded(question) + " ")
        self._said.flush()
        return self._heard.readline().strip()
