"""The rule for replica counts, the same for the scale tool and for manifests."""

from collections.abc import Iterator

from shared.guardrails.policy import Policy
from shared.guardrails.rules import Violation, violation
from shared.manifests import JSON, shown


def check_replicas(
    replicas: JSON, policy: Policy, *, path: str = "spec.replicas"
) -> Iterator[Violation]:
    """Check a replica count; None is Kubernetes' default of one."""
    count = 1 if replicas is None else replicas
    fits = isinstance(count, int) and not isinstance(count, bool)
    if not fits or not isinstance(count, int) or not 0 <= count <= policy.max_replicas:
        message = f"{shown(replicas)} is not between 0 and {policy.max_replicas}."
        yield violation("IG-REPLICAS-MAX", path, message)
