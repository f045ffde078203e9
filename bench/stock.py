"""Celery as it comes: a broker, a result backend, a task that returns what it gets.

Its worker is `celery -A bench.stock worker`, with Celery's own defaults and two processes.
"""

import os

from celery import Celery

app = Celery("stock", broker=os.environ.get("BENCH_REDIS"), backend=os.environ.get("BENCH_REDIS"))
app.conf.broker_connection_retry_on_startup = True  # the default, said, so that it does not warn


@app.task
def echo(value: dict[str, str]) -> dict[str, str]:
    """Does nothing."""
    return value
