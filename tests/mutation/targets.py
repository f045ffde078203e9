"""Which tests speak of which module: quick ones for every mutant, slow ones for what is left."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

_APPROVING: Final = ("tests/shared/test_approvals.py", "tests/worker/test_approving.py")
_APPLYING: Final = (
    "tests/worker/test_applying.py",
    "tests/worker/test_applying_others.py",
    "tests/worker/test_applying_ends.py",
)
_LIFE: Final = ("tests/worker/test_plan_life.py",)
_CLUSTER: Final = ("tests/cluster/test_exactly_once.py", "tests/cluster/test_changes.py")
_RULES: Final = ("tests/shared/guardrails",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tests:
    """The tests of one module, as pytest takes them."""

    quick: tuple[str, ...]
    slow: tuple[str, ...] = ()


TARGETS: Final[dict[str, Tests]] = {
    "shared/approvals.py": Tests(quick=_APPROVING, slow=_APPLYING),
    "shared/seals.py": Tests(quick=("tests/shared/test_seals.py", *_APPROVING)),
    "shared/jose.py": Tests(
        quick=(
            "tests/shared/test_jose.py",
            "tests/shared/test_jose_keys.py",
            "tests/shared/test_jose_vectors.py",
        ),
        slow=_APPROVING,
    ),
    "worker/approving.py": Tests(quick=_APPROVING[1:], slow=_APPLYING),
    "worker/receipts.py": Tests(quick=_APPROVING[1:], slow=_APPLYING),
    "worker/vault.py": Tests(quick=_APPROVING[1:], slow=_APPLYING),
    "worker/applying.py": Tests(quick=_APPLYING, slow=(*_LIFE, *_CLUSTER)),
    "worker/drift.py": Tests(quick=_APPLYING[1:], slow=_CLUSTER),
    "worker/settling.py": Tests(quick=_APPLYING[::-1], slow=(*_LIFE, *_CLUSTER)),
    "worker/claims.py": Tests(quick=("tests/worker/test_claims.py",), slow=_APPLYING),
    "worker/writes.py": Tests(quick=("tests/worker/test_writes.py",), slow=_APPLYING),
    **{
        str(path.relative_to(ROOT)): Tests(quick=_RULES)
        for path in sorted((ROOT / "shared" / "guardrails").glob("*.py"))
        if path.name != "field_table.py"
    },
}
"""Every module under mutation. The table of Pod Security fields is data, held to its fixtures."""
