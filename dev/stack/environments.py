"""What the processes of a stack are told by their environment, and what is kept from them."""

import os
from collections.abc import Mapping
from typing import Final

from dev.stack import redis_users
from dev.stack.pins import Pins
from dev.stack.places import Places, Record, WorkerPlaces

_FOREIGN: Final = ("INFRA_GATE_", "K8S_MCP_", "KUBECONFIG", "KUBERNETES_")
"""Variables that would point a part at something that is not this stack."""
_WELCOME: Final = (
    "INFRA_GATE_LOG_FORMAT",
    *("INFRA_GATE_REQUESTS_PER_SECOND", "INFRA_GATE_REQUESTS_BURST"),
    "INFRA_GATE_REQUESTS_AT_A_TIME",
    *("INFRA_GATE_ROLLOUT_TIMEOUT_SECONDS", "INFRA_GATE_APPROVAL_CHALLENGE_TTL_SECONDS"),
)
"""Settings that a person may try on a laptop, passed on to the parts that know them."""
_TOKENS: Final = ("INFRA_GATE_STATIC_BEARER_TOKEN", "INFRA_GATE_BEARER_TOKEN")
_NOTICES: Final = ("INFRA_GATE_NOTICE_URL", "INFRA_GATE_NOTICE_SECRET")


def clean() -> dict[str, str]:
    """Returns this process' environment without what is meant for another InfraGate."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _WELCOME or not name.startswith(_FOREIGN)
    }
    return {**kept, "PYTHONUNBUFFERED": "1"}


def of_all(record: Record) -> dict[str, str]:
    """Returns what gateway, pages and workers agree on."""
    return {
        "INFRA_GATE_OAUTH_AUTHORITY": record.issuer,
        "INFRA_GATE_OAUTH_RESOURCE": record.mcp,
        "INFRA_GATE_DRAIN_SECONDS": "2",  # Ctrl-C ends everything within five seconds
        "INFRA_GATE_APPROVAL_BASE_URL": record.approvals,
    }


def redis(places: Places, record: Record, user: str) -> dict[str, str]:
    """Returns how to reach Redis as this user."""
    return {"INFRA_GATE_REDIS_URL": redis_users.url(places, record.redis_port, user)}


def folders(own: WorkerPlaces) -> dict[str, str]:
    """Returns where a worker keeps what is its own."""
    return {
        "INFRA_GATE_KEYS_ROOT": str(own.keys),
        "INFRA_GATE_GUARD_AUDIT_ROOT": str(own.audit),
        "K8S_MCP_APPROVAL_ROOT": str(own.evidence),
    }


def seals(pins: Pins) -> Mapping[str, str]:
    """Returns the planners that are believed; with these none is learnt from Redis."""
    return {"INFRA_GATE_SEAL_PUBLIC_KEYS": ",".join(pins.seals)}


def tokens() -> dict[str, str]:
    """Returns the static token, for the gateway alone: it is agents that show it."""
    return _passed_on(_TOKENS)


def notices() -> dict[str, str]:
    """Returns the webhook, for planner and applier alone: others could tell it what never was."""
    return _passed_on(_NOTICES)


def _passed_on(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}
