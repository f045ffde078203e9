"""One look as a picture for a terminal of any width, or as plain data for programs."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dev.top.looking import Frame
from shared.display import visible
from shared.messages import Announcement
from shared.plans import State
from shared.stores.overview import Overview
from shared.stores.plan_standings import Standing

SHOWN: Final = 8
"""Plans that wait, and codes; the rest is counted."""
NONE: Final = "-"
_WAITING: Final = frozenset({State.PENDING, State.APPROVED, State.APPLYING, State.OUTCOME_UNKNOWN})
_LOUD: Final = {State.PENDING: "yellow", State.APPROVED: "green", State.OUTCOME_UNKNOWN: "red"}


def picture(frame: Frame) -> RenderableType:
    """Returns what a person sees."""
    return Group(*_apart(_parts(frame)))


def plain(frame: Frame) -> dict[str, Any]:
    """Returns the same for programs, in values of JSON; times are seconds."""
    seen = frame.overview
    return {
        "at": frame.at,
        "redis": frame.redis_trouble or ("ok" if seen else "not asked"),
        "silent": list(frame.silent),
        "workers": [_plain_worker(one, frame) for one in seen.workers] if seen else None,
        "queues": [_plain_queue(name, n, frame) for name, n in seen.queues.items()]
        if seen
        else None,
        "plans": _states(seen, frame.at) if seen else None,
        "waiting": [_plain_plan(one, frame.at) for one in _waiting(seen, frame.at)]
        if seen
        else None,
        "tools": [
            {
                "tool": row.tool,
                "calls": row.calls,
                "refused": row.refused,
                "perSecond": row.per_s,
                "p50": row.p50_s,
                "p99": row.p99_s,
            }
            for row in frame.tools
        ],
        "refusals": [
            {"code": row.code, "calls": row.calls, "perSecond": row.per_s} for row in frame.refusals
        ],
    }


def _plain_worker(worker: Announcement, frame: Frame) -> dict[str, Any]:
    return {
        "cluster": worker.cluster,
        "roles": list(worker.roles),
        "version": worker.version,
        "busy": worker.busy,
        "threads": worker.threads,
        "upSeconds": round(frame.at - worker.started_at),
        "seenSeconds": max(0, round(frame.at - worker.seen_at)),
        "simulated": worker.simulated,
    }


def _plain_queue(name: str, waiting: int, frame: Frame) -> dict[str, Any]:
    return {"queue": name, "waiting": waiting, "oldestSeconds": frame.ages.get(_role(name))}


def _plain_plan(plan: Standing, now: float) -> dict[str, Any]:
    return {
        "plan": plan.id,
        "state": plan.at(now).value,
        "ageSeconds": round(now - plan.created_at),
        "leftSeconds": _left_s(plan, now),
    }


def _apart(parts: Iterator[RenderableType]) -> Iterator[RenderableType]:
    """An empty line before each table: they have no frames."""
    for part in parts:
        if isinstance(part, Table):
            yield Text("")
        yield part


def _parts(frame: Frame) -> Iterator[RenderableType]:
    yield _headline(frame)
    if frame.redis_trouble:
        yield Text(
            f"{frame.redis_trouble} Workers, queues and plans are not known.", style="bold red"
        )
    elif frame.overview is None:
        yield Text("Workers, queues and plans: name a Redis (--redis).", style="dim")
    else:
        yield _workers(frame.overview, frame.at)
        yield _queues(frame.overview, frame)
        yield _plans(frame.overview, frame.at)
    if frame.asked == 0:
        yield Text("Calls: name where processes serve metrics (--metrics).", style="dim")
        return
    yield from (Text(f"{visible(url)} does not answer.", style="red") for url in frame.silent)
    yield _calls(frame)
    if frame.refusals:
        yield _refusals(frame)


def _headline(frame: Frame) -> Text:
    rates = [row.per_s for row in frame.tools if row.per_s is not None]
    told = f"{sum(rates):.1f} calls/s" if rates else f"{sum(r.calls for r in frame.tools)} calls"
    busy = ""
    if frame.overview is not None:
        workers = frame.overview.workers
        busy = f" · {sum(w.busy for w in workers)}/{sum(w.threads for w in workers)} threads busy"
    return Text(f"InfraGate · {told}{busy}", style="bold")


def _workers(seen: Overview, now: float) -> RenderableType:
    if not seen.workers:
        return Text("No worker is running.", style="bold red")
    table = _table("workers", "cluster", ">busy", ">up", ">seen", "version")
    for worker in seen.workers:
        cluster = visible(worker.cluster) + (" (simulated)" if worker.simulated else "")
        table.add_row(
            Text(",".join(worker.roles)),
            Text(cluster),
            f"{worker.busy}/{worker.threads}",
            _span(now - worker.started_at),
            _span(now - worker.seen_at),
            Text(visible(worker.version)),
        )
    return table


def _queues(seen: Overview, frame: Frame) -> Table:
    table = _table("queues", ">waiting", ">oldest")
    for name, waiting in seen.queues.items():
        age = frame.ages.get(_role(name))
        style = "yellow" if waiting else ""
        oldest = NONE if age is None else f"{age:.1f} s"
        table.add_row(Text(visible(name)), Text(str(waiting), style=style), oldest)
    return table


def _plans(seen: Overview, now: float) -> RenderableType:
    states = _states(seen, now)
    told = " · ".join(f"{count} {state}" for state, count in states.items())
    line = Text.assemble("\n", ("plans ", "bold cyan"), told or "none")
    waiting = _waiting(seen, now)
    if not waiting:
        return line
    table = _table("waiting", "state", ">age", ">time left")
    for plan in waiting[:SHOWN]:
        state = plan.at(now)
        table.add_row(
            Text(visible(plan.id)),
            Text(state.value, style=_LOUD.get(state, "")),
            _span(now - plan.created_at),
            "" if (left := _left_s(plan, now)) is None else _span(left),
        )
    more = len(waiting) - SHOWN
    return Group(
        line, Text(""), table, *([Text(f"and {more} more", style="dim")] if more > 0 else [])
    )


def _calls(frame: Frame) -> RenderableType:
    if not frame.tools:
        return Text("No tool was called yet.", style="dim")
    table = _table("tools", ">calls/s", ">p50", ">p99", ">calls", ">not ok")
    for row in frame.tools:
        table.add_row(
            Text(visible(row.tool)),
            NONE if row.per_s is None else f"{row.per_s:.1f}",
            _time(row.p50_s),
            _time(row.p99_s),
            str(row.calls),
            Text(str(row.refused), style="yellow" if row.refused else ""),
        )
    return table


def _refusals(frame: Frame) -> Table:
    table = _table("refusals and faults", ">calls", ">calls/s")
    for row in frame.refusals[:SHOWN]:
        rate = NONE if row.per_s is None else f"{row.per_s:.1f}"
        table.add_row(Text(visible(row.code)), str(row.calls), rate)
    return table


def _table(first: str, *more: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold cyan")
    table.add_column(first, min_width=24, overflow="ellipsis", no_wrap=True)
    for name in more:
        right = name.startswith(">")
        justify = "right" if right else "left"
        table.add_column(name.removeprefix(">"), justify=justify, overflow="ellipsis", no_wrap=True)  # type: ignore[arg-type]  # a literal
    return table


def _states(seen: Overview, now: float) -> dict[str, int]:
    counted = Counter(plan.at(now) for plan in seen.plans)
    return {state.value: counted[state] for state in State if counted[state]}


def _waiting(seen: Overview, now: float) -> list[Standing]:
    return [plan for plan in seen.plans if plan.at(now) in _WAITING]


def _left_s(plan: Standing, now: float) -> int | None:
    """Until when somebody must decide or apply; None where time ends nothing."""
    if plan.at(now) not in {State.PENDING, State.APPROVED}:
        return None
    return max(0, round(plan.ends_at - now))


def _role(queue: str) -> str:
    return queue.rpartition(".")[2]


def _span(seconds: float) -> str:
    """A time as people say it: 4 s, 3 min, 2.5 h."""
    seconds = max(0.0, seconds)
    if seconds < 100:  # noqa: PLR2004 - until then seconds are short to read
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return NONE
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
