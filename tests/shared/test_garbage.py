"""What lives as long as the process is not walked again by the collector; what dies still goes."""

import subprocess
import sys
from typing import Final

_CHILD: Final = """
import gc, weakref
from shared.garbage import spare_what_lives_on

class Node: pass

kept = Node()
spare_what_lives_on()
print(any(one is kept for one in gc.get_objects()))

dies = Node()
dies.itself = dies
seen = weakref.ref(dies)
del dies
gc.collect()
print(seen() is None)
"""
"""In a process of its own: nothing of this one may be kept for ever."""


def _said() -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD], check=True, capture_output=True, text=True
    )
    return done.stdout.split()


def test_what_was_made_before_is_left_out_of_collections_and_later_garbage_is_collected() -> None:
    assert _said() == ["False", "True"]
