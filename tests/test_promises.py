"""docs/security.md and the tests say the same: every promise has a test, every such test a line."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "security.md"

_ROW = re.compile(r"^\|\s*`(?P<id>[a-z0-9-]+)`\s*\|", re.MULTILINE)


def promised() -> list[str]:
    """The ids in the first column of the table of promises."""
    return _ROW.findall(DOCUMENT.read_text("utf-8"))


def proven() -> dict[str, set[str]]:
    """The ids in `pytest.mark.promise(…)`, with the files that hold them."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for promise in _promises_in(ast.parse(path.read_text("utf-8"))):
            found.setdefault(promise, set()).add(str(path.relative_to(ROOT)))
    return found


def _promises_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.promise":
            (argument,) = node.args
            assert isinstance(argument, ast.Constant), ast.unparse(node)
            yield str(argument.value)


def test_every_promise_has_a_test() -> None:
    assert set(promised()) - set(proven()) == set()


def test_every_test_of_a_promise_is_in_the_document() -> None:
    unwritten = {name: files for name, files in proven().items() if name not in promised()}

    assert unwritten == {}


def test_each_promise_is_written_once() -> None:
    written = promised()

    assert sorted(written) == sorted(set(written))


def test_ids_are_plain_words() -> None:
    for promise in proven():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", promise), promise
