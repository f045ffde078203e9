"""One plan's audit records as copies that people may read, each signed by the worker that wrote it.

The audit log on the workers' disks is the record; these are copies of its lines about one plan. A
copy that no worker signed is none. Also the words in which records are told. Pure.
"""

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.digests import canonical
from shared.seals import STORY_DOMAIN, sign, signature_holds

EVENTS: Final = {
    "plan.created": "asked for; the plan was made and sealed",
    "challenge.issued": "pressed Approve; was sent to sign in",
    "proof.accepted": "approved it by a fresh login",
    "proof.refused": "a login did not approve it",
    "plan.denied": "denied it",
    "plan.revoked": "took the approval back",
    "plan.cancelled": "took the request back",
    "apply.started": "approved what is written now",
    "apply.object": "one object",
    "apply.succeeded": "everything is written",
    "apply.failed": "it was not, or not wholly, written",
    "apply.stale": "the cluster had changed; nothing was written",
    "apply.unknown": "whether everything was written is not known",
    "rollback.refused": "asked for a rollback; none could be planned",
    "rollback.requested": "asked on the approval page for a plan that undoes this one",
    "apply.resolved": "a person looked, and said what became of it",
}
"""What each event of a plan says, after the name of who caused it where there is one."""

_SAID: Final = frozenset({"seq", "time", "event", "prev", "hash", "plan", "digest", "iss", "sub"})
_HASHES: Final = frozenset({"proof", "policy", "key", "passkey"})
SHORT: Final = 12
"""Characters of a hash that is there to be recognized only."""


class Told(BaseModel):
    """A signed copy of one audit record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: dict[str, str | int | bool]
    signature: str

    def holds(self, plan_id: str, keys: tuple[Ed25519PublicKey, ...]) -> bool:
        """Says whether a worker signed it, and it is about this plan."""
        try:
            document = canonical(self.record)
        except ValueError:
            return False
        about = self.record.get("plan") == plan_id
        return about and signature_holds(keys, STORY_DOMAIN, document, self.signature)


def told(key: Ed25519PrivateKey, record: Mapping[str, str | int | bool]) -> Told:
    """Returns the signed copy of a record."""
    copy = dict(record)
    return Told(record=copy, signature=sign(key, STORY_DOMAIN, canonical(copy)))


def read_told(document: bytes) -> Told | None:
    """Returns a stored copy; None if it is unreadable."""
    try:
        return Told.model_validate_json(document)
    except ValidationError:
        return None


def facts(record: Mapping[str, object]) -> tuple[str, ...]:
    """Returns what else a record says, in short: names, results, hashes to be recognized by."""
    return tuple(
        f"{name} {_short(str(value)) if name in _HASHES else value}"
        for name, value in record.items()
        if name not in _SAID and value != ""
    )


def _short(text: str) -> str:
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"
