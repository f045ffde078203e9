"""The machine is wrong: a clock that is off, a full disk, more to do than can be done."""

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bench.load.drives import Drive, Driven, Outcome, Target
from bench.load.loader import loader
from bench.requests import Door
from tests.faults.kept import Kept, a_plan, manifest
from tests.faults.measured import Ledger
from tests.faults.stage import GATEWAY, WORKER, Stage
from tests.faults.traffic import GOOD, SUBJECTS, Told, Traffic, asked, client

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

OFF_S = 300
NOT_YET = "claim_not_yet"
"""HTTP 401: by that clock, the token will be issued in five minutes."""


@contextmanager
def command(stage: Stage, part: str, *words: str) -> Iterator[None]:
    """In the block the part is run by another command; then by its own again."""
    own = stage.parts[part]
    stage.stop(part)
    stage.parts[part] = replace(own, command=words)
    stage.start(part)
    try:
        yield
    finally:
        stage.stop(part)
        stage.parts[part] = own
        stage.start(part)
        stage.until_ready(part)


@pytest.mark.parametrize(
    ("part", "off_s", "expected"),
    [
        (WORKER, OFF_S, {"clocks_differ"}),
        (WORKER, -OFF_S, {GOOD}),
        (GATEWAY, OFF_S, {GOOD}),
        (GATEWAY, -OFF_S, {NOT_YET}),
    ],
    ids=["worker-ahead", "worker-behind", "gateway-ahead", "gateway-behind"],
)
def test_a_clock_is_five_minutes_off(
    part: str, off_s: int, expected: set[str], stage: Stage, ledger: Ledger
) -> None:
    kept = Kept.made(stage)
    module = {WORKER: "worker", GATEWAY: "api"}[part]
    token = stage.live.token()
    told: list[Told] = []
    skewed = (sys.executable, "-m", "tests.faults.skewed", str(off_s), module)
    with command(stage, part, *skewed):
        stage.until_ready(part)
        with client(stage.live, token=token) as http:
            told += [
                asked(http, "get_k8s_status", namespace=stage.live.namespace) for _ in range(5)
            ]
    ended = time.monotonic()
    with Traffic(stage.live) as traffic:
        normal_s = traffic.normal_after(ended)

    assert {one.code for one in told} == expected, told
    name = "ahead" if off_s > 0 else "behind"
    lost = kept.require_all()
    ledger.add(f"clock-{part}-{name}", told, lost=lost, normal_s=normal_s)


class FullDisk:
    """The worker's audit log cannot grow: its file system is full, or its file may not grow."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._folder = stage.live.places.one_for_all.audit

    @contextmanager
    def full(self) -> Iterator[None]:
        """A small file system in a mount namespace of the worker's own, where one can be had.

        Else the kernel's limit on the size of the worker's files: EFBIG instead of ENOSPC.
        """
        try:
            subprocess.run(["unshare", "-rm", "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            with self._limited():
                yield
            return
        script = 'mount -t tmpfs -o size=64k tmpfs "$0" && exec "$@"'
        words = ("unshare", "-rm", "sh", "-c", script, str(self._folder))
        with command(self._stage, WORKER, *words, *self._stage.parts[WORKER].command):
            self._stage.until_ready(WORKER)
            seen = Path(f"/proc/{self._stage.live.pid(WORKER)}/root{self._folder}")
            ballast = seen / "ballast"
            try:
                with ballast.open("wb", buffering=0) as file:
                    while True:
                        file.write(b"x" * 512)
            except OSError:
                pass  # full
            yield
            ballast.unlink()
            self.after()

    def after(self) -> None:
        """What must hold once there is room again, in the same worker."""
        with client(self._stage.live) as http:
            a_plan(self._stage, http, "room-again")

    @contextmanager
    def _limited(self) -> Iterator[None]:
        pid = self._stage.live.pid(WORKER)
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        size = (self._folder / "audit.jsonl").stat().st_size
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        self.after()


def test_the_disk_of_the_audit_log_is_full(stage: Stage, ledger: Ledger) -> None:
    kept = Kept.made(stage)
    told: list[Told] = []
    arguments = {"namespace": stage.live.namespace, "manifest": manifest("unrecorded")}
    with FullDisk(stage).full():
        with client(stage.live) as http:
            # The last block of the file may have room for a few records more.
            while (said := asked(http, "request_apply_manifest", **arguments)).code == GOOD:
                assert said.facts["planId"]
            told.append(said)
            told += [asked(http, "request_apply_manifest", **arguments) for _ in range(2)]
            told.append(asked(http, "apply_approved_plan", planId=kept.approved))
            told.append(asked(http, "get_k8s_status", namespace=stage.live.namespace))
        writes = len(stage.writes("configmaps"))
        ended = time.monotonic()
    normal_s = time.monotonic() - ended

    assert [one.code for one in told] == ["audit_unavailable"] * 4 + [GOOD]
    assert writes == kept.writes
    ledger.add("disk-full", told, lost=kept.require_all(), normal_s=normal_s)


RATE = 16 / 0.2
SECONDS = 30


def test_ten_times_more_calls_than_can_be_done(stage: Stage, ledger: Ledger) -> None:
    """Each answer of the API server takes 200 ms, so that 16 threads do 80 calls a second."""
    kept = Kept.made(stage)
    slow = {"match": {"verb": "get", "resource": "configmaps"}, "fault": "latency", "ms": 200}
    stage.script({**slow, "times": 1_000_000})
    noisy, quiet = SUBJECTS[:3], SUBJECTS[3]
    target = Target(host="127.0.0.1", port=stage.legs["client"].target)

    def drive(*subjects: str, clients: int, rate: float) -> Drive:
        requests = tuple(_read(stage, subject) for subject in subjects)
        return Drive(
            targets=(target,), requests=requests, clients=clients, seconds=SECONDS, rate=rate
        )

    with loader() as load:
        many, few = load.together(
            drive(*noisy, clients=150, rate=10 * RATE), drive(quiet, clients=1, rate=2)
        )
    stage.unscript()
    ended = time.monotonic()
    with Traffic(stage.live) as traffic:
        normal_s = traffic.normal_after(ended)

    assert many.count(Outcome.FAILED) == 0, many.first_failure
    assert few.count(Outcome.FAILED) == few.count(Outcome.REFUSED) == 0
    assert few.count(Outcome.ANSWERED) > 0
    assert many.count(Outcome.REFUSED) > 0
    assert many.count(Outcome.ANSWERED) > 0
    answered = few.count(Outcome.ANSWERED)
    lost = f"{kept.require_all()}; a quiet client had {answered} of {answered} answers"
    ledger.add("overload", _as_told(many), lost=lost, normal_s=normal_s)


def _read(stage: Stage, subject: str) -> bytes:
    host = f"{stage.live.record.host}:{stage.live.record.gateway_port}"
    arguments = {
        "namespace": stage.live.namespace,
        "kind": "ConfigMap",
        "name": "nginx-config",
    }
    door = Door(host=host, token=stage.live.token(subject))
    return door.modern("tools/call", name="get_k8s_resource", arguments=arguments)


def _as_told(driven: Driven) -> list[Told]:
    codes = {Outcome.ANSWERED: GOOD, Outcome.REFUSED: "queue_full"}
    return [
        Told(code=codes[outcome], at=0.0, seconds=seconds)
        for outcome, all_seconds in driven.durations.items()
        for seconds in all_seconds
    ]
