"""A real worker process with verbs made up for the tests: what `worker.__main__` serves, but those.

Run as `python -m tests.journeys.queue_worker`; settings come from the environment.
"""

import sys
import threading
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

from shared.errors import ClusterTimeout, Refusal
from shared.logs import configure
from shared.manifests import JSON
from shared.messages import ApplyCall, PlanCall, ReadCall
from shared.settings import read_worker_settings
from worker.app import make_context
from worker.cluster import Cluster, ClusterIdentity
from worker.context import Context, Report
from worker.serving import serve

CANARY = "canary-4f1c7b"


class StubCluster:
    """Knows who it is and nothing more."""

    def __init__(self, name: str) -> None:
        self.identity = ClusterIdentity(
            name=name,
            uid="uid-1",
            uid_source="kube-system",
            ca_sha256="",
            version=(1, 36),
            server_strict=True,
            has_endpoint_slices=True,
            git_version="v1.36.2",
        )


@cache
def meeting(size: int) -> threading.Barrier:
    """Where `size` calls wait for one another."""
    return threading.Barrier(size)


def stay(report: Report, file: Path) -> None:
    """Says that it runs, and runs until there is such a file."""
    report(0, 1, "running")
    while not file.exists():
        threading.Event().wait(0.02)  # the test is another process


def read(call: ReadCall, context: Context, report: Report) -> JSON | Refusal:
    """Does what the tool's name says."""
    match call.tool:
        case "refuse":
            return Refusal(code="not_today", message="Ask tomorrow.", details={"day": "1"})
        case "fault":
            raise ClusterTimeout("The API server did not answer within 1 seconds.")
        case "crash":
            raise RuntimeError(f"while working on {CANARY}")
        case "wait":
            threading.Event().wait(float(str(call.arguments["seconds"])))
        case "stay":
            stay(report, Path(context.settings.evidence_root, str(call.arguments["file"])))
        case "meet":
            meeting(context.settings.threads).wait()
        case "huge":
            return "x" * (5 * 1024 * 1024)
        case _:
            pass
    return {"echo": call.arguments}


def plan(call: PlanCall, _: Context, __: Report) -> JSON | Refusal:
    """Says which operation was asked for."""
    return {"operation": call.operation}


def apply(call: ApplyCall, context: Context, report: Report) -> JSON | Refusal:
    """Reports twice and counts how often it ran."""
    report(1, 2, "halfway")
    report(2, 2, "done")
    with Path(context.settings.evidence_root, "applied").open("a", encoding="utf-8") as file:
        file.write(call.plan_id + "\n")
    return {"applied": call.plan_id}


def main() -> int:
    """Runs until it is told to stop."""
    settings = read_worker_settings()
    configure("worker", settings.log_format)
    context = replace(
        make_context(settings), cluster=cast("Cluster", StubCluster(settings.cluster))
    )
    return serve(context, {"read": read, "plan": plan, "apply": apply})


if __name__ == "__main__":
    sys.exit(main())
