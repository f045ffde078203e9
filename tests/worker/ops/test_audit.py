"""`audit verify`, `show` and `export` on files that the verbs made, whole and spoiled."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.approver_rules import Required
from shared.audit import BEGINNING, Record, _hash, read_record, record_line
from shared.plans import Identity, Operation
from shared.seals import public_text
from tests.cluster.conftest import Kube
from tests.worker.ops.conftest import CONFIG, Answer, Told, make_cluster_world
from tests.worker.worlds import ADA
from worker.ops.believing import workers_keys

pytestmark = pytest.mark.cluster

Ops = Callable[..., Answer]
Lines = list[bytes]


def change_log(told: Told, change: Callable[[Lines], Lines]) -> None:
    lines = told.log.read_bytes().splitlines(keepends=True)
    told.log.write_bytes(b"".join(change(lines)))


def rechained(lines: Lines) -> Lines:
    """What somebody makes who owns the disk: every hash is right again."""
    written: Lines = []
    head = BEGINNING
    for number, line in enumerate(lines, start=1):
        record: Record = {**json.loads(line), "seq": number, "prev": head.hash}
        record["hash"] = _hash(record)
        written.append(record_line(record))
        read = read_record(written[-1])
        assert read is not None
        head = type(head)(seq=number, hash=str(read["hash"]))
    return written


def stranger() -> str:
    return public_text(Ed25519PrivateKey.generate().public_key())


def named(told: Told) -> list[str]:
    """The options that name the real public keys."""
    keys = workers_keys(told.trail)
    options = [("--seal-key", key) for key in keys.seal]
    options += [("--receipt-key", key) for key in keys.receipt]
    return [f"{option}={public_text(key)}" for option, key in options]


def test_what_the_workers_left_behind_is_whole(ops: Ops) -> None:
    answer = ops("audit", "verify")
    assert answer.code == 0, answer.out
    assert "checked 8 records, 1 anchors, 1 evidence files: nothing is wrong" in answer.out
    assert "ID tokens are not stored" in answer.out


def test_a_copy_of_the_files_verifies_elsewhere_with_the_public_keys_alone(
    told: Told, ops: Ops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(told.folder, tmp_path / "copy", ignore=lambda *_: {"keys"})
    for name in told.environment:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "copy"
    answer = ops(
        *("audit", "verify", "--root", copy / "audit", "--anchors", copy / "elsewhere"),
        *("--evidence", copy / "evidence", *named(told)),
    )
    assert answer.code == 0, answer.out


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda rows: [rows[0].replace(b"rob", b"eve"), *rows[1:]], "changed", id="ed"),
        pytest.param(lambda rows: [*rows[:3], *rows[4:]], "gap", id="delete"),
        pytest.param(lambda rows: [rows[1], rows[0], *rows[2:]], "gap", id="reorder"),
        pytest.param(lambda rows: [*rows, rows[-1]], "gap", id="repeat"),
        pytest.param(lambda rows: [*rows[:-1], rows[-1][:-9]], "unreadable", id="tear"),
        pytest.param(lambda rows: rows[:-1], "tail_cut", id="cut"),
        pytest.param(lambda _: [], "tail_cut", id="empty"),
        pytest.param(lambda rows: rechained(rows[1:]), "tail_cut", id="rechained"),
        pytest.param(lambda rows: rechained([*rows[1:], *rows[:1]]), "rewritten", id="rewritten"),
    ],
)
def test_a_spoiled_log_is_found_out_with_what_to_do(
    told: Told, ops: Ops, change: Callable[[Lines], Lines], code: str
) -> None:
    change_log(told, change)
    answer = ops("audit", "verify")
    assert answer.code == 1
    assert code in answer.codes
    line = next(line for line in answer.out.splitlines() if f": {code}: " in line)
    assert line.startswith(f"{told.log} line ")
    assert line.endswith(("collector's.", "tampering."))


def test_without_anchors_a_cut_end_cannot_be_seen(told: Told, ops: Ops) -> None:
    change_log(told, lambda rows: rows[:-1])
    assert ops("audit", "verify", "--without-anchors").code == 0


def test_removed_anchors_are_missed(told: Told, ops: Ops) -> None:
    told.anchors.unlink()
    answer = ops("audit", "verify")
    assert (answer.code, answer.codes) == (1, {"unanchored"})


def test_an_anchor_of_somebody_else_is_found_out(told: Told, ops: Ops) -> None:
    anchor = json.loads(told.anchors.read_text("ascii"))
    changed = {**anchor, "seq": anchor["seq"] - 1}
    line = json.dumps(changed, separators=(",", ":")) + "\n"
    told.anchors.write_text(line, "ascii")
    assert ops("audit", "verify").codes == {"anchor_forged", "unanchored"}


def test_with_other_keys_nothing_is_believed(ops: Ops) -> None:
    answer = ops("audit", "verify", f"--seal-key={stranger()}", f"--receipt-key={stranger()}")
    assert answer.code == 1
    assert answer.codes == {
        "anchor_forged",
        "unanchored",
        "seal_broken",
        "receipt_forged",
        "evidence_changed",
    }


def _set(*path: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


@pytest.mark.promise("evidence-whole")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(_set("plan", "namespace", to="kube-system"), "plan_changed", id="plan"),
        pytest.param(_set("plan", "more", to=1), "plan_changed", id="plan, more"),
        pytest.param(_set("plan", "salt", to=1.5), "plan_changed", id="plan, float"),
        pytest.param(_set("plan", "id", to="x"), "evidence_of_another_plan", id="id"),
        pytest.param(_set("plan", "expires_at", to=2_000_000_000), "seal_broken", id="expiry"),
        pytest.param(_set("digest", to="sha256:00"), "plan_changed", id="digest"),
        pytest.param(_set("seal", to="AAAA"), "seal_broken", id="seal"),
        pytest.param(_set("receipt", to=None), "receipt_missing", id="no receipt"),
        pytest.param(
            _set("receipt", "receipt", "approver", "sub", to="eve"), "receipt_forged", id="approver"
        ),
        pytest.param(
            _set("receipt", "receipt", "plan_digest", to="sha256:00"),
            "receipt_of_another_plan",
            id="receipt's digest",
        ),
        pytest.param(
            _set("receipt", "receipt", "plan_id", to="x"),
            "receipt_of_another_plan",
            id="receipt plan id",
        ),
        pytest.param(
            _set("receipt", "receipt", "auth_time", to=1), "receipt_times", id="auth time"
        ),
        pytest.param(
            _set("receipt", "receipt", "verified_at", to=1), "receipt_times", id="verified at"
        ),
        pytest.param(
            _set("receipt", "receipt", "apply_before", to=2**40), "receipt_times", id="apply before"
        ),
        pytest.param(
            _set("receipt", "receipt", "proof_sha256", to="00"), "receipt_forged", id="proof"
        ),
        pytest.param(
            _set("receipt", "receipt", "key_thumbprint", to="00"),
            "receipt_forged",
            id="provider key",
        ),
        pytest.param(
            _set("receipt", "receipt", "policy_sha256", to="00"), "receipt_forged", id="policy"
        ),
        pytest.param(_set("receipt", "signature", to="AAAA"), "receipt_forged", id="signature"),
        pytest.param(_set("co_receipts", to=[1]), "receipt_forged", id="earlier receipts"),
        pytest.param(
            lambda document: document.update(co_receipts=[document["receipt"]]),
            "receipt_twice",
            id="receipt twice",
        ),
        pytest.param(_set("state", to="failed"), "outcome_contradicts", id="state"),
        pytest.param(_set("state", to="denied"), "outcome_contradicts", id="denied"),
        pytest.param(_set("state", to="gone"), "evidence_unreadable", id="no state"),
        pytest.param(_set("outcome", to=None), "outcome_contradicts", id="no outcome"),
        pytest.param(_set("outcome", "message", to="all good"), "evidence_changed", id="words"),
        pytest.param(_set("outcome", "applied_at", to=7), "evidence_changed", id="applied at"),
        pytest.param(_set("outcome", "code", to="x"), "audit_differs", id="code"),
        pytest.param(_set("outcome", "objects", to=[]), "outcome_contradicts", id="objects"),
        pytest.param(
            _set("outcome", "objects", 0, "name", to="other"), "outcome_contradicts", id="object"
        ),
        pytest.param(
            _set("outcome", "objects", 0, "result", to="unchanged"), "audit_differs", id="result"
        ),
        pytest.param(_set("signed_by", to="x"), "evidence_changed", id="signer"),
        pytest.param(_set("signature", to="AAAA"), "evidence_changed", id="evidence's signature"),
        pytest.param(_set("signature", to=None), "evidence_unsigned", id="unsigned"),
        pytest.param(_set("more", to=1), "evidence_unreadable", id="more"),
        pytest.param(lambda document: document.clear(), "evidence_unreadable", id="empty"),
    ],
)
def test_evidence_that_was_changed_anywhere_is_found_out(
    told: Told, ops: Ops, change: Callable[[dict[str, Any]], object], code: str
) -> None:
    told.change_evidence(change)
    answer = ops("audit", "verify")
    assert answer.code == 1
    assert code in answer.codes, answer.out


def test_evidence_of_a_plan_that_two_people_approved_is_whole(
    kube: Kube, redis_url: str, tmp_path: Path, ops: Ops
) -> None:
    here = make_cluster_world(kube, redis_url, tmp_path / "two")
    ben = Identity(iss=ADA.iss, sub="ben")
    rule = here.world.context.policy.approvers[0].model_copy(
        update={"subjects": (ADA, ben), "required": Required(low=2, medium=2, high=2)}
    )
    here.world.with_rules(rule)
    plan = here.plan(Operation.APPLY, manifest=CONFIG)
    for person in (ADA, ben):
        here.world.prove(here.world.challenge(person, plan.id), plan_id=plan.id)
    assert here.apply(plan)["state"] == "applied"
    here.remove("ConfigMap", "ig-told")
    here.world.redis.close()

    settings = here.world.context.settings
    keys = workers_keys(settings)
    files = ("--root", settings.audit_root, "--evidence", settings.evidence_root)
    named = [f"--seal-key={public_text(key)}" for key in keys.seal]
    named += [f"--receipt-key={public_text(key)}" for key in keys.receipt]
    answer = ops("audit", "verify", *files, "--without-anchors", *named)
    assert answer.code == 0, answer.out
    told = ops("audit", "show", plan.id, *files, "--without-anchors", *named).out
    assert "receipt: ada" in told
    assert "receipt: ben" in told


@pytest.mark.parametrize("content", [b"", b"null", b"[" * 100_000, b"\xff\xfe"])
def test_an_evidence_file_of_rubbish_is_told_as_such(told: Told, ops: Ops, content: bytes) -> None:
    told.evidence.write_bytes(content)
    assert ops("audit", "verify").codes == {"evidence_unreadable"}


def test_evidence_that_is_gone_is_missed(told: Told, ops: Ops) -> None:
    told.evidence.unlink()
    answer = ops("audit", "verify")
    assert (answer.code, answer.codes) == (1, {"evidence_missing"})
    assert told.applied in answer.out


def test_evidence_under_the_name_of_another_plan_is_found_out(told: Told, ops: Ops) -> None:
    told.evidence.rename(told.evidence.with_stem("other"))
    assert "evidence_of_another_plan" in ops("audit", "verify").codes


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ("proof.accepted", "write_without_approval"),
        ("apply.started", "audit_missing"),
        ("apply.succeeded", "audit_missing"),
    ],
)
def test_a_log_without_one_of_the_steps_contradicts_the_evidence(
    told: Told, ops: Ops, event: str, code: str
) -> None:
    """Even when whoever removed it made a perfect chain, and the anchors are not there."""
    wanted = f'"event":"{event}"'.encode()
    change_log(told, lambda rows: rechained([row for row in rows if wanted not in row]))
    answer = ops("audit", "verify", "--without-anchors")
    assert answer.code == 1
    assert code in answer.codes, answer.out


def test_an_apply_before_its_proof_is_found_out(told: Told, ops: Ops) -> None:
    change_log(told, lambda rows: rechained([*rows[:2], rows[3], rows[2], *rows[4:]]))
    codes = ops("audit", "verify", "--without-anchors").codes
    assert codes == {"audit_order", "write_without_approval"}


def test_records_that_await_their_anchor_are_a_note_and_no_problem(told: Told, ops: Ops) -> None:
    change_log(told, lambda rows: rechained([*rows, rows[-1]]))
    answer = ops("audit", "verify")
    assert answer.code == 0
    assert "the last 1 records await their anchor" in answer.out


def test_the_logs_of_two_hosts_are_checked_together(told: Told, ops: Ops, tmp_path: Path) -> None:
    """The planner's host has the request, the applier's the rest."""
    rows = told.log.read_bytes().splitlines(keepends=True)
    for name, part in (("planner", rows[:1]), ("applier", rows[1:])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "audit.jsonl").write_bytes(b"".join(rechained(part)))
    both = ("--root", tmp_path / "planner", "--root", tmp_path / "applier", "--without-anchors")

    assert ops("audit", "verify", *both).code == 0
    assert "record 1" in ops("audit", "show", told.applied, *both).out


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "--root", "nowhere"),
        ("verify", "--root", "a", "--anchors", "b", "--anchors", "c"),
        ("verify", "--seal-key", "short"),
        ("verify", "--evidence-file", "nowhere"),
        ("show", "../../etc/passwd"),
    ],
)
def test_what_cannot_be_done_is_said_on_standard_error(
    ops: Ops, arguments: tuple[str, ...]
) -> None:
    answer = ops("audit", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err


def test_an_unreadable_log_is_no_clean_log(told: Told, ops: Ops) -> None:
    told.log.unlink()
    told.log.mkdir()
    assert ops("audit", "verify").code == 2


def test_the_story_of_a_plan_is_told_in_order_and_steers_no_terminal(told: Told, ops: Ops) -> None:
    answer = ops("audit", "show", told.applied)
    assert answer.code == 0, answer.out
    events = [
        "plan.created",
        "challenge.issued",
        "proof.accepted",
        "apply.started",
        "apply.object",
        "apply.succeeded",
    ]
    places = [answer.out.index(f"  {event}") for event in events]
    assert places == sorted(places)
    assert "ada (http://127.0.0.1:3011) approved it by a fresh login" in answer.out
    assert '"count <U+202E>evil" (the agent\'s words, not verified)' in answer.out
    assert told.records[0]["digest"] in answer.out
    assert "Checked: log, seal, receipts and outcome agree." in answer.out


def test_a_plan_that_was_denied_has_a_story_too(told: Told, ops: Ops) -> None:
    answer = ops("audit", "show", told.denied)
    assert answer.code == 0
    assert "plan.denied" in answer.out
    assert told.applied not in answer.out


def test_a_story_says_when_it_cannot_be_trusted(told: Told, ops: Ops) -> None:
    told.change_evidence(_set("plan", "namespace", to="shop"))
    change_log(told, lambda rows: rows[:-1])
    answer = ops("audit", "show", told.applied)
    assert answer.code == 1
    assert "plan_changed" in answer.out
    assert "run `audit verify`" in answer.out


def test_an_unknown_plan_has_no_story(ops: Ops) -> None:
    assert ops("audit", "show", "unknown").code == 1
    assert ops("audit", "export", "unknown").code == 1


def exported(told: Told, ops: Ops, plan: str = "") -> Path:
    path = told.folder / "exported.json"
    answer = ops("audit", "export", plan or told.applied, "--to", path)
    assert answer.code == 0, answer.err
    return path


def test_an_exported_plan_verifies_alone(
    told: Told, ops: Ops, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, path = named(told), exported(told, ops).rename(tmp_path / "alone.json")
    shutil.rmtree(told.folder)
    monkeypatch.chdir(tmp_path)

    answer = ops("audit", "verify", "--evidence-file", path, *keys)
    assert answer.code == 0, answer.out
    assert "keys in the file itself" not in answer.out
    assert path.stat().st_mode & 0o777 == 0o600


def test_without_named_keys_an_exported_plan_says_whose_keys_it_was_checked_with(
    told: Told, ops: Ops
) -> None:
    answer = ops("audit", "verify", "--evidence-file", exported(told, ops))
    assert answer.code == 0
    for key in workers_keys(told.trail).receipt:
        assert public_text(key) in answer.out
    assert "compare them" in answer.out


def test_a_plan_that_was_never_applied_can_be_exported_too(told: Told, ops: Ops) -> None:
    path = exported(told, ops, told.denied)
    assert json.loads(path.read_text())["evidence"] is None
    assert ops("audit", "verify", "--evidence-file", path, *named(told)).code == 0


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(
            _set("evidence", "outcome", "message", to="x"), "evidence_changed", id="evidence"
        ),
        pytest.param(_set("logs", 0, "records", 2, "sub", to="eve"), "changed", id="record"),
        pytest.param(lambda bundle: bundle["logs"][0]["records"].pop(2), "gap", id="removed"),
        pytest.param(lambda bundle: bundle["logs"][0]["records"].pop(), "tail_cut", id="cut"),
        pytest.param(lambda bundle: bundle["logs"][0]["anchors"].clear(), "unanchored", id="no"),
        pytest.param(_set("logs", 0, "anchors", 0, "hash", to="00"), "anchor_forged", id="anchor"),
        pytest.param(_set("logs", to=[]), "audit_missing", id="no log"),
        pytest.param(_set("plan_id", to="x"), "evidence_of_another_plan", id="id"),
    ],
)
def test_an_exported_plan_that_was_changed_is_found_out(
    told: Told, ops: Ops, change: Callable[[dict[str, Any]], object], code: str
) -> None:
    path = exported(told, ops)
    bundle = json.loads(path.read_text())
    change(bundle)
    path.write_text(json.dumps(bundle))

    answer = ops("audit", "verify", "--evidence-file", path, *named(told))
    assert answer.code == 1
    assert code in answer.codes, answer.out


def test_an_export_overwrites_nothing_and_goes_to_standard_output_otherwise(
    told: Told, ops: Ops
) -> None:
    path = exported(told, ops)
    assert ops("audit", "export", told.applied, "--to", path).code == 2
    printed = ops("audit", "export", told.applied)
    assert printed.out.isascii()
    assert json.loads(printed.out) == json.loads(path.read_text())


def test_a_file_that_is_no_export_is_refused(told: Told, ops: Ops) -> None:
    answer = ops("audit", "verify", "--evidence-file", told.evidence)
    assert answer.code == 2
    assert "no file of `audit export`" in answer.err


def test_the_command_needs_neither_the_cluster_nor_the_queue(told: Told) -> None:
    report = (
        "import sys; from worker.ops.__main__ import main; code = main(['audit', 'verify']); "
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", report],
        capture_output=True,
        check=False,
        env={**os.environ, **told.environment},
        text=True,
    )
    loaded = {name.split(".", maxsplit=1)[0] for name in done.stderr.split()}
    assert done.returncode == 0, done.stderr
    assert not loaded & {"kubernetes", "celery", "redis", "kombu", "urllib3"}
