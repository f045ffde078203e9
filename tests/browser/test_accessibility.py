"""axe-core, the accessibility checker, finds nothing on any page."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from shared.outcomes import ObjectOutcome, Outcome, Rollout, Verdict, Written
from shared.plans import Action, Note, State
from tests.browser.conftest import Site, clock
from tests.browser.test_approval_pages import fresh_plan, rich, sign_in

pytestmark = pytest.mark.browser

FOLDER = Path(os.environ.get("INFRAGATE_TEST_AXE", ".venv/axe"))
"""What `tests/npm` filled with the package axe-core."""
AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
FIND = """async (tags) => {
  const found = await axe.run(document, {runOnly: {type: 'tag', values: tags}});
  return found.violations.map((v) =>
    `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target.join(' ')).slice(0, 3).join(', ')}`);
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        pytest.skip("axe-core is not run: tests/npm .venv/axe axe-core@4.14.1 installs it")
    return AXE.read_text(encoding="utf-8")


@pytest.mark.timeout(240)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_on_any_page(
    chromium: Browser, site: Site, axe: str, width: int, scheme: str
) -> None:
    view: dict[str, Any] = {"width": width, "height": 844}
    context = chromium.new_context(viewport=view, color_scheme=scheme)  # type: ignore[arg-type]  # one of two literals
    try:
        page = context.new_page()
        page.goto(f"{site.base}/approvals/login")
        found = {"login": _violations(page, axe)}
        sign_in(page, site)
        for name, path in _pages(site, f"{width}-{scheme}").items():
            page.goto(site.base + path)
            found[name] = _violations(page, axe)
    finally:
        context.close()

    assert {name: violations for name, violations in found.items() if violations} == {}


def _pages(site: Site, view: str) -> dict[str, str]:
    """The address of every kind of page, each with a plan of its own where it shows one."""
    add = site.workers.add
    waiting = add(fresh_plan(f"axe-waiting-{view}"))
    high = add(fresh_plan(f"axe-high-{view}", **rich()))
    over = add(fresh_plan(f"axe-over-{view}", created_at=clock() - 4000, expires_at=clock() - 400))
    failed = add(fresh_plan(f"axe-failed-{view}"))
    site.workers.record(failed.id, State.FAILED, outcome=_failure().model_dump_json())
    denied = add(fresh_plan(f"axe-denied-{view}"))
    site.workers.record(denied.id, State.DENIED, decided_reason="no", decided_at=str(clock()))
    plans = {
        "waiting": waiting,
        "high risk": high,
        "expired": over,
        "failed": failed,
        "denied": denied,
    }
    return {
        "inbox": "/approvals",
        "no such plan": "/approvals/none",
        **{name: f"/approvals/{plan.id}" for name, plan in plans.items()},
    }


def _failure() -> Outcome:
    return Outcome(
        objects=(
            ObjectOutcome(
                kind="Deployment", name="nginx", action=Action.UPDATE, result=Written.WRITTEN
            ),
        ),
        rollouts=(
            Rollout(deployment="nginx", verdict=Verdict.FAILED, desired=4, updated=1, ready=0),
        ),
        findings=(Note(code="crash_loop", message="nginx exits with 1.", severity="critical"),),
        message="The rollout is stuck.",
        code="rollout_failed",
    )


def _violations(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found: list[str] = page.evaluate(FIND, RULES)
    return found
