# ruff: noqa: INP001 - a script, no package
"""Fails when a test was skipped for a reason that is not allowed; reads pytest's JUnit XML files.

A test that does not run proves nothing, and in CI everything that it needs can be had.
"""

import argparse
import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

ALLOWED = (
    r"^\S+ is not run: ",  # other people's clients; the step `clients` installs them
)
ALLOWED_ON_A_REAL_CLUSTER = (
    r"needs scripted faults; runs on the sandbox in the same suite",
    # the planner's policy needs Kubernetes 1.30; there is an older one only, and the sandbox
    r"this API server has no ValidatingAdmissionPolicy",
    r"\bsandbox\b|\bsimulated\b",
)


def main() -> int:
    """Prints what was skipped; returns 1 if anything of it is not allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reports", nargs="+", type=Path)
    parser.add_argument("--real-cluster", action="store_true", help="allow what needs the sandbox")
    given = parser.parse_args()
    allowed = ALLOWED + (ALLOWED_ON_A_REAL_CLUSTER if given.real_cluster else ())
    total, bad = 0, 0
    for report in given.reports:
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
            total += 1
            for skip in case.findall("skipped"):
                reason = skip.get("message", "")
                fine = any(re.search(pattern, reason) for pattern in allowed)
                bad += not fine
                mark = "allowed" if fine else "NOT ALLOWED"
                sys.stdout.write(f"skipped, {mark}: {case.get('name')}: {reason}\n")
    sys.stdout.write(f"{total} tests ran or were skipped; {bad} skipped without leave\n")
    return 1 if bad or not total else 0


if __name__ == "__main__":
    sys.exit(main())
