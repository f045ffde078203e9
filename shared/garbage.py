"""Keeps Python's collector of garbage from looking again and again at what lives on anyway.

A full collection walks every container there is: here all modules, models and schemas, for 50 ms
and more, during which nobody gets an answer. Under load those were the slowest of a hundred calls.
How often it collects stays as Python has it: less often costs memory and gained nothing.
"""

import gc


def spare_what_lives_on() -> None:
    """Takes what this process has made so far out of all later collections.

    To be called once, when everything is imported and put together, before the first call.
    """
    gc.collect()
    gc.freeze()
