"""The table of codes is all of those that calls and tokens are refused with, and no other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.codes import CODES, OTHER, known
from shared.plans import State

ROOT = Path(__file__).parents[2]
OF_PAGES = {"metadata", "kind"}
"""What looks like a code in a call and is the path of a field."""
SOURCES = (
    *(ROOT / "api").glob("*.py"),
    *(ROOT / "worker").glob("*.py"),
    *(ROOT / "worker" / "cluster").glob("*.py"),
    *(ROOT / "worker" / "reading").glob("*.py"),
    *(ROOT / "shared").glob("*.py"),
)
NOT_OF_CALLS = (
    *("approvals.py", "forms.py", "id_tokens.py", "login.py", "outbound.py", "pages.py"),
    *("passkey_pages.py", "provider.py", "remote.py", "review.py", "reviewed.py"),
    *("resolving.py", "visits.py", "enrollment.py", "jwks.py", "cookies.py", "paths.py"),
)
"""Pages and terminals, whose refusals are seen by people; an operator's commands."""


def written(path: Path) -> Iterator[str]:
    """The codes that a module writes into refusals and faults."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef):
            yield from (_text(line.value) for line in node.body if _is_code(line))  # type: ignore[attr-defined]  # it is an assignment
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("Refusal", "Failed")):
            yield from (_text(each.value) for each in node.keywords if each.arg == "code")
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"_refusal", "_failed"}:
            given = [*node.args[1:2], *(one.value for one in node.keywords if one.arg == "code")]
            yield from map(_text, given)


def _is_code(line: ast.stmt) -> bool:
    return isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "code"


def _text(node: ast.expr) -> str:
    value = node.value if isinstance(node, ast.Constant) else ""
    return value if isinstance(value, str) and value.isidentifier() else ""


@pytest.mark.parametrize(
    "source",
    [path for path in SOURCES if path.name not in NOT_OF_CALLS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_every_code_with_which_a_call_is_refused_is_in_the_table(source: Path) -> None:
    assert set(written(source)) - {""} - OF_PAGES <= CODES


def test_no_code_of_the_table_is_out_of_use() -> None:
    everything = "".join(path.read_text("utf-8") for path in SOURCES if path.name != "codes.py")
    composed = {f"plan_{state.value}" for state in State}
    parts = {"passkey_": "worker/passkeys.py", "message_": "shared/envelopes.py"}

    def is_used(code: str) -> bool:
        start = next((start for start in parts if code.startswith(start)), "")
        part = (ROOT / parts[start]).read_text("utf-8") if start else ""
        return f'"{code}"' in everything or f'"{code.removeprefix(start)}"' in part

    assert {code for code in CODES - composed if not is_used(code)} == set()


def test_a_code_that_is_none_of_ours_is_not_repeated() -> None:
    assert known("queue_full") == "queue_full"
    assert known("alice@example.com") == OTHER
    assert known("") == OTHER
