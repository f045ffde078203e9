"""`make bench`: starts a stack of its own, measures, prints one table and writes it as JSON.

On the simulated cluster unless `--kubeconfig` names a real one. Figures are ratios within one run:
the absolute times say what machine this was.
"""

import asyncio
import json
import os
import sys
import tempfile
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.figures import Direct, Figure, measured
from dev.demo.agent import connected
from dev.stack.alone import alone
from dev.stack.opening import claimed, opened, wish_from
from dev.stack.places import Places, Record
from dev.stack.running import noted_signals
from dev.stack.tokens import token

RESULTS: Final = Path(__file__).parent / "results"


def main() -> int:
    """Measures once; the exit code says whether it could, not how fast it is."""
    parser = ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, help="a real cluster with the demo namespace")
    options = parser.parse_args()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="infragate-bench-") as folder:
        where = Places(state=Path(folder).resolve())
        wish = wish_from(
            kubeconfig=options.kubeconfig,
            sandbox=options.kubeconfig is None,
            namespaces="mcp-nginx-demo",
            workers=1,
            environment=os.environ,
        )
        kubeconfig = options.kubeconfig or where.sandbox / "applier.kubeconfig"
        with alone(where), noted_signals() as signals:
            record = claimed(where, gateway_port=0, issuer_port=0)
            with opened(where, record, wish, signals, lambda _part, _seconds: None):
                figures = asyncio.run(_measure(where, record, kubeconfig))
    cluster = "simulated" if options.kubeconfig is None else "real"
    console.print(_table(figures, cluster))
    _write(figures, cluster)
    return 0


async def _measure(where: Places, record: Record, kubeconfig: Path) -> tuple[Figure, ...]:
    async with connected(record.mcp, token(where, "dev-requester")) as agent:
        direct = Direct(kubeconfig)
        async with direct.http:
            return await measured(agent, direct)


def _table(figures: tuple[Figure, ...], cluster: str) -> Table:
    table = Table(title=f"InfraGate beside direct API calls, {cluster} cluster")
    for column in ("figure", "ours", "reference", "ratio", "budget", ""):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for figure in figures:
        budget = "" if figure.budget is None else f"{figure.budget:.1f}"
        table.add_row(
            figure.name,
            figure.ours,
            figure.reference,
            f"{figure.ratio:.2f}",
            budget,
            figure.verdict,
        )
    return table


def _write(figures: tuple[Figure, ...], cluster: str) -> None:
    RESULTS.mkdir(exist_ok=True)
    rows = [{**asdict(figure), "verdict": figure.verdict} for figure in figures]
    text = json.dumps({"cluster": cluster, "figures": rows}, indent=2)
    (RESULTS / f"{cluster}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
