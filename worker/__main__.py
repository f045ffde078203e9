"""Starts a worker: `infragate-worker [--roles read,plan,apply] [--cluster NAME]`.

Exit codes: 0 stopped as told, 1 could not go on, 2 the configuration cannot be used.
"""

import argparse
import sys
from collections.abc import Sequence
from typing import Final

from shared.errors import AuditUnavailable, BadConfiguration, ClusterFault
from shared.logs import Log, configure
from shared.metrics import served
from shared.settings import read_worker_settings
from shared.traces import traced
from worker.app import make_context
from worker.context import Context
from worker.serving import FAILED, serve
from worker.sizing import sized
from worker.verbs import VERBS

MISCONFIGURED: Final = 2

_log = Log("worker")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a worker until it is told to stop; returns the exit code."""
    try:
        settings = read_worker_settings(**_given(arguments))
        configure("worker", settings.log_format)
        settings = sized(settings)
        with traced(settings, "infragate-worker") as tracer:
            context = make_context(settings, tracer)
            _require_safe_cluster(context)
            with served(context.metrics.registry, settings.metrics_address, settings.metrics_port):
                return serve(context, VERBS)
    except BadConfiguration as problem:
        sys.stderr.write(f"{problem}\n")
        return MISCONFIGURED
    except (AuditUnavailable, ClusterFault) as fault:
        _log.error("worker.cannot_start", code=fault.code, cause=str(fault))
        return FAILED


def _given(arguments: Sequence[str] | None) -> dict[str, str]:
    """What the command line says, under the names of the variables that it overrides."""
    parser = argparse.ArgumentParser(
        prog="infragate-worker",
        description="Does what gateways ask, on one cluster. Settings come from the environment.",
    )
    parser.add_argument("--roles", help="comma separated: read, plan, apply")
    parser.add_argument("--cluster", help="name of the cluster in queues and plans")
    parsed = parser.parse_args(arguments)
    given = {"INFRA_GATE_WORKER_ROLES": parsed.roles, "INFRA_GATE_CLUSTER": parsed.cluster}
    return {name: value for name, value in given.items() if value is not None}


def _require_safe_cluster(context: Context) -> None:
    """What Production refuses and the environment does not show.

    Raises:
        BadConfiguration: the kubeconfig is unsafe, or the cluster is the sandbox.
        ClusterFault: the cluster does not say what it is.
    """
    if not context.settings.production:
        return
    if context.cluster.hazards:
        raise BadConfiguration(
            f"Production refuses a kubeconfig with {', '.join(context.cluster.hazards)}."
        )
    if context.cluster.identity.simulated:
        raise BadConfiguration("Production refuses the simulated cluster.")


if __name__ == "__main__":
    sys.exit(main())
