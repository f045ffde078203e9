"""One visit: look at a plan, decide, sign in for it, and hear what the applier said."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from api.terminal.asking import NoAnswer
from api.terminal.believing import (
    LIES,
    Opened,
    Pins,
    opened,
    receipt_for,
    statement_refusal,
)
from api.terminal.carrier import Carried, Carrier
from api.terminal.lines import decision_lines, plan_lines, shown
from api.terminal.signing_in import SignedIn, SigningIn
from api.terminal.talk import Talk
from shared.approvals import SignedStatement
from shared.errors import Refusal
from shared.plans import MAX_REASON_LENGTH, State
from shared.seals import encrypt_proof

_OFFERS: Final = {
    State.PENDING.value: ("approve", "deny"),
    State.APPROVED.value: ("revoke",),
}
"""What can be decided about a plan that is said to be in a state."""


class End(IntEnum):
    """The exit codes of the command."""

    DONE = 0
    NOT_DONE = 1
    CANNOT = 2
    DISTRUST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """What a visit needs. `clock` answers epoch seconds."""

    talk: Talk
    carrier: Carrier
    signing_in: SigningIn
    pins: Pins
    clock: Callable[[], float]

    def visit(self, plan_id: str) -> End:
        """Does all of it; says how it ended.

        Raises:
            Fault: the provider or the approvals service does not answer.
        """
        self.talk.say("To look at the plan, sign in.")
        person = self.signing_in.to_look()
        if isinstance(person, Refusal):
            return self._refused(person)
        refused = self.carrier.begin(person.token)
        if refused is not None:
            return self._refused(refused)
        try:
            return self._look(plan_id, person)
        finally:
            with suppress(NoAnswer):  # the session idles out by itself
                self.carrier.end()

    def _look(self, plan_id: str, person: SignedIn) -> End:
        carried = self.carrier.plan(plan_id)
        if isinstance(carried, Refusal):
            return self._refused(carried)
        plan = opened(carried.document, carried.seal, plan_id=plan_id, pins=self.pins)
        if isinstance(plan, Refusal):
            return self._refused(plan)
        now = int(self.clock())
        self.talk.show(["", *plan_lines(plan, now=now)])
        self.talk.say("", f"You are {shown(person.identity.sub)} at {shown(person.identity.iss)}.")
        if now >= plan.plan.expires_at:
            return self._nothing("The plan has expired; ask the agent to request it anew.")
        return self._ask(plan, carried, person)

    def _ask(self, plan: Opened, carried: Carried, person: SignedIn) -> End:
        offers = _OFFERS.get(carried.state, ())
        self.talk.say(f"The approvals service says that the plan is {shown(carried.state)}.")
        if carried.refusal is not None:
            self.talk.say(f"It says that you may not approve it: {shown(carried.refusal.message)}")
        if not offers:
            return self._nothing("There is nothing to decide.")
        if not self.talk.is_person:
            return self._nothing("Nobody is at this terminal to decide: it is no tty.")
        self.talk.say(*decision_lines(plan))
        choice = self.talk.ask(f"Type {', '.join(offers)} or nothing, then Enter:")
        if choice not in offers:
            return self._nothing("Nothing was decided.")
        if choice == "approve":
            return self._approve(plan, person)
        return self._deny(plan, choice)

    def _deny(self, plan: Opened, choice: str) -> End:
        reason = self.talk.ask("Why? (optional, the agent reads it)")
        if len(reason) > MAX_REASON_LENGTH:
            return self._nothing(
                f"A reason has at most {MAX_REASON_LENGTH} characters; nothing was decided."
            )
        refused = self.carrier.deny(plan.plan.id, reason)
        if refused is not None:
            return self._refused(refused)
        done = {"deny": "denied", "revoke": "revoked"}[choice]
        self.talk.say(
            f"The approvals service says that the plan is {done}. "
            "No signature proves it: a notice does, or looking again."
        )
        return End.DONE

    def _approve(self, plan: Opened, person: SignedIn) -> End:
        if plan.plan.risk.level == "high":
            namespace = shown(plan.plan.namespace)
            typed = self.talk.ask(f"High risk: type the namespace ({namespace}) to approve:")
            if typed != plan.plan.namespace:
                return self._nothing("That is not the namespace; nothing was decided.")
        signed = self._statement(plan, person)
        if isinstance(signed, Refusal):
            return self._refused(signed)
        self.talk.say("", "Sign in once more: this login approves exactly this plan.")
        fresh = self.signing_in.afresh(signed.statement.nonce())
        if isinstance(fresh, Refusal):
            return self._refused(fresh)
        if fresh.identity != person.identity:
            return self._nothing("Somebody else signed in to approve; nothing was decided.")
        return self._prove(plan, signed, fresh)

    def _statement(self, plan: Opened, person: SignedIn) -> SignedStatement | Refusal:
        signed = self.carrier.challenge(plan.plan.id, plan.digest)
        if isinstance(signed, Refusal):
            return signed
        refusal = statement_refusal(
            signed, plan, person.identity, pins=self.pins, now=int(self.clock())
        )
        return refusal or signed

    def _prove(self, plan: Opened, signed: SignedStatement, fresh: SignedIn) -> End:
        sealed = encrypt_proof(self.pins.proof, fresh.token, statement=signed.statement.document())
        told = self.carrier.proof(plan.plan.id, signed, sealed)
        if isinstance(told, Refusal):
            return self._refused(told)
        carried = self.carrier.plan(plan.plan.id)
        if isinstance(carried, Refusal):
            return self._refused(carried)
        receipt = receipt_for(fresh.token, plan, fresh.identity, carried.receipts, pins=self.pins)
        if isinstance(receipt, Refusal):
            return self._refused(receipt)
        self.talk.say("Approved: the applier's signed receipt names this plan, you and this login.")
        if carried.state == State.PENDING.value:
            self.talk.say("The policy wants more people than you; the plan waits for them.")
        return End.DONE

    def _refused(self, refusal: Refusal) -> End:
        self.talk.say(f"{shown(refusal.message)} ({shown(refusal.code)})")
        if refusal.code not in LIES:
            return End.NOT_DONE
        self.talk.say(
            "Do not approve this plan by any other way, and tell whoever runs this InfraGate: "
            "what came is not what was signed."
        )
        return End.DISTRUST

    def _nothing(self, why: str) -> End:
        self.talk.say(why)
        return End.NOT_DONE
