"""Where the pages' plans come from, and whom to believe about them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from shared.errors import NoWorker, Refusal
from shared.manifests import JSON
from shared.messages import Announcement, Call, Progress
from shared.settings import GatewaySettings
from shared.stores.plan_view import PlanView


class Dispatcher(Protocol):
    """Carries calls to the workers; `api.dispatch` does it."""

    async def call(
        self,
        cluster: str,
        call: Call,
        *,
        timeout_s: float,
        subject: str,
        on_progress: Callable[[Progress], Awaitable[None]] | None = None,
    ) -> JSON | Refusal:
        """Returns the body of a worker's answer, or its refusal; raises faults."""

    async def send(self, cluster: str, call: Call, *, timeout_s: float) -> None:
        """Has a worker do a call without waiting for its answer; raises faults."""

    async def workers(self) -> tuple[Announcement, ...]:
        """Returns the live workers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """The public keys of planners and appliers, base64url. Empty: learnt from the workers."""

    seal_keys: tuple[str, ...] = ()
    receipt_keys: tuple[str, ...] = ()
    proof_key: str | None = None
    learn: bool = False
    """Development only: believe the keys that workers announce in Redis."""

    @classmethod
    def from_settings(cls, settings: GatewaySettings) -> "Pins":
        """Returns what the gateway's settings pin."""
        return cls(
            seal_keys=settings.seal_public_keys,
            receipt_keys=settings.receipt_public_keys,
            proof_key=settings.proof_public_key,
            learn=not settings.production,
        )

    def receipts_of(self, workers: tuple[Announcement, ...]) -> tuple[str, ...]:
        """Returns the keys by which an applier's word is believed; none where none is known."""
        if self.receipt_keys or not self.learn:
            return self.receipt_keys
        return tuple(sorted({worker.receipt_key for worker in workers if worker.receipt_key}))

    def seals_of(self, workers: tuple[Announcement, ...]) -> tuple[str, ...]:
        """Returns the keys by which a plan may be sealed that these workers' cluster made.

        Raises:
            NoWorker: no planner lives from which they could be learnt.
        """
        if self.seal_keys or not self.learn:
            return self.seal_keys
        learnt = {worker.seal_key for worker in workers if worker.seal_key}
        if not learnt:
            raise NoWorker("No planner is running, so the plan's seal cannot be checked.")
        return tuple(sorted(learnt))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where plans come from and whom to believe about them. `now` answers epoch seconds."""

    plans: PlanView
    dispatch: Dispatcher
    pins: Pins
    now: Callable[[], int]
