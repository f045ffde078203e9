"""The command `doctor`: looks at everything that a worker depends on, and says how to mend it.

One line for each check. Exit codes: 0 nothing failed, 1 something did, 2 the settings cannot be
used. It changes nothing: no key is made, no object written, no Redis key touched.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from shared.errors import BadConfiguration, Fault
from shared.settings import WorkerSettings, read_worker_settings
from worker.ops import cluster_checks, local_checks, login_check, provider_checks, redis_checks
from worker.ops.diagnosis import Diagnosis, Mark, failed, fine

HEALTHY: Final = 0
SICK: Final = 1
UNUSABLE: Final = 2

Clock = Callable[[], float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `doctor`."""
    add = parser.add_argument
    add("--roles", help="comma separated: read, plan, apply; default INFRA_GATE_WORKER_ROLES")
    add("--login", action="store_true", help="make one real login, in a browser of yours")
    add(
        "--client-id",
        default=login_check.CLIENT,
        help=f"public client for --login; default {login_check.CLIENT}",
    )


def run(options: argparse.Namespace, clock: Clock = time.time) -> int:  # noqa: TID251 - a command
    """Prints the report; returns the exit code. `clock` gives epoch seconds."""
    given = {"INFRA_GATE_WORKER_ROLES": options.roles} if options.roles else {}
    try:
        settings = read_worker_settings(**given)
    except BadConfiguration as problem:
        mend = "correct the named variables (README, Configuration)"
        _say(str(failed("settings", str(problem), mend)))
        return UNUSABLE
    marks = [_told(diagnosis) for diagnosis in _diagnoses(settings, options, clock)]
    return SICK if Mark.FAILED in marks else HEALTHY


def _diagnoses(
    settings: WorkerSettings, options: argparse.Namespace, clock: Clock
) -> Iterator[Diagnosis]:
    yield _settings(settings)
    yield from _guarded("provider", partial(provider_checks.check, settings, clock))
    if options.login:
        login = partial(login_check.check, settings, clock, _invite, client_id=options.client_id)
        yield from _guarded("login", login)
    yield from _guarded("redis", partial(redis_checks.check, settings, clock))
    yield from _guarded("cluster", partial(cluster_checks.check, settings, clock))
    yield from local_checks.keys(settings)
    yield from local_checks.policy(settings)
    yield from local_checks.folders(settings)


def _settings(settings: WorkerSettings) -> Diagnosis:
    return fine(
        "settings",
        f"{settings.environment}; cluster {settings.cluster}; roles {', '.join(settings.roles)};"
        f" namespaces {', '.join(settings.namespaces)}",
    )


def _guarded(about: str, check: Callable[[], Iterator[Diagnosis]]) -> Iterator[Diagnosis]:
    """What breaks off one group of checks does not keep the others from being made."""
    try:
        yield from check()
    except Fault as fault:
        yield failed(about, str(fault), "mend what the lines above say, then look again")


def _told(diagnosis: Diagnosis) -> Mark:
    _say(str(diagnosis))
    return diagnosis.mark


def _invite(url: str) -> None:
    _say(f"Open this in a browser on this machine and sign in, within five minutes:\n  {url}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
