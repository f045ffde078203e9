"""Tells the gateway, every second, that this worker lives and whom it serves."""

import secrets
import threading
from contextlib import suppress
from typing import Final

from shared.errors import Fault
from shared.guardrails.in_words import in_words
from shared.logs import Log
from shared.messages import Announcement
from shared.release import VERSION
from shared.seals import public_text
from shared.stores.announcements import HEARTBEAT_S, announce, withdraw
from worker.context import Context

JOIN_S: Final = 2.0

_log = Log("worker.announcing")


class Announcer:
    """A thread that announces until it is stopped. Outages of Redis or cluster do not end it."""

    def __init__(self, context: Context, *, every_s: float = HEARTBEAT_S) -> None:
        self.worker = secrets.token_urlsafe(12)
        self._context = context
        self._every_s = every_s
        self._started_at = int(context.clock())
        self._stopping = threading.Event()
        self._trouble = ""
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)

    def start(self) -> None:
        """Starts announcing."""
        self._thread.start()

    def stop(self) -> None:
        """Stops and withdraws, so that no more calls are sent here; never raises."""
        self._stopping.set()
        self._thread.join(JOIN_S)
        with suppress(Fault):  # then the announcement expires
            withdraw(self._context.redis, self.worker)

    def announcement(self) -> Announcement:
        """Returns what is announced now.

        Raises:
            ClusterFault: the cluster has not answered yet, so there is nothing to serve.
        """
        context, keys = self._context, self._context.keys
        identity = context.cluster.identity
        return Announcement(
            worker=self.worker,
            version=VERSION,
            cluster=identity.name,
            cluster_id=identity.uid,
            cluster_version=identity.git_version,
            simulated=identity.simulated,
            namespaces=context.namespaces,
            roles=context.roles,
            seal_key=public_text(keys.seal.public_key()) if keys.seal else None,
            receipt_key=public_text(keys.receipt.public_key()) if keys.receipt else None,
            proof_key=public_text(keys.proof.public_key()) if keys.proof else None,
            approvers=context.policy.approvers,
            rules={
                name: in_words(context.policy.guardrails.for_namespace(name))
                for name in context.namespaces
            },
            threads=context.settings.threads,
            busy=context.metrics.busy,
            started_at=self._started_at,
            seen_at=int(context.clock()),
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._announce()
            self._stopping.wait(self._every_s)

    def _announce(self) -> None:
        """Announces; says what is wrong once, and once that it is over."""
        try:
            announce(self._context.redis, self.announcement())
        except Fault as fault:
            if fault.code != self._trouble:
                self._trouble = fault.code
                _log.warning("worker.unannounced", code=fault.code, cause=str(fault))
            return
        if self._trouble:
            self._trouble = ""
            _log.info("worker.announced")
