"""Our worker with a verb that does nothing: what is left is the queue.

`python -m bench.hop_worker`; settings come from the environment, as for `python -m worker`.
"""

import sys
from dataclasses import replace
from typing import cast

from shared.errors import Refusal
from shared.logs import configure
from shared.manifests import JSON
from shared.messages import ApplyCall, PlanCall, ReadCall
from shared.settings import read_worker_settings
from worker.app import make_context
from worker.cluster import Cluster, ClusterIdentity
from worker.context import Context, Report
from worker.serving import serve


class NoCluster:
    """Knows who it is and nothing more."""

    def __init__(self, name: str) -> None:
        self.identity = ClusterIdentity(
            name=name,
            uid="bench",
            uid_source="kube-system",
            ca_sha256="",
            version=(1, 36),
            server_strict=True,
            has_endpoint_slices=True,
            git_version="v1.36.0",
        )


def read(call: ReadCall, _: Context, __: Report) -> JSON | Refusal:
    """Does nothing."""
    return {"echo": call.arguments}


def nothing(_: PlanCall | ApplyCall, __: Context, ___: Report) -> JSON | Refusal:
    """Is not asked for here."""
    return Refusal(code="not_here", message="This worker only reads.")


def main() -> int:
    """Runs until it is told to stop."""
    settings = read_worker_settings()
    configure("worker", settings.log_format)
    context = replace(make_context(settings), cluster=cast("Cluster", NoCluster(settings.cluster)))
    return serve(context, {"read": read, "plan": nothing, "apply": nothing})


if __name__ == "__main__":
    sys.exit(main())
