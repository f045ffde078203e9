"""What the figures were measured on. Names no host."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from dev.redis_server import find_server
from shared.release import VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Enough to judge absolute values by."""

    cores: int
    processor: str
    system: str
    python: str
    redis: str
    infragate: str
    load_before: float
    """How many processes wanted a core just before: more than a few tenths disturb everything."""

    def __str__(self) -> str:
        """Returns it in one line."""
        return (
            f"{self.cores} cores ({self.processor}), {self.system}, Python {self.python}, "
            f"{self.redis}, InfraGate {self.infragate}; load before: {self.load_before:.1f}"
        )


def this_machine() -> Machine:
    """Returns what this process runs on, and may use of it."""
    affinity = getattr(os, "sched_getaffinity", None)
    return Machine(
        cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        processor=_processor() or platform.processor() or platform.machine(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        redis=find_server().name,
        infragate=VERSION,
        load_before=os.getloadavg()[0],
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return ""
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else ""
