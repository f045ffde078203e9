"""The life of a worker process: recorded, announced, at work, and stopped within a set time."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Final

from celery.worker import state

from shared.garbage import spare_what_lives_on
from shared.logs import Log
from shared.messages import Role
from shared.release import VERSION
from worker.anchoring import Anchoring
from worker.announcing import Announcer
from worker.app import make_worker
from worker.collecting import Collector
from worker.context import Context, Verbs

STOPPED: Final = 0
FAILED: Final = 1

_log = Log("worker")


def serve(context: Context, verbs: Verbs) -> int:
    """Takes calls and announces the worker until SIGTERM or SIGINT; returns the exit code.

    Raises:
        AuditUnavailable: the start cannot be recorded, so there is none.
    """
    _record_start(context)
    worker = make_worker(context, verbs)
    announcer = Announcer(context)
    stopping = _Stopping(announcer, context.anchoring, within_s=context.settings.drain_s)
    signal.signal(signal.SIGTERM, stopping.begin)
    signal.signal(signal.SIGINT, stopping.begin)
    announcer.start()
    collector = Collector(context)
    if Role.APPLY in context.roles:
        collector.start()
    if context.anchoring is not None:
        context.anchoring.start()
    _log.info("worker.started", cluster=context.settings.cluster, roles=",".join(context.roles))
    spare_what_lives_on()
    try:
        worker.start()
    finally:
        collector.stop()
        announcer.stop()
        if context.anchoring is not None:
            context.anchoring.stop()
        context.notices.stop()
    _log.info("worker.stopped", exit=worker.exitcode or STOPPED)
    return worker.exitcode or STOPPED


class _Stopping:
    """Ends the worker `within_s` of the first signal, at once on the second.

    What is still running then is cut off; plans and claims survive that.
    """

    def __init__(
        self, announcer: Announcer, anchoring: Anchoring | None, *, within_s: float
    ) -> None:
        self._within_s = within_s
        self._announcer = announcer
        self._anchoring = anchoring
        self._thread = threading.Thread(target=self._give_up, daemon=True)

    def begin(self, _: int, __: FrameType | None) -> None:
        """The signal handler."""
        if self._thread.is_alive():
            os._exit(FAILED)
        state.should_stop = STOPPED  # type: ignore[assignment]  # the stubs know only None
        self._thread.start()

    def _give_up(self) -> None:
        deadline = time.monotonic() + self._within_s
        self._announcer.stop()
        time.sleep(max(0.0, deadline - time.monotonic()))
        if self._anchoring is not None:
            self._anchoring.stop()
        _log.warning("worker.cut_off", seconds=self._within_s)
        os._exit(FAILED)


def _record_start(context: Context) -> None:
    policy, settings = context.policy, context.settings
    _record_what_was_cut(context)
    context.audit.record(
        "worker.started",
        version=VERSION,
        environment=settings.environment,
        cluster=settings.cluster,
        roles=",".join(context.roles),
        namespaces=",".join(context.namespaces),
    )
    context.audit.record(
        "policy.loaded", sha256=policy.sha256, approver_rules=len(policy.approvers)
    )


def _record_what_was_cut(context: Context) -> None:
    """Says so, in the log and on record, when the audit log is shorter than it was."""
    believed = context.keys.seal_public + context.keys.receipt_public
    anchor = context.anchoring.lost(believed) if context.anchoring is not None else None
    if anchor is not None:
        _log.error("audit.cut", anchored=anchor.seq, at=anchor.time)
        context.audit.record("audit.cut", anchored=anchor.seq, at=anchor.time, was=anchor.hash)
