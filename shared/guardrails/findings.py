"""What the approver should look at twice in a plan that no rule forbids. Never quotes a value."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from shared.guardrails.pods import PodTemplate
from shared.manifests import JSON, Kind, mapping_at, mappings_at, path_text, shown, text_at
from shared.redaction import redact

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFinding:
    """One remark about a plan: a stable code, one sentence, and the field it is about."""

    code: str
    severity: Severity
    message: str
    path: str


_SECRET_NAME: Final = re.compile(
    r"passw(?:or)?d|passphrase|secret|token|credential|api[-_.]?key|access[-_.]?key"
    r"|private[-_.]?key|client[-_.]?key|connection[-_.]?string|dockerconfigjson|kubeconfig"
    r"|id_(?:rsa|dsa|ecdsa|ed25519)|\.(?:key|p12|pfx|jks)$|(?:^|[-_.])(?:pwd|dsn)(?:$|[-_.])",
    re.IGNORECASE,
)
_REFERENCE: Final = re.compile(r"(?i)(?:true|false|\d{1,6}|/\S*|\$[({]\w+[)}]|\S+\.ya?ml|)")
"""Values under a telling name that are none: switches, numbers, paths, references."""


def find_in_plan(kind: Kind, body: Mapping[str, JSON]) -> tuple[PlanFinding, ...]:
    """Look at what is asked for; the result stands in the plan, for agent and approver."""
    if kind is Kind.CONFIG_MAP:
        return tuple(_config_map(body))
    if kind is Kind.DEPLOYMENT:
        return tuple(_environment(PodTemplate.of(body)))
    return ()


def looks_secret(name: str, value: str) -> bool:
    """Whether a value, by its name or by itself, looks like a credential."""
    if redact(value).hits:
        return True
    return bool(_SECRET_NAME.search(name)) and not _REFERENCE.fullmatch(value)


def _config_map(body: Mapping[str, JSON]) -> Iterator[PlanFinding]:
    for key, value in mapping_at(body, "data").items():
        if looks_secret(key, value if isinstance(value, str) else ""):
            yield PlanFinding(
                code="config_map_secret",
                severity="warning",
                message=f"The entry {shown(key)} looks like a credential; ConfigMaps are readable "
                "by many. Keep it in a Secret.",
                path=path_text(("data", key)),
            )
    for key in mapping_at(body, "binaryData"):
        if _SECRET_NAME.search(key):
            yield PlanFinding(
                code="config_map_secret",
                severity="warning",
                message=f"The entry {shown(key)} is named like a credential; keep it in a Secret.",
                path=path_text(("binaryData", key)),
            )


def _environment(template: PodTemplate) -> Iterator[PlanFinding]:
    for container in template.containers():
        for _, variable in mappings_at(container.body, "env"):
            name, value = text_at(variable, "name"), text_at(variable, "value")
            if value and looks_secret(name, value):
                yield PlanFinding(
                    code="env_secret",
                    severity="warning",
                    message=f"The variable {shown(name)} looks like a credential in clear; "
                    "refer to a Secret instead.",
                    path=container.at(f"env[{name}].value"),
                )
