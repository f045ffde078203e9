"""`audit verify|show|export`: is the record whole, what happened to a plan, take it along.

Nothing here needs the network: it works on a copy of the files, with the public keys alone.
"""

import json
import os
import re
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from shared.errors import BadConfiguration
from shared.manifests import JSON
from shared.settings import TrailSettings, read_trail_settings
from worker.ops.believing import Believed, named_keys, workers_keys
from worker.ops.bundle import Bundle, check_bundle, keys_in, make_bundle, read_bundle
from worker.ops.evidence import flaws, log_flaws
from worker.ops.findings import Finding
from worker.ops.logs import Place, of_plans
from worker.ops.story import story
from worker.ops.telling import WELL, WRONG, complain, tell
from worker.ops.trail import MAX_EVIDENCE, check_trail, read_json, read_logs

TOKENS: Final = (
    "note: the providers' ID tokens are not stored, only their SHA-256; what stands for them are "
    "the appliers' signed receipts."
)
_PLAN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def add_arguments(parser: ArgumentParser) -> tuple[ArgumentParser, ...]:
    """Declares the options of `audit`; returns the parsers of its actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    verify = actions.add_parser("verify", help="check chain, anchors and evidence; exit 1 if not")
    verify.add_argument("--evidence-file", type=Path, help="check one exported file alone")
    show = actions.add_parser("show", help="tell the story of one plan")
    export = actions.add_parser("export", help="write one plan's evidence as one file")
    export.add_argument("--to", type=Path, help="a new file; default standard output")
    for action in (show, export):
        action.add_argument("plan", help="the plan's id")
    for action in (verify, show, export):
        _add_places(action)
    return verify, show, export


def _add_places(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--root", type=Path, action="append", help="folder of an audit log; may be repeated")
    add("--anchors", type=Path, action="append", help="folder of its anchors, one for each --root")
    add("--without-anchors", action="store_true", help="for the log of a reader, which has no key")
    add("--evidence", type=Path, help="folder of the evidence files")
    add("--seal-key", action="append", default=[], help="believe this planner (base64url)")
    add("--receipt-key", action="append", default=[], help="believe this applier (base64url)")


def run(options: Namespace, trail: TrailSettings | None = None) -> int:
    """Runs one action on the files that options, or else `trail` (the environment), name.

    Raises:
        AuditUnavailable: a log or its anchors cannot be read.
        BadConfiguration: another file or a key cannot be used; the text says which.
    """
    trail = trail or read_trail_settings()
    if options.action == "verify":
        return _verify_file(options) if options.evidence_file else _verify(options, trail)
    if _PLAN_ID.fullmatch(options.plan) is None:
        raise BadConfiguration("That is no plan id.")
    return _show(options, trail) if options.action == "show" else _export(options, trail)


def _verify(options: Namespace, trail: TrailSettings) -> int:
    checked = check_trail(_places(options, trail), _evidence(options, trail), _keys(options, trail))
    for finding in checked.findings:
        tell(finding.line)
    for log in checked.logs:
        if log.uncovered and log.place.anchors is not None:
            tell(f"note: {log.place.log}: the last {log.uncovered} records await their anchor.")
    tell(TOKENS)
    tell(checked.summary)
    return WRONG if checked.findings else WELL


def _verify_file(options: Namespace) -> int:
    path: Path = options.evidence_file
    bundle = _bundle(path)
    named = bool(options.seal_key or options.receipt_key)
    believed = named_keys(options.seal_key, options.receipt_key) if named else keys_in(bundle)
    found = [
        Finding(where=f"{path}: {where}", code=code, message=message)
        for where, code, message in check_bundle(bundle, believed)
    ]
    for finding in found:
        tell(finding.line)
    if not named:
        tell("note: checked with the keys in the file itself; compare them with `keys show`:")
        tell(f"note:   seal {', '.join(bundle.keys.seal) or 'none'}")
        tell(f"note:   receipt {', '.join(bundle.keys.receipt) or 'none'}")
    tell(TOKENS)
    tell(f"plan {bundle.plan_id}: {f'{len(found)} problems' if found else 'nothing is wrong'}")
    return WRONG if found else WELL


def _show(options: Namespace, trail: TrailSettings) -> int:
    believed, path = _keys(options, trail), _evidence(options, trail) / f"{options.plan}.json"
    logs = read_logs(_places(options, trail), believed)
    records = of_plans(logs).get(options.plan, [])
    evidence = _found(path)
    if not records and evidence is None:
        complain(f"Neither the audit log nor the evidence knows a plan {options.plan}.")
        return WRONG
    for line in story(options.plan, records, evidence):
        tell(line)
    wrong = log_flaws(records) if evidence is None else flaws(evidence, records, believed)
    for flaw in wrong:
        tell(Finding(where=str(path), code=flaw.code, message=flaw.message).line)
    damaged = any(log.problems for log in logs)
    if damaged:
        tell("The log has problems: run `audit verify`.")
    elif not wrong:
        tell("Checked: log, seal, receipts and outcome agree." if evidence else "Checked: the log.")
    return WRONG if wrong or damaged else WELL


def _export(options: Namespace, trail: TrailSettings) -> int:
    believed, path = _keys(options, trail), _evidence(options, trail) / f"{options.plan}.json"
    logs = read_logs(_places(options, trail), believed)
    if options.plan not in of_plans(logs):
        complain(f"The audit log knows no plan {options.plan}.")
        return WRONG
    bundle = make_bundle(options.plan, _found(path), logs, believed)
    text = json.dumps(bundle.model_dump(mode="json"), indent=2)  # ASCII: steers no terminal
    if options.to is None:
        for line in text.splitlines():
            tell(line)
        return WELL
    _write_new(options.to, text + "\n")
    tell(f"{options.to}: check it with `audit verify --evidence-file {options.to}`")
    return WELL


def _places(options: Namespace, trail: TrailSettings) -> list[Place]:
    roots: list[Path] = options.root or [trail.audit_root]
    beside = [root / "anchors" for root in roots] if options.root else [trail.anchors]
    anchors: list[Path | None] = options.anchors or [*beside]
    if options.without_anchors:
        return [Place(root=root, anchors=None) for root in roots]
    if len(roots) != len(anchors):
        raise BadConfiguration("Give --anchors once for each --root, in the same order.")
    return [Place(root=root, anchors=place) for root, place in zip(roots, anchors, strict=True)]


def _evidence(options: Namespace, trail: TrailSettings) -> Path:
    root: Path | None = options.evidence
    return root or trail.evidence_root


def _keys(options: Namespace, trail: TrailSettings) -> Believed:
    if options.seal_key or options.receipt_key:
        return named_keys(options.seal_key, options.receipt_key)
    return workers_keys(trail)


def _found(path: Path) -> JSON:
    return read_json(path) if path.exists() else None


def _bundle(path: Path) -> Bundle:
    try:
        with path.open("rb") as file:
            bundle = read_bundle(file.read(MAX_EVIDENCE))
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be read ({error.strerror}).") from None
    if bundle is None:
        raise BadConfiguration(f"{path} is no file of `audit export`.")
    return bundle


def _write_new(path: Path, text: str) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be written ({error.strerror}).") from None
