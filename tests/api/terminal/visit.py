"""An approver's terminal on the stage of the pages: real door, real checks, a person who types."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx2

from api.terminal.believing import Pins
from api.terminal.carrier import Carrier
from api.terminal.deciding import Deciding, End
from api.terminal.signing_in import SigningIn
from api.terminal.talk import Talk
from shared.plans import Plan
from shared.settings import TERMINAL_CLIENT, TerminalSettings
from tests.api.stage import ADA, BASE, ISSUER, Stage, staged


def settings(**changes: str) -> TerminalSettings:
    given = {
        "approval_base_url": BASE,
        "oauth_authority": ISSUER,
        "seal_public_keys": "unused",
        "receipt_public_keys": "unused",
        "proof_public_key": "unused",
    }
    return TerminalSettings.model_validate(given | changes)


class Typed(io.StringIO):
    """What a person types, line by line, at a terminal or into a pipe."""

    def __init__(self, *lines: str, tty: bool = True) -> None:
        super().__init__("".join(f"{line}\n" for line in lines))
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


class Browser:
    """Signs in as `people`, one for each login, in a thread of its own."""

    def __init__(self, stage: Stage, *people: str, bend: str = "") -> None:
        self._stage = stage
        self._people = list(people)
        self._bend = bend
        self._threads: list[threading.Thread] = []
        self.opened: list[str] = []

    def __call__(self, url: str) -> None:
        self.opened.append(url)
        back = self._stage.provider.sign_in(url, self._people.pop(0)) + self._bend
        thread = threading.Thread(target=_open, args=(back,))
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        for thread in self._threads:
            thread.join()


def _open(url: str) -> None:
    with httpx2.Client(trust_env=False, timeout=20) as client:
        client.get(url)


@dataclass(slots=True, kw_only=True)
class Visit:
    """A terminal, ready; `carrier` may be replaced by one that lies."""

    stage: Stage
    carrier: Carrier
    pins: Pins
    people: tuple[str, ...] = (ADA, ADA)
    bend: str = ""
    said: str = ""
    opened: list[str] = field(default_factory=list)

    def run(self, plan: Plan | str, *typed: str, tty: bool = True) -> End:
        """The whole visit by somebody who types this."""
        plan_id = plan if isinstance(plan, str) else plan.id
        said, browser = io.StringIO(), Browser(self.stage, *self.people, bend=self.bend)
        transport = httpx2.MockTransport(self.stage.provider.answer)
        with httpx2.Client(transport=transport) as client:
            signing_in = SigningIn(
                settings(),
                client=client,
                keys=self.stage.provider,
                show=browser,
                clock=self.stage.clock,
            )
            deciding = Deciding(
                talk=Talk(Typed(*typed, tty=tty), said),
                carrier=self.carrier,
                signing_in=signing_in,
                pins=self.pins,
                clock=self.stage.clock,
            )
            try:
                return deciding.visit(plan_id)
            finally:
                browser.close()
                self.said, self.opened = said.getvalue(), browser.opened


@contextmanager
def visiting() -> Iterator[Visit]:
    """A stage with a terminal that pins its planner and applier."""
    with staged() as stage:
        stage.provider.bend = {"aud": TERMINAL_CLIENT}
        workers = stage.workers
        pins = Pins(
            seal=(workers.seal_key.public_key(),),
            receipt=(workers.receipt_key.public_key(),),
            proof=workers.proof_key.public_key(),
        )
        yield Visit(stage=stage, carrier=Carrier(stage.browser.http, BASE), pins=pins)
