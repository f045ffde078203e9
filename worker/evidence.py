"""The evidence of one change as one file: plan, seal, receipt and outcome."""

import json
import os
from pathlib import Path

from shared.digests import canonical
from shared.errors import AuditUnavailable
from shared.foreign_json import foreign_json
from shared.manifests import JSON
from shared.plans import Plan
from shared.seals import EVIDENCE_DOMAIN, public_text, sign
from shared.stores.plan_records import StoredPlan
from worker.context import Context


def export(stored: StoredPlan, plan: Plan, context: Context) -> Path:
    """Writes `<evidence root>/<plan id>.json`, readable for the owner only, and returns its path.

    Raises:
        AuditUnavailable: it could not be written.
    """
    document: dict[str, JSON] = {
        "plan": json.loads(stored.sealed.document),
        "digest": stored.sealed.digest,
        "seal": stored.sealed.seal,
        "receipt": _readable(stored.receipt),
        "co_receipts": _readable(stored.co_receipts),
        "state": stored.state.value,
        "outcome": _readable(stored.outcome),
    }
    if context.keys.receipt is not None:  # the outcome, too, is an applier's word
        document["signed_by"] = public_text(context.keys.receipt.public_key())
        document["signature"] = sign(context.keys.receipt, EVIDENCE_DOMAIN, canonical(document))
    root = context.settings.evidence_root
    path = root / f"{plan.id}.json"
    fresh = path.with_suffix(".new")
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=2, sort_keys=True, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise AuditUnavailable("The evidence file cannot be written.") from error
    return path


def _readable(text: str | None) -> JSON:
    """What Redis held as JSON; what is none, or cannot be signed, is kept as text."""
    if not text:
        return None
    try:
        value: JSON = foreign_json(text)
        canonical(value)
    except ValueError:
        return text
    return value
