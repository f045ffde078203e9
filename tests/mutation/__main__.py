"""The command: mutates each module named (default: all targets), prints survivors and rates."""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.mutation import running
from tests.mutation.operators import Mutant, mutants
from tests.mutation.running import Verdict
from tests.mutation.targets import ROOT, TARGETS, Tests

WANTED: Final = 0.95
PATIENCE_S: Final = 15.0


def main(
    argv: list[str] | None = None,
    *,
    source: Path = ROOT,
    targets: Mapping[str, Tests] = TARGETS,
) -> int:
    """Returns 0 when enough mutants of the modules named in `argv` were killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", help="such as shared/approvals.py", metavar="MODULE")
    parser.add_argument(
        "--line", type=int, action="append", metavar="N", help="only the mutants of these lines"
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th mutant")
    parser.add_argument("--quick", action="store_true", help="leave the slow tests out")
    options = parser.parse_args(argv)
    modules: list[str] = options.modules or list(targets)
    if unknown := set(modules) - targets.keys():
        parser.error(f"no target: {', '.join(sorted(unknown))}")
    total: Counter[Verdict] = Counter()
    with private_copy(source) as root:
        running.preload(
            root, sorted({name for module in modules for name in _all(targets[module])})
        )
        for module in modules:
            total += _mutated(root, module, targets[module], options)
    say(f"all: {_rate(total)}")
    return 0 if _killed(total) >= WANTED else 1


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def private_copy(source: Path) -> Iterator[Path]:
    """The tree as it is now, out of everybody's way, so that nobody's edits count as a kill."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=source,
        check=True,
        capture_output=True,
        text=True,
    )
    folder = Path(tempfile.mkdtemp(prefix="mutation-"))
    try:
        for name in filter(None, listed.stdout.split("\0")):
            file = source / name
            if file.is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, folder / name)
        sys.path[:] = [str(folder), *(entry for entry in sys.path if entry not in {"", str(ROOT)})]
        for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
            del sys.modules[name]  # the forks import their own, from the copy
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _mutated(
    root: Path, module: str, tests: Tests, options: argparse.Namespace
) -> Counter[Verdict]:
    rounds = [names for names in (tests.quick, () if options.quick else tests.slow) if names]
    limits = [_baseline(root, module, names) for names in rounds]
    verdicts: Counter[Verdict] = Counter()
    source = (root / module).read_text("utf-8")
    for mutant in list(mutants(source))[:: options.every]:
        if options.line and mutant.line not in options.line:
            continue
        verdict = Verdict.SURVIVED
        for names, limit in zip(rounds, limits, strict=True):
            if verdict is Verdict.SURVIVED:
                verdict = running.judged(root, Path(module), mutant.tree, names, timeout_s=limit)
        verdicts[verdict] += 1
        if verdict is Verdict.SURVIVED:
            _show(module, source, mutant)
    say(f"{module}: {_rate(verdicts)}")
    return verdicts


def _all(tests: Tests) -> tuple[str, ...]:
    return tests.quick + tests.slow


def _baseline(root: Path, module: str, tests: tuple[str, ...]) -> float:
    """The time limit of a run, after the unchanged module has passed."""
    start = time.monotonic()
    verdict = running.judged(root, Path(module), None, tests, timeout_s=300)
    if verdict is not Verdict.SURVIVED:
        log = (root / ".mutation.log").read_text("utf-8", "replace")
        raise SystemExit(f"{module}: its tests fail without any mutant\n{log[-3000:]}")
    return PATIENCE_S + 4 * (time.monotonic() - start)


def _show(module: str, source: str, mutant: Mutant) -> None:
    text = source.splitlines()[mutant.line - 1].strip()
    say(f"  survived {module}:{mutant.line}: {mutant.change}    | {text}")


def _killed(verdicts: Counter[Verdict]) -> float:
    return 1 - verdicts[Verdict.SURVIVED] / max(1, verdicts.total())


def _rate(verdicts: Counter[Verdict]) -> str:
    dead = verdicts.total() - verdicts[Verdict.SURVIVED]
    return f"{dead} of {verdicts.total()} killed ({_killed(verdicts):.1%})"


if __name__ == "__main__":
    raise SystemExit(main())
