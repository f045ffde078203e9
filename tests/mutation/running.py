"""Runs tests against one mutant: a fork that imports the changed module in place of the real one.

The tree on disk is never changed. A fork of a process that has everything imported, which forgets
the module and whatever depends on it: importing all anew would take longer than the tests.
"""

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final

import pytest

OURS: Final = frozenset({"api", "dev", "shared", "tests", "worker"})
OPTIONS: Final = (
    "-x",
    "-q",
    "--no-header",
    "--durations=0",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "-p",
    "no:cov",
    "--hypothesis-seed=0",
)


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    TIMEOUT = "timeout"
    SURVIVED = "survived"


def preload(root: Path, tests: Sequence[str]) -> None:
    """Has pytest import its plugins, the tests, and so all that they need, once for all forks."""
    os.chdir(root)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        code = pytest.main([*OPTIONS, "--collect-only", *tests])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"the tests cannot be collected: {code!r}")
    for name in _ours():
        _imports(name)  # remembered, for the forks


def judged(
    root: Path, module: Path, tree: ast.Module | None, tests: Sequence[str], *, timeout_s: float
) -> Verdict:
    """Runs `tests` with `module` (relative to `root`) as `tree`; None runs it as it is."""
    child = os.fork()
    if child == 0:
        _run(root, module, tree, tests)
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _end(child)
            survived = os.waitstatus_to_exitcode(status) == 0
            return Verdict.SURVIVED if survived else Verdict.KILLED
        time.sleep(0.02)
    _end(child)
    os.waitpid(child, 0)
    return Verdict.TIMEOUT


def _end(group: int) -> None:
    """Ends the run and whatever it started (a Redis server, a sandbox)."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _run(root: Path, module: Path, tree: ast.Module | None, tests: Sequence[str]) -> None:
    code = 3
    try:
        os.setpgid(0, 0)
        os.chdir(root)
        _silence(root / ".mutation.log")
        if tree is not None:
            _forget(_name_of(module))
            sys.meta_path.insert(0, _Finder(root, module, compile(tree, module, "exec")))
        code = int(pytest.main([*OPTIONS, *tests]))
    finally:
        os._exit(code)


def _name_of(module: Path) -> str:
    parts = module.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _ours() -> set[str]:
    return {name for name in sys.modules if name.split(".")[0] in OURS}


def _forget(name: str) -> None:
    """Forgets a module and all that import it, directly or not, so that they are imported anew."""
    ours = _ours()
    lost, fresh = set[str](), {name}
    while fresh:
        lost |= fresh
        fresh = {each for each in ours - lost if _imports(each) & lost}
    for each in lost & ours:
        del sys.modules[each]
        parent, _, own = each.rpartition(".")
        if parent in sys.modules:  # or `from parent import own` would find the old one
            vars(sys.modules[parent]).pop(own, None)


@cache
def _imports(name: str) -> frozenset[str]:
    """Names what a module may import of ours, and the packages that this goes through."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(Path(str(sys.modules[name].__file__)).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(found | {each.rpartition(".")[0] for each in found})


def _silence(log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(descriptor, stream)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module, and that one changed."""

    def __init__(self, root: Path, module: Path, code: CodeType) -> None:
        self._name = _name_of(module)
        self._path = root / module
        self._code = code

    def find_spec(
        self, fullname: str, path: object, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns the changed module's spec, and none for any other name."""
        del path, target
        if fullname != self._name:
            return None
        loader = _Loader(fullname, str(self._path), self._code)
        folder = [str(self._path.parent)] if self._path.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            fullname, self._path, loader=loader, submodule_search_locations=folder
        )


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, code: CodeType) -> None:
        super().__init__(fullname, path)
        self._changed = code

    def get_code(self, fullname: str) -> CodeType:
        """Returns the changed code, whatever is on disk."""
        del fullname
        return self._changed
