"""Asks several things of a cluster at once, since each waits for the network. Nothing else."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import Any, Final

MAX_THREADS: Final = 16
"""For all calls of a worker; what is asked here never asks in turn, so it cannot lock itself up."""


def together(*questions: Callable[[], Any]) -> list[Any]:
    """The answers, in the order of the questions. Raises the first failure in that order."""
    first, *others = questions
    pool = _threads()
    waiting = [pool.submit(copy_context().run, question) for question in others]
    try:
        return [first(), *(answer.result() for answer in waiting)]
    finally:
        for answer in waiting:
            answer.cancel()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="cluster")
