# ruff: noqa: INP001 - a script, no package
"""Says which tests failed and why, from all of pytest's JUnit XML files in a folder.

The end of a run's log is what people see first, and all that some of them see.
"""

import sys
from pathlib import Path
from xml.etree import ElementTree as ET

LAST_LINES = 25
"""Of a traceback: where it failed and what was compared."""


def main(folder: Path) -> None:
    for report in sorted(folder.glob("*.xml")):
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest has just written it
            for wrong in (*case.findall("failure"), *case.findall("error")):
                name = f"{case.get('classname')}::{case.get('name')}"
                sys.stdout.write(f"\n{report.stem}: {wrong.tag} in {name}\n")
                lines = (wrong.text or wrong.get("message") or "").splitlines()
                sys.stdout.write("".join(f"  {line[:300]}\n" for line in lines[-LAST_LINES:]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
