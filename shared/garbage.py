"""Keeps Python's collector of garbage from looking again and again at what lives on anyway.

A full collection walks every container there is: here all modules, models and schemas, for 50 ms
and more, during which nobody gets an answer. Under load that was the slowest of a hundred calls.
"""

import gc
from typing import Final

BETWEEN: Final = (10_000, 20, 20)
"""New containers between two collections of the youngest, and of those how many lead to the next
generation (Python's own: 700, 10, 10). One call makes some thousands, nearly all without cycles."""


def spare_what_lives_on() -> None:
    """Takes what this process has made so far out of all later collections.

    To be called once, when everything is imported and put together, before the first call.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*BETWEEN)
