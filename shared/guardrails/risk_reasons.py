"""What risk is judged from and told in: effects, facts, reasons. The judging is elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shared.manifests import JSON, Kind

RiskLevel = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a plan does to one object: what it is and what it becomes, None for not there."""

    kind: Kind
    name: str
    live: Mapping[str, JSON] | None
    result: Mapping[str, JSON] | None

    @property
    def created(self) -> bool:
        """Whether the object is not there yet."""
        return self.live is None

    def __str__(self) -> str:
        """As reasons name it: `Deployment nginx`."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the planner saw around the objects; what it did not look for is absent."""

    pods: Mapping[str, int] = field(default_factory=dict)
    """Running Pods by Deployment."""
    autoscaled: Mapping[str, str] = field(default_factory=dict)
    """What manages the replicas of a Deployment: `HorizontalPodAutoscaler web (2 to 10)`."""
    endpoints: Mapping[str, int] = field(default_factory=dict)
    """Ready addresses by Service."""
    serves: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Services that lead to the Pods of a Deployment, by its name."""
    fronts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Services that lead to the Pods of a Deployment which stops having any, by its name."""
    consumers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Workloads that mount or read a ConfigMap, by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskReason:
    """Why a plan is riskier than the least: a stable code and a sentence for the approver."""

    code: str
    level: RiskLevel
    message: str


def high(code: str, message: str) -> RiskReason:
    """A reason that alone makes a plan high-risk."""
    return RiskReason(code=code, level="high", message=message)


def medium(code: str, message: str) -> RiskReason:
    """A reason that makes a plan more than routine."""
    return RiskReason(code=code, level="medium", message=message)
