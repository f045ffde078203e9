"""The approval pages where much waits, beside those of one small plan, in a real browser.

Two stacks: one with a single small plan, one with fifty that change 5,000 lines each. What a page
takes is what the browser says. The first look at an inbox is measured apart: everything in it is
checked then, and never again.
"""

from collections.abc import Sequence
from typing import Any, Final

import anyio
from playwright.sync_api import Browser

from bench.bench import Bench
from bench.browser import Look, NoBrowser, chromium, chromium_path, look, signed_in
from bench.figures import Figure, Found, seconds
from bench.kube import NAMESPACE, Kube
from bench.stage import Cast, Stage, staged
from bench.timing import median
from dev.demo.agent import connected
from dev.stack.tokens import token
from shared.errors import Fault

GROUP: Final = "pages"
PLANS: Final = 50
OBJECTS: Final = 20
LINES: Final = 5_000
_REQUESTER: Final = "dev-requester"


class NotStaged(Fault):
    """The cluster did not take what is to be changed; the text has its status."""

    code = "not_staged"


def measure(bench: Bench) -> Found:
    """Needs a Chromium; the cluster hardly matters, so it is the simulated one."""
    try:
        path = chromium_path()
    except NoBrowser as missing:
        return Found(not_run=(f"{GROUP}: {missing}",))
    with staged(Cast()) as small, staged(Cast()) as large:
        few, many = _planned(small, [_scale()]), _many(bench, large)
        with chromium(path) as browser:
            return _looked(bench, browser, (small, few), (large, many))


def _looked(
    bench: Bench,
    browser: Browser,
    small: tuple[Stage, Sequence[str]],
    large: tuple[Stage, Sequence[str]],
) -> Found:
    pages = [signed_in(browser, stage.record.origin) for stage, _ in (small, large)]
    inboxes = [f"{stage.record.origin}/approvals" for stage, _ in (small, large)]
    plans = [urls[-1] for _, urls in (small, large)]
    firsts = [look(page, url) for page, url in zip(reversed(pages), reversed(inboxes), strict=True)]
    taken: dict[str, list[Look]] = {url: [] for url in (*inboxes, *plans)}
    for number in range(bench.few(bench.rounds * 4, least=2)):
        for page, *urls in zip(pages, inboxes, plans, strict=True):
            for url in urls:
                seen = look(page, url)
                if number:
                    taken[url].append(seen)
    waiting = f"inbox of {len(large[1])} plans"
    changed = f"plan of {OBJECTS} objects, {LINES:,} lines"
    figures = [
        *_figures(waiting, taken[inboxes[1]], taken[inboxes[0]], "reference: inbox of one plan"),
        *_figures(changed, taken[plans[1]], taken[plans[0]], "reference: plan of one small change"),
        *_figures(f"{waiting}, the first look", firsts[:1], firsts[1:], "once; reference the same"),
    ]
    return Found(figures=tuple(figures))


def _figures(name: str, ours: Sequence[Look], small: Sequence[Look], note: str) -> list[Figure]:
    def figure(what: str, of: str) -> Figure:
        mine, theirs = ([getattr(one, of) for one in looks] for looks in (ours, small))
        return Figure(
            group=GROUP,
            name=f"{name}, {what}",
            ours=seconds(median(mine)),
            reference=seconds(median(theirs)),
            note=note,
        )

    return [figure("first byte", "first_byte"), figure("rendered", "rendered")]


def _many(bench: Bench, stage: Stage) -> Sequence[str]:
    """Asks for many plans that each change every line of the same objects."""
    kube = Kube.of(stage.kubeconfig)
    with kube.pool() as pool:
        for number in range(OBJECTS):
            path = f"/api/v1/namespaces/{NAMESPACE}/configmaps?fieldManager=infragate"
            status, _ = kube.call(pool, "POST", path, _config_map(number, "before"))
            if status >= 300:
                raise NotStaged(f"A ConfigMap was not made: {status}.")
    return _planned(stage, [_apply(f"after {number}") for number in range(bench.few(PLANS))])


def _planned(stage: Stage, requests: Sequence[tuple[str, dict[str, Any]]]) -> Sequence[str]:
    """Returns where people find the plans that were asked for."""

    async def ask() -> list[str]:
        access = token(stage.places, _REQUESTER)
        async with connected(stage.record.mcp, access) as agent:
            told = [await agent.asked(tool, **arguments) for tool, arguments in requests]
        return [str(one.facts["approvalUrl"]) for one in told]

    return anyio.run(ask)


def _scale() -> tuple[str, dict[str, Any]]:
    arguments = {"namespace": NAMESPACE, "name": "nginx", "replicas": 4, "reason": "To measure."}
    return "request_scale_deployment", arguments


def _apply(value: str) -> tuple[str, dict[str, Any]]:
    maps = [_config_map(number, value) for number in range(OBJECTS)]
    manifest = "---\n".join(_yaml(one) for one in maps)
    arguments = {"namespace": NAMESPACE, "manifest": manifest, "reason": "To measure."}
    return "request_apply_manifest", arguments


def _config_map(number: int, value: str) -> dict[str, Any]:
    """Half as many lines as its change has: each goes and comes."""
    lines = "".join(f"option_{line} = {value}\n" for line in range(LINES // OBJECTS // 2))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"bench-pages-{number}", "namespace": NAMESPACE},
        "data": {"bench.conf": lines},
    }


def _yaml(config_map: dict[str, Any]) -> str:
    indented = config_map["data"]["bench.conf"].replace("\n", "\n    ").rstrip()
    name = config_map["metadata"]["name"]
    return (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n"
        f"data:\n  bench.conf: |\n    {indented}\n"
    )
