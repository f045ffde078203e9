"""`make bench`: starts what it needs, measures, prints one table; JSON, Markdown, plots beside it.

On the simulated cluster unless `--kubeconfig` names a real one. Ours and the reference are taken
in turns within one run: absolute values say what machine this was, ratios hold elsewhere too.
"""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import plots, report
from bench.bench import Bench
from bench.figures import Found
from bench.groups import GROUPS
from bench.load.loader import loader
from bench.machine import Machine, this_machine
from bench.report import Report
from dev.stack.running import ToldToStop
from shared.errors import Fault

RESULTS: Final = Path(__file__).parent / "results"
MEASURED: Final = 0
NOT_ALL: Final = 1
WIDTH: Final = 130
"""Of a table that goes to a file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures once; the exit code says whether everything could be, not how fast it is."""
    options = _parser().parse_args(arguments)
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    machine = this_machine()
    chosen = [group for group in GROUPS if not options.only or group.name in options.only]
    found: list[Found] = []
    failed = 0
    with loader() as load:
        bench = Bench(
            load=load,
            kubeconfig=options.kubeconfig and options.kubeconfig.resolve(),
            admin=options.admin_kubeconfig and options.admin_kubeconfig.resolve(),
            peers=options.peers and options.peers.resolve(),
            rounds=1 if options.quick else options.rounds,
            quick=options.quick,
        )
        for group in chosen:
            console.print(f"[dim]{group.name}: {group.about}[/]")
            try:
                found.append(group.measure(bench))
            except ToldToStop:
                return NOT_ALL
            except Fault as fault:
                failed += 1
                found.append(Found(not_run=(f"{group.name}: {fault}",)))
    _tell(_report(bench, machine, found), options.out, console)
    return NOT_ALL if failed else MEASURED


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("--only", type=_groups, default=(), help=f"comma separated: {', '.join(_NAMES)}")
    add("--quick", action="store_true", help="shows that it works; figures are worth nothing")
    add("--rounds", type=int, default=5, help="in turns with the reference; default 5")
    add("--kubeconfig", type=Path, help="a real cluster with the demo namespace")
    add("--admin-kubeconfig", type=Path, help="may create a namespace and 5,000 Pods there")
    add("--peers", type=Path, help="folder of bench/install-peers")
    add("--out", type=Path, default=RESULTS, help="folder for JSON, Markdown and plots")
    return parser


_NAMES: Final = tuple(group.name for group in GROUPS)


def _groups(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if unknown := set(names) - set(_NAMES):
        raise ArgumentTypeError(f"no such group: {', '.join(sorted(unknown))}")
    return names


def _report(bench: Bench, machine: Machine, found: Sequence[Found]) -> Report:
    return Report(
        cluster=bench.cluster,
        machine=machine,
        rounds=bench.rounds,
        quick=bench.quick,
        figures=tuple(figure for one in found for figure in one.figures),
        curves=tuple(curve for one in found for curve in one.curves),
        not_run=tuple(why for one in found for why in one.not_run),
    )


def _tell(made: Report, folder: Path, console: Console) -> None:
    console.print(report.terminal(made))
    for why in made.not_run:
        console.print(f"not run: {why}", markup=False)
    folder.mkdir(parents=True, exist_ok=True)
    document = json.dumps(made.document(), indent=2, ensure_ascii=False)
    (folder / f"{made.cluster}.json").write_text(document + "\n", "utf-8")
    (folder / f"{made.cluster}.md").write_text(report.markdown(made), "utf-8")
    image = folder / f"{made.cluster}.svg"
    if made.curves and not plots.draw(made.curves, made.title, image):
        console.print("No image: matplotlib is not installed; `make bench` installs it.")
    console.print(f"JSON, Markdown and image: {folder}/{made.cluster}.*", markup=False)


if __name__ == "__main__":
    sys.exit(main())
