"""Reads the policy: who may approve what, and which guardrails are changed. Decides nothing.

One YAML file with two optional sections, `approvers` and `guardrails`, read as strictly as a
manifest: an unknown or doubled key is a mistake, and a mistake in a policy stops the process.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from shared.approvals import ApproverRule
from shared.errors import BadConfiguration, Refusal
from shared.guardrails.policy import Policies, read_policies
from shared.manifests import JSON
from worker.loading import read

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
    guardrails: Policies
    sha256: str


_APPROVERS: Final = TypeAdapter(tuple[ApproverRule, ...])
_SECTIONS: Final = frozenset({"approvers", "guardrails"})


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
        approvers=_approvers(path, sections.get("approvers")),
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
        raise BadConfiguration(f"The policy {path} may hold approvers and guardrails, no more.")
    return sections


def _approvers(path: Path, value: JSON) -> tuple[ApproverRule, ...]:
    try:
        return _APPROVERS.validate_python([] if value is None else value)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in ('approvers', *problem['loc']))}: {problem['msg']}"
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
