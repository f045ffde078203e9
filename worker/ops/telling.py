"""How the operator's commands speak: plain lines, in which nothing that was read steers a terminal.

What was read may have been written by an attacker, so every line passes `shared.display.visible`.
"""

import os
import sys
from datetime import UTC, datetime
from typing import Final

from shared.display import visible

WELL: Final = 0
WRONG: Final = 1
CANNOT: Final = 2
"""Exit codes."""


def tell(line: str = "") -> None:
    """Prints one line; ends the command when nobody reads on, as with `| head`."""
    try:
        sys.stdout.write(one_line(line) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        raise SystemExit(CANNOT) from None


def complain(text: str) -> None:
    """Prints what could not be done on standard error."""
    for line in text.splitlines():
        sys.stderr.write(one_line(line) + "\n")


def one_line(text: str) -> str:
    """Returns the text on one line, with everything that hides or deceives written out."""
    return visible(text).replace("\n", "<U+000A>").replace("\t", "<U+0009>")


def clock_time(epoch_s: int) -> str:
    """Returns a time as people write it, UTC."""
    try:
        return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{epoch_s} s"
