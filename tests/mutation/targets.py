"""Which tests speak of which module: quick ones for every mutant, slow ones for what is left."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

_BYTES: Final = "tests/shared/test_protocol_bytes.py"
_JOSE: Final = ("tests/shared/test_jose.py", "tests/shared/test_jose_keys.py")
_PASSKEYS: Final = ("tests/worker/test_second_proof.py", "tests/worker/test_passkeys.py")
_DECIDING: Final = (
    "tests/worker/test_approving.py",
    "tests/worker/test_deciding.py",
    "tests/worker/test_remembering.py",
    _PASSKEYS[0],
)
_APPROVING: Final = (
    "tests/shared/test_approver_rules.py",
    "tests/shared/test_approvals.py",
    *_DECIDING,
)
_APPLYING: Final = (
    "tests/worker/test_applying.py",
    "tests/worker/test_applying_others.py",
    "tests/worker/test_applying_ends.py",
)
_LIFE: Final = ("tests/worker/test_plan_life.py",)
_CLUSTER: Final = ("tests/cluster/test_exactly_once.py", "tests/cluster/test_changes.py")
_RULES: Final[dict[str, tuple[str, ...]]] = {
    "checks": ("checks", "every_rule"),
    "configmaps": ("every_rule", "checks"),
    "deletes": ("checks", "every_rule"),
    "fields": ("fields",),
    "findings": ("owners_and_findings",),
    "images": ("images", "every_rule"),
    "metadata": ("metadata", "every_rule"),
    "owners": ("owners_and_findings",),
    "pods": ("pod_security",),
    "podsecurity": ("pod_security",),
    "podtemplates": ("every_rule", "pod_security"),
    "policy": ("policy", "every_rule"),
    "replicas": ("checks", "every_rule"),
    "reach": ("reach",),
    "risk": ("risk",),
    "risk_reasons": ("risk",),
    "rollout_risk": ("risk",),
    "rules": ("every_rule", "checks"),
    "secrets": ("every_rule", "checks"),
    "services": ("every_rule", "checks"),
}
_PINNED: Final = ("words_and_bounds", "rules_by_path")
"""Modules of `shared.guardrails` and their tests. `field_table` is data, held to its fixtures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tests:
    """The tests of one module, as pytest takes them."""

    quick: tuple[str, ...]
    slow: tuple[str, ...] = ()


_TERMINAL: Final = tuple(
    f"tests/api/terminal/test_{name}.py"
    for name in ("lies", "deciding", "signing_in", "lines", "main")
)

TARGETS: Final[dict[str, Tests]] = {
    "api/terminal/believing.py": Tests(quick=_TERMINAL),
    "api/terminal/deciding.py": Tests(quick=_TERMINAL),
    "api/terminal/signing_in.py": Tests(quick=_TERMINAL),
    "api/visits.py": Tests(quick=("tests/api/test_remote.py",)),
    "shared/approvals.py": Tests(quick=(_BYTES, *_APPROVING), slow=_APPLYING),
    "shared/approver_rules.py": Tests(quick=_APPROVING, slow=_APPLYING),
    "shared/seals.py": Tests(quick=("tests/shared/test_seals.py", _BYTES, *_APPROVING)),
    "shared/dpop.py": Tests(quick=("tests/shared/test_dpop.py",)),
    "shared/jose.py": Tests(quick=_JOSE, slow=("tests/shared/test_jose_vectors.py", *_APPROVING)),
    "shared/jwks.py": Tests(
        quick=(*_JOSE[::-1], "tests/shared/test_keysets.py"),
        slow=("tests/shared/test_jose_vectors.py",),
    ),
    "shared/strict.py": Tests(quick=_JOSE, slow=("tests/shared/test_dpop.py", _PASSKEYS[1])),
    "worker/approving.py": Tests(quick=_DECIDING, slow=_APPLYING),
    "worker/withdrawing.py": Tests(quick=_DECIDING, slow=_APPLYING),
    "worker/receipts.py": Tests(quick=(*_DECIDING, _APPLYING[0])),
    "worker/passkeys.py": Tests(quick=_PASSKEYS[::-1]),
    "worker/second_proof.py": Tests(quick=_PASSKEYS),
    "worker/vault.py": Tests(quick=(*_DECIDING, _APPLYING[0])),
    "worker/applying.py": Tests(quick=_APPLYING, slow=(*_LIFE, *_CLUSTER)),
    "worker/drift.py": Tests(quick=_APPLYING[1:], slow=_CLUSTER),
    "worker/settling.py": Tests(quick=(*_APPLYING[::-1], _DECIDING[2]), slow=(*_LIFE, *_CLUSTER)),
    "worker/claims.py": Tests(quick=("tests/worker/test_claims.py",), slow=_APPLYING),
    "worker/writes.py": Tests(
        quick=("tests/worker/test_writes.py", "tests/worker/test_applying_ends.py"), slow=_CLUSTER
    ),
    **{
        f"shared/guardrails/{module}.py": Tests(
            quick=tuple(f"tests/shared/guardrails/test_{name}.py" for name in (*names, *_PINNED)),
            slow=("tests/shared/guardrails",),
        )
        for module, names in _RULES.items()
    },
}
"""Every module under mutation."""
