"""The approval pages in a real Chromium, with the development issuer and workers that check."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from shared.manifests import JSON, Object
from shared.plans import Note, Operation, Plan, PlannedChange, Requester, RiskNote, State
from tests.api.stage import changed_object, make_object, make_plan
from tests.api.test_pages import HOSTILE
from tests.browser.conftest import Site, Watch, clock

pytestmark = pytest.mark.browser


@pytest.fixture
def plan(site: Site, request: pytest.FixtureRequest) -> Plan:
    """A waiting plan with an id of its own."""
    return site.workers.add(fresh_plan(request.node.name))


def fresh_plan(name: str, **changes: object) -> Plan:
    facts: dict[str, object] = {
        "id": re.sub(r"[^A-Za-z0-9_-]", "-", name)[:64],
        "created_at": clock() - 90,
        "expires_at": clock() + 3500,
    }
    return make_plan(**(facts | changes))


def sign_in(page: Page, site: Site, path: str = "/approvals", who: str = "dev-approver") -> None:
    page.goto(site.base + path)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.locator(f"button[value={who}]").click()
    expect(page).to_have_url(site.base + path)


def test_a_plan_is_read_and_approved_with_the_mouse(
    page: Page, site: Site, plan: Plan, watch: Watch
) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")
    expect(page.get_by_role("heading", level=1)).to_have_text(plan.summary)

    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("asks for a new sign-in")).to_be_visible()
    page.locator("button[value=dev-approver]").click()

    expect(page).to_have_url(f"{site.base}/approvals/{plan.id}")
    expect(page.get_by_text("Approved, not applied yet")).to_be_visible()
    assert site.workers.state(plan) is State.APPROVED
    assert (watch.violations, watch.foreign, watch.dialogs) == ([], [], [])


def test_a_plan_is_denied_with_the_keyboard_alone(page: Page, site: Site, plan: Plan) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")

    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "reason":
            break
    page.keyboard.type("Not before the freeze ends")
    page.keyboard.press("Enter")

    expect(page.get_by_text("Denied", exact=True)).to_be_visible()
    expect(page.get_by_text("Not before the freeze ends")).to_be_visible()
    assert site.workers.state(plan) is State.DENIED


def test_the_pages_work_without_any_script(chromium: Browser, site: Site, plan: Plan) -> None:
    context = chromium.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        sign_in(page, site, f"/approvals/{plan.id}")
        page.get_by_role("button", name="Approve").click()
        page.locator("button[value=dev-approver]").click()
        page.wait_for_url(f"{site.base}/approvals/{plan.id}")
    finally:
        context.close()

    assert site.workers.state(plan) is State.APPROVED


def test_somebody_else_signing_in_does_not_approve(page: Page, site: Site, plan: Plan) -> None:
    sign_in(page, site, f"/approvals/{plan.id}")

    page.get_by_role("button", name="Approve").click()
    page.locator("button[value=dev-outsider]").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Somebody else signed in")
    assert site.workers.state(plan) is State.PENDING


def test_an_outsider_is_not_shown_the_plan(page: Page, site: Site, plan: Plan) -> None:
    sign_in(page, site, f"/approvals/{plan.id}", who="dev-outsider")

    expect(page.get_by_role("heading", level=1)).to_have_text("You may not decide this")


def test_hostile_content_runs_nothing_and_is_visible(page: Page, site: Site, watch: Watch) -> None:
    hostile = " ".join(HOSTILE)
    note = Note(code=hostile, message=hostile, severity="critical")
    change = PlannedChange(path=hostile, op="change", old={hostile: hostile}, new=hostile)
    plan = site.workers.add(
        fresh_plan(
            "hostile",
            summary=hostile,
            namespace=hostile,
            objects=(make_object(kind=hostile, name=hostile, changes=(change,)),),
            findings=(note,),
            warnings=(hostile,),
            managers=(hostile,),
            requester=Requester(iss=hostile, sub=hostile, client_id=hostile, assurance="verified"),
            reason=hostile,
            risk=RiskNote(level="high", reasons=(note,)),
        )
    )
    sign_in(page, site, f"/approvals/{plan.id}")
    page.goto(f"{site.base}/approvals")
    page.goto(f"{site.base}/approvals/{plan.id}")

    assert (watch.violations, watch.foreign, watch.dialogs) == ([], [], [])
    scripts = page.locator("script:not([src^='/approvals/static/live.js?'])")
    assert scripts.count() == 0
    assert page.locator("img[src=x], svg, iframe, [onerror], [onload]").count() == 0
    expect(page.get_by_role("heading", level=1)).to_contain_text("<script>alert(1)</script>")
    expect(page.get_by_role("heading", level=1)).to_contain_text("<U+202E>")


@pytest.mark.promise("pages-run-no-script")
def test_a_script_that_got_in_would_not_run(page: Page, site: Site, watch: Watch) -> None:
    """The policy holds even where the templates would not."""
    sign_in(page, site)

    refused = page.evaluate(INJECTIONS)

    assert refused == [""] * 4
    assert page.evaluate("window.ran") is None
    assert watch.violations


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_fits_its_screen_and_is_readable(
    chromium: Browser, site: Site, tmp_path: Path, width: int, scheme: str
) -> None:
    """Nothing scrolls sideways; text has the contrast of WCAG AA; pictures are kept for eyes."""
    plan = site.workers.add(fresh_plan(f"fits-{width}-{scheme}", **rich()))
    context = chromium.new_context(
        viewport={"width": width, "height": 844},
        color_scheme=scheme,  # type: ignore[arg-type]  # one of two literals
    )
    try:
        page = context.new_page()
        page.goto(f"{site.base}/approvals/login")
        _fits(page, tmp_path / "login.png")
        sign_in(page, site)
        _fits(page, tmp_path / "inbox.png")
        for path in (plan.id, "none"):
            page.goto(f"{site.base}/approvals/{path}")
            _fits(page, tmp_path / f"{path}.png")
    finally:
        context.close()


def test_a_page_weighs_little(page: Page, site: Site, plan: Plan) -> None:
    sign_in(page, site)
    sizes: list[int] = []
    page.on("response", lambda response: sizes.append(len(response.body())))

    page.goto(f"{site.base}/approvals/{plan.id}", wait_until="load")

    assert sum(sizes) < 60_000


def rich() -> dict[str, object]:
    """A plan with something in every place."""
    config = "\n".join(f"option_{number} = {number * 7}" for number in range(40))
    return {
        "summary": "update Deployment nginx, ConfigMap nginx-conf",
        "operation": Operation.APPLY,
        "objects": (
            changed_object(
                _deployment(2, "nginx:1.22.1", labels={"app": "nginx", "version": "1.22"}),
                _deployment(
                    4,
                    "nginx:1.23.4",
                    labels={"app": "nginx"},
                    resources={"limits": {"memory": "256Mi"}, "requests": {"cpu": "50m"}},
                ),
            ),
            changed_object(
                _config_map(config),
                _config_map(config.replace("option_7 = 49", "option_7 = 50")),
            ),
        ),
        "risk": RiskNote(
            level="high",
            reasons=(
                Note(code="image_change", message="Container 'nginx' of Deployment nginx changes "
                     "from 'nginx:1.22.1' to 'nginx:1.23.4'.", severity="warning"),
                Note(code="config_consumers", message="ConfigMap nginx-conf is used by Deployment "
                     "nginx; to them its text can be code.", severity="critical"),
            ),
        ),
        "touched": (
            Note(code="pods_replaced", message="Deployment nginx replaces 2 Pods step by step "
                 "(at most 25% missing, 25% extra)."),
            Note(code="pods_started", message="Deployment nginx starts 2 more Pods."),
            Note(code="endpoints", message="Service nginx leads to the Pods of Deployment nginx; "
                 "2 ready addresses now."),
        ),
        "managers": ("kubectl-client-side-apply", "argocd-controller"),
    }  # fmt: skip


def _deployment(replicas: int, image: str, *, labels: Object, **container: JSON) -> Object:
    ports: list[JSON] = [{"containerPort": 80, "protocol": "TCP"}]
    nginx: Object = {"image": image, "name": "nginx", "ports": ports, **container}
    pod: Object = {
        "containers": [nginx],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"labels": labels, "name": "nginx", "namespace": "mcp-nginx-demo"},
        "spec": {
            "progressDeadlineSeconds": 600,
            "replicas": replicas,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app": "nginx"}},
            "template": {"metadata": {"labels": {"app": "nginx"}}, "spec": pod},
        },
    }


def _config_map(text: str) -> Object:
    return {
        "apiVersion": "v1",
        "data": {"nginx.conf": text},
        "kind": "ConfigMap",
        "metadata": {"name": "nginx-conf", "namespace": "mcp-nginx-demo"},
    }


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


def _fits(page: Page, picture: Path) -> None:
    page.screenshot(path=picture, full_page=True)
    overflow = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0, picture.name
    assert page.evaluate(LOW_CONTRAST) == []
    unnamed = page.evaluate(
        "[...document.querySelectorAll('input:not([type=hidden])')]"
        ".filter((i) => !i.labels.length).length"
    )
    assert unnamed == 0
    assert page.locator("main").count() == page.locator("h1").count() == 1
