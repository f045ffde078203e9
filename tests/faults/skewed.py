"""One of our processes with a wrong clock: `python -m tests.faults.skewed SECONDS api|worker`.

The real process, but for the one function by which all of our code asks for the time of day
(the linter forbids the others). Time-outs count on another clock, as they would.
"""

import runpy
import sys
import time


def main() -> None:
    seconds, module = sys.argv[1:]
    right, off = time.time, float(seconds)
    time.time = lambda: right() + off
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
