"""Whoever wants to hide what happened, or to act while nothing can be recorded."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil  # type: ignore[import-untyped]  # has no types
import pytest

from shared.audit import AuditLog
from shared.messages import PlanCall
from shared.plans import Operation
from shared.seals import public_text
from tests.journeys.stacks import REPOSITORY
from tests.redteam.attackers import Attacker, owner_of, refused
from tests.redteam.provider import Forge
from tests.redteam.stage import APPLIERS, Stage
from tests.redteam.watching import creating, unchanged, written
from worker.anchoring import Anchoring
from worker.key_files import RECEIPT_FILE, SEAL_FILE, signing_key

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]

Lines = list[bytes]


@pytest.fixture(scope="module")
def gateway(stage: Stage) -> Iterator[Attacker]:
    with owner_of(stage, "gateway") as attacker:
        yield attacker


@pytest.fixture(scope="module")
def trail(stage: Stage, gateway: Attacker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the appliers wrote, after a plan was approved and applied, under an anchor."""
    plan_id = gateway.plan("on-record")
    stage.approve(plan_id)
    assert gateway.apply(plan_id)["body"]["state"] == "applied"
    folder = tmp_path_factory.mktemp("trail")
    shutil.copytree(stage.places.of_role("applier").audit, folder / "log")
    shutil.copytree(stage.places.of_role("applier").evidence, folder / "evidence")
    key = signing_key(stage.places.of_role("applier").keys / RECEIPT_FILE)
    log, anchors = AuditLog(folder / "log", time.time), folder / "log" / "anchors"
    assert Anchoring(log, anchors, key, worker="tests", clock=time.time).anchor()
    return folder


def findings(stage: Stage, folder: Path) -> list[str]:
    """What `audit verify` finds wrong with the log in a copy, with the public keys.

    What it finds in evidence files is left out: the owner of Redis was at work here, too.
    """
    planner, applier = (stage.places.of_role(name).keys for name in ("planner", "applier"))
    options = {
        "--root": str(folder / "log"),
        "--anchors": str(folder / "log" / "anchors"),
        "--evidence": str(folder / "evidence"),
        "--seal-key": public_text(signing_key(planner / SEAL_FILE).public_key()),
        "--receipt-key": public_text(signing_key(applier / RECEIPT_FILE).public_key()),
    }
    words = [f"{name}={value}" for name, value in options.items()]
    told = subprocess.run(
        [sys.executable, "-m", "worker.ops", "audit", "verify", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line for line in told.stdout.splitlines() if line.startswith(str(folder / "log"))]
    assert told.returncode == (1 if found else told.returncode), told.stderr
    assert "checked" in told.stdout, told.stderr
    return found


def test_what_the_appliers_recorded_is_whole(stage: Stage, trail: Path) -> None:
    assert findings(stage, trail) == []


def _edited(lines: Lines) -> Lines:
    found = next(i for i, line in enumerate(lines) if b'"proof.accepted"' in line)
    changed = lines[found].replace(b"dev-approver", b"dev-outsider")
    assert changed != lines[found]
    return [*lines[:found], changed, *lines[found + 1 :]]


def _begun_anew(lines: Lines) -> Lines:
    """A whole chain in itself, as who owns the log's disk can write it."""
    with TemporaryDirectory() as folder:
        log = AuditLog(Path(folder), time.time)
        for line in lines:
            fields = json.loads(line)
            event = fields.pop("event")
            ours = {"seq", "time", "prev", "hash"}
            log.record(event, **{name: fields[name] for name in fields.keys() - ours})
        return log.path.read_bytes().splitlines(keepends=True)


SPOILED: dict[str, Callable[[Lines], Lines]] = {
    "a word changed": _edited,
    "a record taken out": lambda lines: lines[:2] + lines[3:],
    "two records swapped": lambda lines: [lines[1], lines[0], *lines[2:]],
    "the end cut off": lambda lines: lines[:-1],
    "a record cut in two": lambda lines: [*lines[:-1], lines[-1][:20]],
    "begun anew": _begun_anew,
    "emptied": lambda _: [],
}


@pytest.mark.promise("audit-chain")
@pytest.mark.promise("audit-tail")
@pytest.mark.parametrize("how", SPOILED)
def test_a_log_that_was_spoiled_is_found_out_by_the_command(
    how: str, stage: Stage, trail: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trail, copy)
    log = copy / "log" / "audit.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)

    log.write_bytes(b"".join(SPOILED[how](lines)))

    assert findings(stage, copy)


@contextmanager
def full_disk(stage: Stage, *parts: str) -> Iterator[None]:
    """No file of these processes can grow any more, as on a full disk."""
    processes = [psutil.Process(stage.pid(name)) for name in parts]
    before = [process.rlimit(psutil.RLIMIT_FSIZE) for process in processes]
    for process, (_, hard) in zip(processes, before, strict=True):
        process.rlimit(psutil.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        for process, limits in zip(processes, before, strict=True):
            process.rlimit(psutil.RLIMIT_FSIZE, limits)


@pytest.mark.promise("audit-first")
def test_while_nothing_can_be_recorded_nothing_is_planned_approved_denied_or_written(
    stage: Stage, gateway: Attacker
) -> None:
    if not hasattr(psutil, "RLIMIT_FSIZE"):
        pytest.skip("this system cannot bound the files of a running process")
    approved, pending = gateway.plan("full-disk-approved"), gateway.plan("full-disk-pending")
    stage.approve(approved)
    signed = gateway.challenge(pending)
    token = Forge(stage=stage, signed=signed).real()
    call = {"verb": "challenge", "plan_id": pending, "approver": _ada(stage)}
    with unchanged(stage), full_disk(stage, "planner-1", *APPLIERS):
        for reply in (
            gateway.apply(approved),
            gateway.prove(signed, token),
            gateway.ask(call),
            gateway.deny(pending, "dev-approver"),
            gateway.ask(_request(gateway)),
        ):
            assert refused(reply, "audit_unavailable")
    with written(stage, *creating("full-disk-approved")):
        assert gateway.apply(approved)["body"]["state"] == "applied"
    assert gateway.apply(pending)["body"]["state"] == "pending"


def _request(gateway: Attacker) -> PlanCall:
    return gateway.plan_call(Operation.SCALE, "dev-requester", name="nginx", replicas=4)


def _ada(stage: Stage) -> dict[str, str]:
    return {"iss": stage.record.issuer, "sub": "dev-approver"}
