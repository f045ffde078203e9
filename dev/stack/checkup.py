"""`infragate doctor`: the workers' own check, of the running stack or of this environment."""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

from dev.stack.alone import is_running
from dev.stack.parts import Wish, parts
from dev.stack.places import Places, Record, default_state, read_record


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options of `doctor`."""
    add = parser.add_argument
    add("--login", action="store_true", help="make one real login, in a browser of yours")
    add("--state", type=Path, help="folder of the stack; default .infragate")


def run(options: Namespace) -> int:
    """Prints a report for each kind of worker; returns the worst exit code."""
    places = Places(state=(options.state or default_state()).resolve())
    record = read_record(places)
    command = [sys.executable, "-m", "worker.ops", "doctor", *(["--login"] * options.login)]
    if record is None or not is_running(places):
        print("No stack runs here; this is about the worker that this environment describes.\n")
        return subprocess.call(command)
    print(f"About the stack that runs with the state {places.state}.\n", flush=True)
    return max(
        subprocess.call(command, env=dict(environment))
        for environment in worker_environments(places, record)
    )


def worker_environments(places: Places, record: Record) -> Iterator[Mapping[str, str]]:
    """Yields what the stack's workers are started with; of several alike the first."""
    wish = Wish(
        kubeconfig=_path(record.kubeconfig),
        namespaces=tuple(record.namespaces.split(",")),
        workers=1,
        reader_kubeconfig=_path(record.reader_kubeconfig),
        planner_kubeconfig=_path(record.planner_kubeconfig),
    )
    for part in parts(places, record, wish):
        if part.worker:
            yield part.environment


def _path(text: str) -> Path | None:
    return Path(text) if text else None
