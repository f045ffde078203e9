"""The one refusal for an object that is not there."""

from shared.errors import Refusal

_WHERE_TO_LOOK = "get_k8s_status lists what is there."


def not_found(kind: str, name: str, namespace: str) -> Refusal:
    """Says what was looked for and where to look."""
    return Refusal(
        code="not_found",
        message=f"{kind} '{name}' was not found in namespace '{namespace}'. {_WHERE_TO_LOOK}",
    )
