"""What differs between two states of an object: paths with old and new values, and their redaction.

How a difference looks on a page is not decided here.
"""

from dataclasses import dataclass
from typing import Literal

from shared.manifests import JSON

Op = Literal["add", "remove", "change"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One difference. `old` is None for an addition, `new` is None for a removal.

    `path` reads `spec.template.spec.containers[nginx].image`; a key that is not a plain word is
    quoted, as in `metadata.labels["app.kubernetes.io/name"]`. `path` is empty when the whole object
    appears or disappears.
    """

    path: str
    op: Op
    old: JSON
    new: JSON
