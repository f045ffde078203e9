"""Copies of audit records about a plan, signed, for the page that tells its story.

The record on disk is what counts. That a copy does not reach Redis holds nothing up.
"""

import re
from collections.abc import Callable
from typing import Final

from shared.audit import Record
from shared.errors import Fault
from shared.logs import Log
from shared.stores.connection import Redis
from shared.stores.history import KEEP_HISTORY_S, KEEP_STORY_S, HistoryStore
from shared.stories import told
from worker.keys import Keys

_PLAN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NOBODYS: Final = "no_such_plan"

_log = Log("worker.stories")


def copies(keys: Keys, redis: Redis) -> Callable[[Record], None] | None:
    """Returns what keeps the copies of a worker that can sign; None for one that cannot."""
    key = keys.receipt or keys.seal
    if key is None:
        return None
    store = HistoryStore(redis)
    # A request alone does not keep a story: an applier's word about the plan does.
    keep_s = KEEP_STORY_S if keys.receipt is None else KEEP_HISTORY_S

    def keep(record: Record) -> None:
        plan_id = str(record.get("plan", ""))
        if not _PLAN.fullmatch(plan_id) or record.get("code") == _NOBODYS:
            return
        try:
            store.tell(plan_id, told(key, record).model_dump_json(), keep_s=keep_s)
        except Fault as fault:
            _log.warning("story.not_copied", plan=plan_id, code=fault.code)

    return keep
