"""`infragate resolve`: the workers' own command, with the settings of the stack's applier."""

import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from dev.stack.checkup import worker_environments
from dev.stack.places import Places, default_state, read_record
from shared.messages import Role
from worker.ops import resolve
from worker.ops.telling import CANNOT


def add_arguments(parser: ArgumentParser) -> None:
    """Declares the options of `resolve`."""
    for action in resolve.add_arguments(parser):
        action.add_argument("--state-folder", type=Path, help="of the stack; default .infragate")


def run(options: Namespace) -> int:
    """Runs the command for the stack's cluster and Redis; returns its exit code."""
    places = Places(state=(options.state_folder or default_state()).resolve())
    record = read_record(places)
    if record is None:
        print("No stack was started with this state folder.", file=sys.stderr)
        return CANNOT
    environment = next(
        one
        for one in worker_environments(places, record)
        if Role.APPLY.value in one.get("INFRA_GATE_WORKER_ROLES", Role.APPLY.value)
    )
    said = ("--as", options.state, "--by", options.by, "--why", options.why)
    command = [sys.executable, "-m", "worker.ops", "resolve", options.plan]
    return subprocess.call(command + list(said if options.state else ()), env=dict(environment))
