"""The story of one change, from the first look to the proof that it happened exactly once.

Each function is a step and checks what was promised for it; the order is in `play`.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from dev.demo.agent import Agent, Told
from dev.demo.person import Person
from dev.demo.telling import NotAsPromised, Teller, promised

NAMESPACE: Final = "mcp-nginx-demo"
BROKEN: Final = "broken-image"
HEALTHY: Final = "nginx"
CONTAINER: Final = "app"
NO_SUCH_TAG: Final = "9.99"
_FINDING: Final = "image_pull_failed"
_SETTLES_S: Final = 90.0
"""A real kubelet may take this long to give up on an image."""
_POLL_S: Final = 1.0
_SEEDING: Final = (
    "The demo needs its own workloads: `kubectl apply -f deploy/demo.yaml` with an administrator's "
    "kubeconfig makes them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A requested change, as the agent was told of it."""

    plan_id: str
    url: str
    words: str
    digest: str
    image: str


async def play(agent: Agent, person: Person, tell: Teller) -> None:
    """Plays the story.

    Raises:
        NotAsPromised: a step did not go as InfraGate promises.
    """
    with tell.step("Look around"):
        image = await look(agent, tell)
    if not await is_broken(agent):
        with tell.step("Break it again (an earlier demo repaired it), through the same gate"):
            await break_again(agent, person, tell, image)
    with tell.step(f"Diagnose {BROKEN}"):
        before = await diagnose(agent, tell)
    with tell.step(f"Request a fix: the image that {HEALTHY} runs"):
        change = await request(agent, tell, image)
    with tell.step("Apply it without approval: refused"):
        await apply_too_early(agent, tell, change, before)
    with tell.step("A person approves, in a simulated browser on the real pages"):
        await asyncio.to_thread(approve, person, tell, change)
    with tell.step("Apply the approved plan and follow the rollout"):
        await apply(agent, tell, change)
    with tell.step("Verify"):
        after = await verify(agent, tell, change)
    with tell.step("Apply it once more: nothing is written twice"):
        await apply_again(agent, tell, change, after)


async def look(agent: Agent, tell: Teller) -> str:
    """Returns the image of the healthy workload."""
    tell.say(agent.spoken)
    namespaces = (await agent.asked("get_allowed_namespaces")).facts["namespaces"]
    tell.say(f"get_allowed_namespaces: {', '.join(namespaces)}")
    promised(NAMESPACE in namespaces, f"{NAMESPACE} is not among the allowed namespaces.")
    status = (await agent.asked("get_k8s_status", namespace=NAMESPACE)).facts
    ready = {row["name"]: (row["ready"], row["desired"]) for row in status["deployments"]["items"]}
    tell.say("get_k8s_status: " + ", ".join(f"{k} {r}/{d}" for k, (r, d) in ready.items()))
    for name in (BROKEN, HEALTHY):
        promised(name in ready, f"There is no Deployment {name} in {NAMESPACE}. {_SEEDING}")
    return _image(await _diagnostics(agent, HEALTHY))


async def is_broken(agent: Agent) -> bool:
    """Says whether the broken workload has an image that does not exist."""
    return _image(await _diagnostics(agent, BROKEN)).endswith(f":{NO_SUCH_TAG}")


async def break_again(agent: Agent, person: Person, tell: Teller, image: str) -> None:
    """Gives the workload an image that does not exist, as a plan that a person approves."""
    repository = image.rpartition(":")[0]
    change = await request(agent, tell, f"{repository}:{NO_SUCH_TAG}")
    await asyncio.to_thread(approve, person, tell, change)
    told = await agent.asked("apply_approved_plan", planId=change.plan_id)
    tell.say(told.text.splitlines()[0])
    promised(await is_broken(agent), "The workload was not broken again.")


async def diagnose(agent: Agent, tell: Teller) -> int:
    """Returns the generation of the broken workload, once the cause is found."""
    deadline = time.monotonic() + _SETTLES_S
    while True:
        facts = await _diagnostics(agent, BROKEN)
        found = [note for note in facts["findings"] if note["code"] == _FINDING]
        if found:
            break
        promised(time.monotonic() < deadline, f"The cause was not found: {facts['findings']}")
        await asyncio.sleep(_POLL_S)
    for note in facts["findings"]:
        tell.say(f"{note['severity']} {note['code']}: {note['message']}")
    return _generation(facts)


async def request(agent: Agent, tell: Teller, image: str) -> Change:
    """Returns the plan that was made for the change."""
    told = await agent.asked(
        "request_set_deployment_image",
        namespace=NAMESPACE,
        name=BROKEN,
        container=CONTAINER,
        image=image,
        reason="Played by `infragate demo`.",
    )
    facts = told.facts
    promised(facts["status"] == "pending", f"The plan is not pending but {facts['status']}.")
    tell.say(f"plan {facts['planId']}: {facts['summary']}, risk {facts['risk']['level']}")
    tell.say(f"digest words: {facts['words']}")
    tell.say(f"approve at: {facts['approvalUrl']}")
    return Change(
        plan_id=facts["planId"],
        url=facts["approvalUrl"],
        words=facts["words"],
        digest=facts["digest"],
        image=image,
    )


async def apply_too_early(agent: Agent, tell: Teller, change: Change, generation: int) -> None:
    """Applies what nobody approved, which must not happen."""
    told = await agent.call("apply_approved_plan", planId=change.plan_id)
    status = _status(told)
    tell.say(f"apply_approved_plan: {status}")
    promised(status == "approval_required", f"Not refused: {told.text}")
    now = _generation(await _diagnostics(agent, BROKEN))
    promised(now == generation, f"The cluster changed: generation {generation} became {now}.")
    tell.say(f"the cluster is as it was: generation {now}")


def approve(person: Person, tell: Teller, change: Change) -> None:
    """Reads the plan's page and approves it with a fresh sign-in."""
    page = person.open(change.url)
    tell.say(f"signed in, reads: {page.title}")
    promised(change.words in page.words, f"The page names other words: {page.words}")
    promised(change.digest == page.digest, "The page names another digest than the agent was told.")
    tell.say(f"the page shows the same words: {change.words}")
    after = person.approve(page, namespace=NAMESPACE)
    promised("approved" in after.badges.lower(), f"Not approved: {after.badges}")
    tell.say(f"pressed Approve, signed in afresh for exactly this plan: {after.badges}")


async def apply(agent: Agent, tell: Teller, change: Change) -> None:
    """Applies the approved plan and sees its rollout through."""
    told = await agent.asked(
        "apply_approved_plan",
        on_progress=lambda message: tell.quiet(f"… {message}"),
        planId=change.plan_id,
    )
    promised(_status(told) == "applied", f"Not applied: {told.text}")
    deadline = time.monotonic() + _SETTLES_S
    while (verdict := _verdict(told)) == "progressing" and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_S)
        told = await agent.asked("apply_approved_plan", planId=change.plan_id)
    tell.say(f"applied, rollout {verdict}")
    promised(verdict == "complete", f"The rollout did not complete: {told.text}")


async def verify(agent: Agent, tell: Teller, change: Change) -> int:
    """Returns the generation of the workload, which is healthy now."""
    facts = await _settled(agent)
    codes = [note["code"] for note in facts["findings"]]
    seen = facts["resource"]
    promised(_image(facts) == change.image, f"The image is {_image(facts)}.")
    promised(_FINDING not in codes, f"The finding is still there: {facts['findings']}")
    promised(seen["ready"] == seen["desired"], f"{seen['ready']} of {seen['desired']} are ready.")
    tell.say(f"{BROKEN} runs {change.image}, {seen['ready']} of {seen['desired']} ready")
    tell.say(f"findings: {', '.join(codes) or 'none'}")
    return _generation(facts)


async def _settled(agent: Agent) -> dict[str, Any]:
    """Returns the diagnostics once the last Pod of before is gone, or as they are in the end."""
    deadline = time.monotonic() + _SETTLES_S
    while True:
        facts = await _diagnostics(agent, BROKEN)
        found = any(note["code"] == _FINDING for note in facts["findings"])
        if not found or time.monotonic() > deadline:
            return facts
        await asyncio.sleep(_POLL_S)


async def apply_again(agent: Agent, tell: Teller, change: Change, generation: int) -> None:
    """Applies the same plan again, which must change nothing."""
    told = await agent.asked("apply_approved_plan", planId=change.plan_id)
    promised(_status(told) == "applied", f"Not the recorded result: {told.text}")
    now = _generation(await _diagnostics(agent, BROKEN))
    promised(now == generation, f"It was written again: generation {generation} became {now}.")
    tell.say(f"answered with the recorded result; generation is still {now}")


async def _diagnostics(agent: Agent, name: str) -> dict[str, Any]:
    told = await agent.asked("get_deployment_diagnostics", namespace=NAMESPACE, name=name)
    return told.facts


def _image(facts: dict[str, Any]) -> str:
    containers = facts["resource"]["containers"]
    if not containers:
        raise NotAsPromised("The diagnostics name no container.")
    return str(containers[0]["image"])


def _generation(facts: dict[str, Any]) -> int:
    return int(facts["resource"]["generation"])


def _status(told: Told) -> str:
    return str(told.facts.get("status") or told.facts.get("code") or told.text)


def _verdict(told: Told) -> str:
    return str(next((one["verdict"] for one in told.facts.get("rollouts", ())), "none"))
