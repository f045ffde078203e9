"""What the owner of Redis can do to what lies there: read along, keep copies, bring them back."""

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from tests.redteam.attackers import Attacker


@contextmanager
def recording(root: Attacker, verb: str) -> Iterator[list[bytes]]:
    """Reads along (MONITOR): in the list are, after the block, the queued calls of a verb."""
    marker = secrets.token_hex(8)
    listening = threading.Event()
    found: list[bytes] = []

    def listen() -> None:
        with root.redis.monitor() as monitor:  # type: ignore[no-untyped-call]
            listening.set()
            for one in monitor.listen():
                words: str = one["command"]
                if marker in words:
                    return
                if words.startswith("LPUSH q:") and not words.startswith("LPUSH q:of:"):
                    raw = words.split(" ", 2)[2].replace("\\\\", "\\").encode()
                    if _verb(raw) == verb:
                        found.append(raw)

    thread = threading.Thread(target=listen)
    thread.start()
    assert listening.wait(10)
    try:
        yield found
    finally:
        root.run("ECHO", marker)
        thread.join(10)


def _verb(raw: bytes) -> str:
    call = json.loads(base64.b64decode(json.loads(raw)["body"]))[0][0]
    return str(call["verb"])


def copy_of(root: Attacker, pattern: str = "*") -> dict[bytes, bytes]:
    """A copy of all that lies there, as DUMP writes it."""
    return {key: cast("Any", root.redis.dump(key)) for key in root.redis.scan_iter(pattern)}


def bring_back(root: Attacker, copies: dict[bytes, bytes]) -> None:
    """Puts a copy over what is there now."""
    for key, raw in copies.items():
        root.redis.restore(key, 0, raw, replace=True)


def overwrite(root: Attacker, plan_id: str, **fields: Any) -> None:
    """Sets fields of a plan, whatever they were."""
    root.redis.hset(f"wk:plan:{plan_id}", mapping=cast("Any", fields))
