"""What is seen on any page, small and wide, light and dark; pictures are kept for eyes."""

import os
from pathlib import Path

from playwright.sync_api import Page

SCREENSHOTS = Path(
    os.environ.get("INFRAGATE_TEST_SCREENSHOTS", Path(__file__).parent / "screenshots")
)

INJECTIONS = """() => {
  const attempts = [
    () => { document.body.innerHTML = '<img src=x onerror="window.ran = 1">'; },
    () => { document.body.setAttribute('onclick', 'window.ran = 1'); document.body.click(); },
    () => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';
            document.body.append(s); },
    () => { document.write('<script>window.ran = 1</' + 'script>'); },
  ];
  return attempts.map((attempt) => { try { attempt(); return 'let in'; } catch { return ''; } });
}"""

LOW_CONTRAST = """() => {
  const rgb = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255)
      .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const back = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) return c;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(back(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) bad.push(`${e.tagName}.${e.className} ${ratio.toFixed(2)}: ${e.textContent}`);
  }
  return bad;
}"""

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNNAMED = """[...document.querySelectorAll('input:not([type=hidden]), textarea, select')]
  .filter((field) => !field.labels.length).length"""


def fits(page: Page, name: str) -> None:
    """Nothing scrolls sideways, all text has the contrast of WCAG AA, all fields have names."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
    assert page.evaluate(OVERFLOW) <= 0, name
    assert page.evaluate(LOW_CONTRAST) == [], name
    assert page.evaluate(UNNAMED) == 0, name
    assert page.locator("main").count() == page.locator("h1").count() == 1, name
