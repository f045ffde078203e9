"""What may be asked of a cluster, what should be looked at twice, and how risky it is.

Pure: the same inputs give the same answer to the planner and to the applier. Who may approve is not
decided here.
"""

from shared.guardrails.checks import (
    check_delete,
    check_image,
    check_predicted,
    check_scale,
    check_write,
)
from shared.guardrails.fields import unknown_fields
from shared.guardrails.findings import PlanFinding, find_in_plan
from shared.guardrails.images import Image, read_image
from shared.guardrails.metadata import check_metadata
from shared.guardrails.owners import Owner, field_managers, owners
from shared.guardrails.policy import PodSecurityLevel, Policies, Policy, read_policies
from shared.guardrails.reach import Reached, reach
from shared.guardrails.risk import RISK_CODES, Risk, assess
from shared.guardrails.risk_reasons import Effect, Facts, RiskLevel, RiskReason
from shared.guardrails.rules import RULES, Rule, Violation

__all__ = [
    "RISK_CODES",
    "RULES",
    "Effect",
    "Facts",
    "Image",
    "Owner",
    "PlanFinding",
    "PodSecurityLevel",
    "Policies",
    "Policy",
    "Reached",
    "Risk",
    "RiskLevel",
    "RiskReason",
    "Rule",
    "Violation",
    "assess",
    "check_delete",
    "check_image",
    "check_metadata",
    "check_predicted",
    "check_scale",
    "check_write",
    "field_managers",
    "find_in_plan",
    "owners",
    "reach",
    "read_image",
    "read_policies",
    "unknown_fields",
]
