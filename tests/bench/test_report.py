"""The table that the bench prints, and what lies beside it."""

import io
import json

from rich.console import Console

from bench.figures import Budget, Curve, Figure, Judged, per_second, seconds, size
from bench.machine import Machine
from bench.report import Report, markdown, row, terminal

MACHINE = Machine(
    cores=2,
    processor="some",
    system="Linux",
    python="3.11",
    redis="redis-server",
    infragate="1",
    load_before=0.0,
)
GOOD = Figure(
    group="a",
    name="fast",
    ours=seconds(0.003),
    reference=seconds(0.002),
    budget=Budget(limit=3.0, beyond=2.0),
)
BAD = Figure(
    group="b",
    name="fat",
    ours=size(120e6),
    budget=Budget(limit=110e6, of=Judged.OURS),
    note="at rest",
)
SEEN = Figure(group="b", name="seen", ours=per_second(460), reference=per_second(230))


def report(**changed: bool) -> Report:
    return Report(
        cluster="simulated",
        machine=MACHINE,
        rounds=5,
        quick=changed.get("quick", False),
        figures=(GOOD, BAD, SEEN),
        curves=(Curve(name="c", x="x", y="y", lines={"one": ((1.0, 2.0),)}),),
        not_run=("peers: npm is not here",),
    )


def test_a_row_says_ours_reference_ratio_budget_and_verdict() -> None:
    assert row(GOOD) == ("fast", "3.00 ms", "2.00 ms", "1.50×", "≤ 3× (2×)", "met")  # noqa: RUF001
    assert row(BAD) == ("fat", "120.0 MB", "", "", "≤ 110.0 MB", "not met")
    assert row(SEEN) == ("seen", "460/s", "230/s", "2.00×", "", "")  # noqa: RUF001


def test_the_table_says_on_what_machine_it_was_measured() -> None:
    console = Console(record=True, width=200, file=io.StringIO())

    console.print(terminal(report()))

    assert "2 cores (some)" in console.export_text()


def test_markdown_has_machine_rows_and_what_was_not_run() -> None:
    told = markdown(report())

    assert "2 cores (some)" in told
    assert "| fat | 120.0 MB |  |  | ≤ 110.0 MB | not met | at rest |" in told
    assert told.endswith("- not run: peers: npm is not here\n")


def test_a_run_in_a_hurry_says_that_it_is_not_to_be_quoted() -> None:
    assert "not to be quoted" in markdown(report(quick=True))
    assert "not to be quoted" not in markdown(report())


def test_the_missed_ones_are_known_by_name() -> None:
    assert [figure.name for figure in report().missed] == ["fat"]


def test_the_document_is_json_with_ratio_and_verdict() -> None:
    document = json.loads(json.dumps(report().document()))

    assert [(each["name"], each["ratio"], each["verdict"]) for each in document["figures"]] == [
        ("fast", 1.5, "met"),
        ("fat", None, "not met"),
        ("seen", 2.0, ""),
    ]
    assert document["machine"]["cores"] == 2
