"""What every group of figures gets: the load, the cluster, and how much to do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Budget, Found
from bench.load.drives import Drive
from bench.load.loader import Loader
from bench.timing import Timed, joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """One run. `kubeconfig` None means the simulated cluster; `admin` may create namespaces."""

    load: Loader
    kubeconfig: Path | None = None
    admin: Path | None = None
    peers: Path | None = None
    """The folder that `install-peers` has filled."""
    rounds: int = 5
    quick: bool = False
    """A tenth of everything: shows that it works, its figures are worth nothing."""

    @property
    def cluster(self) -> str:
        """Returns what the cluster is."""
        return "simulated" if self.kubeconfig is None else "real"

    def on_real(self, budget: Budget) -> Budget | None:
        """Returns a budget that is about a real API server; None beside a simulated one.

        That one answers five times faster, so whatever is ours looks larger beside it.
        """
        return budget if self.kubeconfig else None

    def few(self, number: int, *, least: int = 1) -> int:
        """Returns `number`, or a tenth of it when in a hurry."""
        return max(least, number // 10) if self.quick else number

    def in_turns(self, *drives: Drive) -> list[Timed]:
        """Returns what each of the drives took: several rounds, in turns.

        So that a machine that slows down slows all of them. The first round is not counted.

        Raises:
            LoadFailed: a call was not answered.
        """
        rounds: list[list[Timed]] = [[] for _ in drives]
        for number in range(self.rounds + 1):
            for taken, drive in zip(rounds, drives, strict=True):
                driven = self.load.drive(drive)
                if number:
                    taken.append(driven.timed())
        return [joined(taken) for taken in rounds]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Figures that are measured on one stage. `name` is what `--only` takes."""

    name: str
    about: str
    measure: Callable[[Bench], Found]
