"""Kubernetes quantities as numbers; pure. Source: apimachinery `pkg/api/resource`."""

import re
from decimal import Decimal

_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{suffix: Decimal(1000) ** i for i, suffix in enumerate("kMGTPE", start=1)},
    **{suffix + "i": Decimal(1024) ** i for i, suffix in enumerate("KMGTPE", start=1)},
}
_SHAPE = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPE]?i?|Ki)")


def quantity(text: object) -> Decimal:
    """The amount that `500m`, `2`, `1Gi`, `1e3` stand for; raises ValueError for anything else."""
    found = _SHAPE.fullmatch(str(text))
    if found is None or found[2] not in _SUFFIXES:
        raise ValueError(f"not a quantity: {text}")
    return Decimal(found[1]) * _SUFFIXES[found[2]]
