"""Which fields of a plan the owner of Redis overwrites, and with what."""

import json
import time
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.approvals import Receipt, SignedReceipt
from shared.plans import SealedPlan
from shared.seals import RECEIPT_DOMAIN, seal_plan, sign
from tests.redteam.stage import Stage

OWN_KEY = Ed25519PrivateKey.generate()

Fields = dict[str, Any]
Stored = dict[bytes, bytes]


def edited(document: bytes, **changed: Any) -> bytes:
    """The plan's bytes with another value for the ConfigMap, or with other fields."""
    text = document.decode()
    if not changed:
        assert '"value":"1"' in text
        return text.replace('"value":"1"', '"value":"evil"').encode()
    return json.dumps(json.loads(text) | changed, separators=(",", ":"), sort_keys=True).encode()


def our_seal(document: bytes) -> Fields:
    """A plan under a seal of our own."""
    digest = SealedPlan(document=document, seal="").digest
    expires_at = json.loads(document)["expires_at"]
    seal = seal_plan(OWN_KEY, digest, expires_at)
    return {"document": document, "digest": digest, "seal": seal}


def our_receipt(digest: str, plan_id: str, stage: Stage, **changed: Any) -> str:
    """A receipt as an applier would write it, under a signature of our own."""
    now = int(time.time())
    honest = {
        "plan_id": plan_id,
        "plan_digest": digest,
        "approver": {"iss": stage.record.issuer, "sub": "dev-approver"},
        "auth_time": now,
        "proof_sha256": "0" * 64,
        "key_thumbprint": "x",
        "policy_sha256": "0" * 64,
        "verified_at": now,
        "apply_before": now + 900,
    }
    receipt = Receipt.model_validate(honest | changed)
    signature = sign(OWN_KEY, RECEIPT_DOMAIN, receipt.document())
    return SignedReceipt(receipt=receipt, signature=signature).model_dump_json()


Overwriting = Callable[[Stored, Stored, str, Stage], Fields]
"""From a plan, the approved one, the plan's id and the stage to the fields that are written."""

OVERWRITTEN: dict[str, Overwriting] = {
    "state approved": lambda *_: {"state": "approved"},
    "state applying": lambda *_: {"state": "applying"},
    "state applied": lambda *_: {"state": "applied"},
    "state outcome_unknown": lambda *_: {"state": "outcome_unknown"},
    "state nonsense": lambda *_: {"state": "yes"},
    "version": lambda *_: {"state": "approved", "version": "999999999999"},
    "our receipt": lambda plan, _, plan_id, stage: {
        "state": "approved",
        "receipt": our_receipt(plan[b"digest"].decode(), plan_id, stage),
    },
    "our co-receipts": lambda plan, _, plan_id, stage: {
        "state": "approved",
        "co_receipts": f"[{our_receipt(plan[b'digest'].decode(), plan_id, stage)}]",
    },
    "another plan's receipt": lambda _, other, *__: {
        "state": "approved",
        "receipt": other[b"receipt"],
    },
    "another plan's receipt and digest": lambda _, other, *__: {
        "state": "approved",
        "receipt": other[b"receipt"],
        "digest": other[b"digest"],
    },
    "another plan's bytes under its seal": lambda _, other, *__: {
        "state": "approved",
        **{name: other[name.encode()] for name in ("document", "digest", "seal")},
    },
    "another plan altogether": lambda _, other, *__: {
        name.decode(): value for name, value in other.items()
    },
    "a damaged receipt": lambda *_: {"state": "approved", "receipt": "{"},
    "the document": lambda plan, *_: {
        "state": "approved",
        "document": edited(plan[b"document"]),
    },
    "the document under our seal": lambda plan, *_: {
        "state": "approved",
        **our_seal(edited(plan[b"document"])),
    },
    "all of it, signed by us": lambda plan, _, plan_id, stage: {
        "state": "approved",
        **our_seal(edited(plan[b"document"])),
        "receipt": our_receipt(str(our_seal(edited(plan[b"document"]))["digest"]), plan_id, stage),
    },
    "no seal": lambda *_: {"state": "approved", "seal": ""},
    "a longer life": lambda plan, *_: {
        "state": "approved",
        "document": edited(plan[b"document"], expires_at=2_000_000_000),
    },
    "another requester": lambda plan, *_: {
        "state": "approved",
        "document": edited(
            plan[b"document"],
            requester={"iss": "x", "sub": "y", "client_id": "z", "assurance": "verified"},
        ),
    },
    "an outcome": lambda *_: {"outcome": '{"objects": []}', "decided_by": '{"iss":"a","sub":"b"}'},
}
