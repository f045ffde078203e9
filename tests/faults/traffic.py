"""Agents that keep asking while something goes wrong, and what each of them was told, and when."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2

from tests.journeys.live import Live
from tests.journeys.test_mcp import BOTH
from tests.journeys.test_redis_outage import modern

DEADLINE_S = 30.0
"""A read's own deadline is 20 s; whoever waits longer than this heard nothing at all."""
PATIENCE_S = 90.0
"""For a stack to be normal again, before the test calls it broken."""
PAUSE_S = 0.2
"""What a client waits that was told to come again; most wait longer."""
CALM_S = 3.0
"""Without a bad answer: longer than a gateway believes what it knew of workers before."""
GOOD = "answer"
BROKEN = "connection broken"
NOTHING = "nothing heard"
SUBJECTS = ("dev-requester", "dev-approver", "dev-approver-2", "dev-outsider")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one call came to: `answer`, or the code of what went wrong; `at` is its end."""

    code: str
    at: float
    seconds: float
    facts: dict[str, Any] = field(default_factory=dict)
    text: str = ""


@contextmanager
def client(
    live: Live, subject: str = SUBJECTS[0], *, deadline_s: float = DEADLINE_S, token: str = ""
) -> Iterator[httpx2.Client]:
    """A plain HTTP client of `/mcp`, signed in."""
    headers = {
        "authorization": f"Bearer {token or live.token(subject)}",
        "accept": BOTH,
        "content-type": "application/json",
    }
    with httpx2.Client(
        base_url=live.record.origin, headers=headers, timeout=deadline_s, trust_env=False
    ) as http:
        yield http


def asked(http: httpx2.Client, tool: str, **arguments: object) -> Told:
    """One call. Never raises: that nothing was heard is a result too."""
    headers, body = modern(tool, **arguments)
    began = time.monotonic()
    try:
        answer = http.post("/mcp", json=body, headers=headers)
    except httpx2.TimeoutException:
        return _told(NOTHING, began)
    except httpx2.TransportError as error:
        return _told(BROKEN, began, text=type(error).__name__)
    return _read(answer, began)


def _read(answer: httpx2.Response, began: float) -> Told:
    if answer.status_code != httpx2.codes.OK:
        return _told(_code_in(answer), began, text=answer.text[:300])
    said = json.loads(_data(answer.text))
    result = said.get("result")
    if result is None:
        return _told("strange", began, text=json.dumps(said)[:300])
    if result.get("isError"):
        text = str(result["content"][0]["text"])
        return _told(str(result["_meta"]["infragate/code"]), began, text=text)
    return _told(GOOD, began, facts=result["structuredContent"])


def _data(text: str) -> str:
    """The message in an answer: its body, or the last event of a stream."""
    lines = [line for line in text.splitlines() if line.startswith("data: {")]
    return lines[-1].removeprefix("data: ") if lines else text


def _code_in(answer: httpx2.Response) -> str:
    """The code of a refusal over HTTP; one that says when to come again must say so in a header."""
    again = answer.status_code in {429, 503}
    try:
        said = answer.json()
        error = said.get("error")
        code = (
            error["data"]["code"] if isinstance(error, dict) else said.get("code") or said["error"]
        )
    except (ValueError, KeyError, AttributeError):
        return "strange"
    return str(code) if not again or answer.headers.get("retry-after") else "strange"


def _told(code: str, began: float, **more: Any) -> Told:
    now = time.monotonic()
    in_time = now - began <= DEADLINE_S  # a client's own time-out starts anew with every byte
    return Told(code=code if in_time else NOTHING, at=now, seconds=now - began, **more)


@dataclass(slots=True)
class Traffic:
    """Callers side by side, each asking again as soon as it was answered, until the block ends."""

    live: Live
    callers: int = 4
    tool: str = "get_k8s_status"
    arguments: dict[str, object] = field(default_factory=dict)
    subjects: tuple[str, ...] = SUBJECTS[:1]
    told: list[Told] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Self:
        for number in range(self.callers):
            subject = self.subjects[number % len(self.subjects)]
            thread = threading.Thread(target=self._ask, args=(subject,), name=f"caller {number}")
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, subject: str) -> None:
        with client(self.live, subject) as http:
            while not self._stop.is_set():
                arguments = {"namespace": self.live.namespace, **self.arguments}
                told = asked(http, self.tool, **arguments)
                self.told.append(told)
                if told.code != GOOD:
                    self._stop.wait(PAUSE_S)

    def until(self, enough: Callable[[list[Told]], bool]) -> None:
        """Returns when what was told so far is enough."""
        deadline = time.monotonic() + PATIENCE_S
        while not enough(list(self.told)):
            assert time.monotonic() < deadline, f"it stays as it is: {self.codes()}"
            time.sleep(0.02)

    def until_good(self, count: int = 20) -> None:
        """Returns after that many good answers in a row from now on."""
        start = len(self.told)
        self.until(lambda told: len(told) - start >= count and _all_good(told[start:][-count:]))

    def until_bad(self, count: int = 1) -> None:
        start = len(self.told)
        self.until(lambda told: sum(one.code != GOOD for one in told[start:]) >= count)

    def wait(self, seconds: float) -> None:
        """Lets the fault last."""
        self._stop.wait(seconds)

    def normal_after(self, ended: float) -> float:
        """Seconds from the end of the fault to the last call that went wrong; waits for calm."""
        self.until_good()
        self.until(lambda told: time.monotonic() - _last_bad(told, ended) >= CALM_S)
        return _last_bad(self.told, ended) - ended

    def codes(self) -> Counter[str]:
        return Counter(one.code for one in self.told)

    def slowest(self) -> float:
        return max(one.seconds for one in self.told)


def _last_bad(told: list[Told], ended: float) -> float:
    """When a call last went wrong since then; if none did, then."""
    return max([ended, *(one.at for one in told if one.code != GOOD)])


def _all_good(told: list[Told]) -> bool:
    return all(one.code == GOOD for one in told)
