"""Whether this machine has what the settings name: keys, policy, folders. Makes none of it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shared.approver_rules import ApproverRule
from shared.errors import BadConfiguration
from shared.messages import Role
from shared.passkeys import PasskeyDemand
from shared.seals import public_text
from shared.settings import WorkerSettings
from worker.key_files import PROOF_FILE, RECEIPT_FILE, SEAL_FILE
from worker.keys import Keys, load_keys
from worker.ops.diagnosis import Diagnosis, failed, fine, judged, not_checked, warning
from worker.passkeys import address_problem
from worker.policy import LoadedPolicy, load_policy

ENOUGH_BYTES: Final = 1024**3
TOO_FEW_BYTES: Final = 64 * 1024**2

_FILES: Final = {Role.PLAN: (SEAL_FILE,), Role.APPLY: (RECEIPT_FILE, PROOF_FILE)}


def keys(settings: WorkerSettings) -> Iterator[Diagnosis]:
    """Yields what is found of this process' private keys and of the planners that it believes."""
    names = [name for role in settings.roles for name in _FILES.get(role, ())]
    if not names:
        yield not_checked("keys", "a reader needs none")
        return
    missing = [name for name in names if not (settings.keys_root / name).exists()]
    if missing:
        yield _missing(settings, missing)
        return
    try:
        loaded = load_keys(settings)
    except BadConfiguration as problem:
        yield failed("keys", str(problem), "see docs/operations.md, Keys")
        return
    yield fine("keys", f"{', '.join(names)} in {settings.keys_root}, readable by nobody else")
    yield from _pins(settings, loaded)


def _missing(settings: WorkerSettings, names: list[str]) -> Diagnosis:
    said = f"{settings.keys_root} lacks {', '.join(names)}"
    if settings.production:
        return failed("keys", said, "make them as docs/operations.md, Keys, says")
    return not_checked("keys", f"{said}; made at the first start, in Development only")


def _pins(settings: WorkerSettings, loaded: Keys) -> Iterator[Diagnosis]:
    pinned = settings.seal_public_keys
    if not pinned:
        yield not_checked("keys", "no planner is pinned; this one believes its own folder's")
        return
    if Role.APPLY in settings.roles:
        yield fine("keys", f"{len(pinned)} planners pinned (INFRA_GATE_SEAL_PUBLIC_KEYS)")
    if loaded.seal is not None:
        yield judged(
            public_text(loaded.seal.public_key()) in pinned,
            "keys",
            "this planner is among the pinned ones",
            "this planner's key is not among the pinned ones: nobody will believe its plans",
            "add the public half of seal.key to INFRA_GATE_SEAL_PUBLIC_KEYS everywhere",
        )


def policy(settings: WorkerSettings) -> Iterator[Diagnosis]:
    """Yields what is found of the policy: who may approve where."""
    try:
        loaded = load_policy(settings.policy_file)
    except BadConfiguration as problem:
        yield failed("policy", str(problem), "correct the file; docs/operations.md describes it")
        return
    if settings.policy_file is None:
        said, mend = "there is none: nobody may approve", "set INFRA_GATE_POLICY_FILE"
        yield failed("policy", said, mend)
        return
    yield fine("policy", f"{settings.policy_file} reads, sha256 {loaded.sha256[:12]}…")
    for namespace in settings.namespaces:
        rules = [rule for rule in loaded.approvers if namespace in rule.namespaces]
        yield from _approvers(namespace, rules, settings.oauth_authority)
    if Role.APPLY in settings.roles:
        yield from _passkeys(settings, loaded)


def _approvers(namespace: str, rules: list[ApproverRule], issuer: str) -> Iterator[Diagnosis]:
    named = {(one.iss, one.sub) for rule in rules for one in rule.subjects}
    named |= {(one.iss, one.group) for rule in rules for one in rule.groups}
    ours = [who for iss, who in named if iss == issuer]
    if not named:
        mend = "name subjects for it under approvers in the policy"
        yield failed("policy", f"{namespace}: nobody may approve", mend)
        return
    yield judged(
        bool(ours),
        "policy",
        f"{namespace}: {len(ours)} may approve",
        f"{namespace}: its approvers are all of another issuer than {issuer}",
        "make iss in the policy exactly INFRA_GATE_OAUTH_AUTHORITY",
    )
    if any(rule.requester_may_approve for rule in rules):
        yield warning(
            "policy",
            f"{namespace}: requesters may approve their own plans",
            "set requester_may_approve: false for four eyes",
        )


def _passkeys(settings: WorkerSettings, loaded: LoadedPolicy) -> Iterator[Diagnosis]:
    sites = {one.rp_id for one in loaded.passkeys}
    problem = address_problem(sites, settings.approval_base_url, production=settings.production)
    if problem is not None:
        mend = "set INFRA_GATE_APPROVAL_BASE_URL to where people open approvals"
        yield failed("policy", problem, mend)
    elif sites:
        yield fine("policy", f"{len(loaded.passkeys)} passkeys for pages of {', '.join(sites)}")
    holders = {(one.iss, one.sub) for one in loaded.passkeys}
    needing = {
        (one.iss, one.sub)
        for rule in loaded.approvers
        if rule.passkey != PasskeyDemand()
        for one in rule.subjects
    }
    for _, sub in sorted(needing - holders):
        mend = "enroll one (`passkeys begin`); until then they cannot approve what demands it"
        yield warning("policy", f"{sub} needs a passkey and has none", mend)


def folders(settings: WorkerSettings) -> Iterator[Diagnosis]:
    """Yields whether the folders of audit log and evidence can be written, and how much fits."""
    yield _folder("audit", settings.audit_root, "INFRA_GATE_GUARD_AUDIT_ROOT")
    if Role.APPLY in settings.roles:
        yield _folder("evidence", settings.evidence_root, "K8S_MCP_APPROVAL_ROOT")


def _folder(about: str, folder: Path, variable: str) -> Diagnosis:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    try:
        _try_to_write(there)
        free = shutil.disk_usage(there).free
    except OSError as error:
        mend = f"let user {os.geteuid()} write there, or name another folder in {variable}"
        return failed(about, f"{there} cannot be written ({error.strerror})", mend)
    room = f"{free / 1024**3:.1f} GiB free"
    if free < ENOUGH_BYTES:
        say = failed if free < TOO_FEW_BYTES else warning
        mend = "free space: without the audit log nothing is planned, approved or written"
        return say(about, f"{folder} is nearly full: {room}", mend)
    made = "" if there == folder.absolute() else ", made at the first start"
    return fine(about, f"{folder} can be written{made}, {room}")


def _try_to_write(folder: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        file.write(b"\0")
        file.flush()
        os.fsync(file.fileno())
