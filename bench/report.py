"""The table: for a terminal, as Markdown for the documentation, and as JSON. Measures nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.table import Table

from bench.figures import Curve, Figure, Judged, Measure, Unit, Verdict, times
from bench.machine import Machine

COLUMNS: Final = ("figure", "ours", "reference", "ratio", "budget", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that one run found out."""

    cluster: str
    machine: Machine
    rounds: int
    quick: bool
    figures: tuple[Figure, ...]
    curves: tuple[Curve, ...]
    not_run: tuple[str, ...]

    @property
    def title(self) -> str:
        """Returns what this is a table of."""
        hurry = ", in a hurry: not to be quoted" if self.quick else ""
        return f"InfraGate, {self.cluster} cluster{hurry}"

    @property
    def missed(self) -> tuple[Figure, ...]:
        """Returns the figures whose budget is not met."""
        return tuple(one for one in self.figures if one.verdict is Verdict.NOT_MET)

    def document(self) -> Mapping[str, Any]:
        """Returns all of it as JSON values."""
        rows = [
            {**asdict(one), "ratio": one.ratio, "verdict": one.verdict.value}
            for one in self.figures
        ]
        return {**asdict(self), "figures": rows}


def terminal(report: Report) -> Table:
    """Returns the table for a terminal."""
    table = Table(title=report.title, caption=str(report.machine))
    for column in COLUMNS:
        table.add_column(column, justify="left" if column == COLUMNS[0] else "right")
    group = ""
    for figure in report.figures:
        if figure.group != group and group:
            table.add_section()
        group = figure.group
        table.add_row(*row(figure), style="red" if figure.verdict is Verdict.NOT_MET else None)
    return table


def markdown(report: Report) -> str:
    """Returns the table as the documentation has it, with machine and conditions."""
    lines = [f"{report.title}. {report.machine}.", "", f"| {' | '.join(COLUMNS)} | |"]
    lines.append("|---|" + "---:|" * (len(COLUMNS) - 2) + "---|---|")
    lines += [f"| {' | '.join((*row(figure), figure.note))} |" for figure in report.figures]
    lines += ["", *(f"- not run: {why}" for why in report.not_run)]
    return "\n".join(lines).rstrip() + "\n"


def row(figure: Figure) -> tuple[str, ...]:
    """Returns what stands in the columns."""
    ratio = "" if figure.ratio is None else str(times(figure.ratio))
    reference = "" if figure.reference is None else str(figure.reference)
    return (figure.name, str(figure.ours), reference, ratio, _budget(figure), figure.verdict.value)


def _budget(figure: Figure) -> str:
    budget = figure.budget
    if budget is None or figure.judged is None:
        return ""
    unit = figure.judged.unit
    limits = [Measure(value=budget.limit, unit=unit)]
    limits += [] if budget.beyond is None else [Measure(value=budget.beyond, unit=unit)]
    first, *rest = (_short(limit, budget.of) for limit in limits)
    return f"{budget.better.value} {first}" + "".join(f" ({each})" for each in rest)


def _short(limit: Measure, of: Judged) -> str:
    return f"{limit.value:g}{Unit.TIMES}" if of is Judged.RATIO else str(limit)
