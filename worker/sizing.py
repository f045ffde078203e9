"""How many calls a worker takes at a time, where nobody has set it: by the processors it may use.

Those are what its affinity and its control group allow (cgroup v2 `cpu.max`, v1 `cpu.cfs_quota_us`
and `cpu.cfs_period_us`, https://docs.kernel.org/admin-guide/cgroup-v2.html), not what the host has.
"""

import math
import os
from pathlib import Path, PurePosixPath
from typing import Final

from shared.logs import Log
from shared.settings import WorkerSettings

PER_CPU: Final = 8
"""Threads wait for the API server most of the time."""

FEWEST: Final = 4
MOST: Final = 16
"""More run no faster in one process, whose threads share one interpreter: start another one."""

GROUPS: Final = Path("/sys/fs/cgroup")
MEMBERSHIP: Final = Path("/proc/self/cgroup")

_log = Log("worker.sizing")


def sized(settings: WorkerSettings) -> WorkerSettings:
    """Returns the settings with a number of threads that fits, unless one was set; logs it."""
    if "threads" in settings.model_fields_set:
        return settings
    cpus = usable_cpus()
    threads = threads_for(cpus)
    _log.info("worker.sized", cpus=round(cpus, 2), threads=threads)
    return settings.model_copy(update={"threads": threads})


def threads_for(cpus: float) -> int:
    """Returns how many calls at a time fit so many processors."""
    return max(FEWEST, min(MOST, math.ceil(PER_CPU * cpus)))


def usable_cpus(*, groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> float:
    """Returns how many processors this process may keep busy; a limit of time may be a fraction."""
    return min([float(_affinity()), *_quotas(groups, membership)])


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(groups: Path, membership: Path) -> list[float]:
    """The limits of this process's group and of all those above it, as numbers of processors."""
    quotas: list[float] = []
    for line in _text(membership).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            top, limit_of = groups, _limit_v2
        elif "cpu" in controllers.split(","):
            top, limit_of = groups / "cpu", _limit_v1
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        limits = (limit_of(top / group) for group in (own, *own.parents))
        quotas += [limit for limit in limits if limit is not None]
    return quotas


def _limit_v2(group: Path) -> float | None:
    quota, _, period = _text(group / "cpu.max").partition(" ")
    return _ratio(quota, period)


def _limit_v1(group: Path) -> float | None:
    return _ratio(_text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float | None:
    """None: no limit (`max`, -1), or nothing that could be read as one."""
    try:
        limit = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return limit if limit > 0 else None


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii")
    except (OSError, ValueError):
        return ""
