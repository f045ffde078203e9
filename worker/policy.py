"""Reads the policy: who may approve what, with which passkeys, and which guardrails are changed.

One YAML file with three optional sections, `approvers`, `passkeys` and `guardrails`, read as
strictly as a manifest: an unknown or doubled key is a mistake, and a mistake in a policy stops the
process. Nothing is decided here.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from shared.approver_rules import ApproverRule
from shared.errors import BadConfiguration, Refusal
from shared.guardrails.policy import Policies, read_policies
from shared.manifests import JSON
from shared.passkeys import MAX_CREDENTIALS
from worker.loading import read
from worker.passkeys import Passkey

MAX_POLICY_BYTES: Final = 256 * 1024
NO_POLICY: Final = b""
"""What is hashed when there is no file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPolicy:
    """The policy of one worker, for as long as it runs.

    `approvers` empty: nobody may approve. `sha256` (hex) is of the file's bytes and goes into every
    plan, receipt and audit record.
    """

    approvers: tuple[ApproverRule, ...] = ()
    passkeys: tuple[Passkey, ...] = ()
    guardrails: Policies
    sha256: str


_APPROVERS: Final = TypeAdapter(tuple[ApproverRule, ...])
_PASSKEYS: Final = TypeAdapter(tuple[Passkey, ...])
_SECTIONS: Final = frozenset({"approvers", "passkeys", "guardrails"})
_T = TypeVar("_T")


def load_policy(path: Path | None) -> LoadedPolicy:
    """Returns the policy in the file; for None the one that lets nobody approve.

    Raises:
        BadConfiguration: unreadable or wrong; the text names the file and the place in it.
    """
    if path is None:
        return LoadedPolicy(guardrails=Policies(), sha256=_sha256(NO_POLICY))
    raw = _bytes(path)
    sections = _sections(path, raw)
    return LoadedPolicy(
        approvers=_listed(path, "approvers", sections.get("approvers"), _APPROVERS),
        passkeys=_passkeys(path, sections.get("passkeys")),
        guardrails=_guardrails(path, sections.get("guardrails")),
        sha256=_sha256(raw),
    )


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_POLICY_BYTES + 1)
    except OSError as error:
        raise BadConfiguration(f"The policy {path} cannot be read ({error.strerror}).") from None
    if len(raw) > MAX_POLICY_BYTES:
        raise BadConfiguration(f"The policy {path} is longer than {MAX_POLICY_BYTES} bytes.")
    return raw


def _sections(path: Path, raw: bytes) -> dict[str, JSON]:
    try:
        documents = read(raw.decode())
    except UnicodeDecodeError:
        raise BadConfiguration(f"The policy {path} is not UTF-8.") from None
    if isinstance(documents, Refusal):
        raise BadConfiguration(f"The policy {path}: {documents.message}")
    if len(documents) > 1:
        raise BadConfiguration(f"The policy {path} holds more than one document.")
    sections = documents[0] if documents else {}
    if not isinstance(sections, dict) or not sections.keys() <= _SECTIONS:
        raise BadConfiguration(f"The policy {path} may hold approvers, passkeys, guardrails only.")
    return sections


def _passkeys(path: Path, value: JSON) -> tuple[Passkey, ...]:
    passkeys = _listed(path, "passkeys", value, _PASSKEYS)
    if len({one.credential_id for one in passkeys}) < len(passkeys):
        raise BadConfiguration(f"The policy {path} has a credential_id in two passkeys.")
    if len({one.rp_id for one in passkeys}) > 1:
        raise BadConfiguration(f"The policy {path} has passkeys of different rp_id.")
    people = Counter((one.iss, one.sub) for one in passkeys)
    if max(people.values(), default=0) > MAX_CREDENTIALS:
        raise BadConfiguration(
            f"The policy {path} has more than {MAX_CREDENTIALS} passkeys of one person."
        )
    return passkeys


def _listed(
    path: Path, section: str, value: JSON, kind: TypeAdapter[tuple[_T, ...]]
) -> tuple[_T, ...]:
    try:
        return kind.validate_python([] if value is None else value)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in (section, *problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise BadConfiguration(
            f"The policy {path} cannot be used:\n  " + "\n  ".join(lines)
        ) from None


def _guardrails(path: Path, value: JSON) -> Policies:
    policies = read_policies(value)
    if isinstance(policies, Refusal):
        raise BadConfiguration(f"The policy {path}, guardrails: {policies.message}")
    return policies


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
