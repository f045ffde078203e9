"""The command `resolve`: what a plan of unknown outcome shows, and a person's word that ends it.

Run where an applier runs, with its settings. Without `--as` it only looks.
"""

from argparse import ArgumentParser, Namespace
from typing import Final, Literal

from shared.digests import words
from shared.errors import BadConfiguration, Refusal
from shared.messages import Role
from shared.plans import DIGEST_ANNOTATION, Action, State
from shared.settings import read_worker_settings
from worker.app import make_context
from worker.context import Context
from worker.ops.telling import CANNOT, WELL, WRONG, complain, tell
from worker.resolving import Sighting, Verdict, look, resolve

STATES: Final[dict[str, Literal[State.APPLIED, State.FAILED]]] = {
    "applied": State.APPLIED,
    "failed": State.FAILED,
}


def add_arguments(parser: ArgumentParser) -> tuple[ArgumentParser, ...]:
    """Declares the options of `resolve`; returns the parser."""
    add = parser.add_argument
    add("plan", help="the plan's id")
    add("--as", dest="state", choices=sorted(STATES), help="what became of it; default: only look")
    add("--by", default="", help="who says so")
    add("--why", default="", help="what they saw in the cluster")
    return (parser,)


def run(options: Namespace) -> int:
    """Shows the plan's objects and, with a verdict, ends the plan; returns the exit code.

    Raises:
        Fault: settings, Redis, cluster or audit log cannot be used; the text says which.
    """
    settings = read_worker_settings()
    if Role.APPLY not in settings.roles:
        raise BadConfiguration("Run this with an applier's settings: roles without apply.")
    if options.state and not (options.by.strip() and options.why.strip()):
        complain("--as needs --by and --why: the record must say who looked, and what they saw.")
        return CANNOT
    context = make_context(settings)
    try:
        return _run(options, context)
    finally:
        context.notices.stop()


def _run(options: Namespace, context: Context) -> int:
    found = look(options.plan, context)
    if isinstance(found, Refusal):
        complain(found.message)
        return WRONG
    if not options.state:
        _show(found)
        return WELL
    verdict = Verdict(state=STATES[options.state], by=options.by, why=options.why)
    ended = resolve(found, verdict, context)
    if isinstance(ended, Refusal):
        complain(ended.message)
        return WRONG
    tell(f"plan {ended.id} is {ended.state.value}, on record as resolved by {options.by.strip()}")
    return WELL


def _show(found: Sighting) -> None:
    plan = found.plan
    tell(f"plan {plan.id}: {plan.summary}")
    tell(f"  words     {words(found.stored.sealed.digest)}")
    tell(f"  where     namespace {plan.namespace}, cluster {plan.cluster.name}")
    tell(f"  digest    {found.stored.sealed.digest}, in {DIGEST_ANNOTATION} of what was written")
    for item, shown in zip(plan.objects, found.shown, strict=True):
        said = "nothing to write" if item.action is Action.NO_OP else _said(shown=shown)
        tell(f"  {item.kind}/{item.name}: {item.action.value}: {said}")
    tell("Look at the objects that show no trace, then say what became of the plan:")
    tell("  resolve PLAN --as applied|failed --by YOU --why WHAT-YOU-SAW")


def _said(*, shown: bool) -> str:
    return "written, the object shows it" if shown else "no trace of the write"
