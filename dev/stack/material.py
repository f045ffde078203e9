"""What a stack needs on disk before its parts start: folders, secrets, the policy.

Made when missing and kept. The workers make their own keys, unless they are pinned.
"""

import json
import secrets
from collections.abc import Sequence
from typing import Final

from dev.issuer.files import own_folder, write_text
from dev.stack import client_key, pins, redis_users
from dev.stack.places import Places
from shared.plans import Operation

APPROVERS: Final = ("dev-approver", "dev-approver-2")
"""Of the issuer's people those who may approve here; the others show how a refusal looks."""

GENERATED: Final = "# Made anew by every `infragate up`. Delete this line to keep your own changes."


def prepare(
    places: Places, *, issuer: str, namespaces: Sequence[str], strict: bool = False
) -> None:
    """Makes what is missing in the state folder.

    Raises:
        BadConfiguration: a key that is there cannot be used.
    """
    for folder in (places.logs, places.redis, places.issuer):
        own_folder(folder)
    redis_users.prepare(places, strict=strict)
    if strict:
        pins.make_keys(
            planner=places.of_role("planner").keys, applier=places.of_role("applier").keys
        )
    client_key.prepare(places.client_key, places.client_jwks)
    if not places.state_key.exists():
        write_text(places.state_key, secrets.token_urlsafe(32) + "\n")
    policy = policy_text(issuer, namespaces)
    if not places.policy.exists() or places.policy.read_text("utf-8").startswith(GENERATED):
        write_text(places.policy, policy)


def policy_text(issuer: str, namespaces: Sequence[str]) -> str:
    """Returns the development policy: JSON is YAML, and needs no thought about quoting."""
    rule = {
        "namespaces": list(namespaces),
        "operations": [operation.value for operation in Operation],
        "subjects": [{"iss": issuer, "sub": subject} for subject in APPROVERS],
        "requester_may_approve": True,
    }
    lines = ",\n".join(f"    {json.dumps(key)}: {json.dumps(rule[key])}" for key in rule)
    return f"{GENERATED}\napprovers: [\n  {{\n{lines}\n  }}\n]\n"
