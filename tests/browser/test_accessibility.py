"""Every page, in every view: it fits, it is readable, and axe-core finds nothing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.conftest import Site
from tests.browser.every_page import Walk
from tests.browser.looking import fits

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

FOLDER = Path(os.environ.get("INFRAGATE_TEST_AXE", ".venv/axe"))
"""What `tests/npm` filled with the package axe-core."""
AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"

VIEWS = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]
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


@contextmanager
def viewer(chromium: Browser, width: int, scheme: str) -> Iterator[Page]:
    context = chromium.new_context(
        viewport={"width": width, "height": 844},
        color_scheme=scheme,  # type: ignore[arg-type]  # one of two literals
    )
    context.set_default_timeout(30_000)
    try:
        yield context.new_page()
    finally:
        context.close()


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_axe_finds_nothing_on_any_page(
    chromium: Browser, site: Site, axe: str, width: int, scheme: str
) -> None:
    view = f"{width}-{scheme}"
    found: dict[str, list[str]] = {}
    with viewer(chromium, width, scheme) as page:
        for name in Walk(page=page, site=site, view=view):
            fits(page, f"{name}-{view}")
            page.evaluate(axe)
            found[name] = page.evaluate(FIND, RULES)

    assert {name: violations for name, violations in found.items() if violations} == {}
    assert len(found) > 35
