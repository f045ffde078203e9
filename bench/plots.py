"""The curves as images. matplotlib is in `requirements/bench.lock`, which `make bench` installs."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.figures import Curve

WIDTH_IN: Final = 5.5
HEIGHT_IN: Final = 3.8
COLUMNS: Final = 2


def draw(curves: Sequence[Curve], title: str, file: Path) -> bool:
    """Writes one image with all curves; says False, and writes none, without matplotlib."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - heavy, and only `make bench` installs it
    except ImportError:
        return False
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "infragate"  # the same ids in every run: smaller diffs
    mpl.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    rows = math.ceil(len(curves) / COLUMNS)
    columns = min(COLUMNS, len(curves))
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH_IN * columns, HEIGHT_IN * rows), squeeze=False
    )
    for axis, curve in zip(axes.flat, curves, strict=False):
        _draw_one(axis, curve)
    for axis in axes.flat[len(curves) :]:
        axis.set_visible(False)
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
    return True


def _draw_one(axis, curve: Curve) -> None:  # type: ignore[no-untyped-def]  # matplotlib is not installed where types are checked
    for label, points in curve.lines.items():
        axis.plot(*zip(*points, strict=True), marker="o", markersize=4, label=label)
    ticks = sorted({x for points in curve.lines.values() for x, _ in points})
    axis.set(title=curve.name, xlabel=curve.x, ylabel=curve.y, ylim=(0, None))
    axis.set_xscale("log", base=2)
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.grid(visible=True, alpha=0.3)
    axis.legend(fontsize=8)
