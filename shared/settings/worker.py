"""The settings of the processes that hold a kubeconfig, and of those who look at their records."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode

from shared.manifests import name_refusal
from shared.messages import Role
from shared.settings.common import Common
from shared.settings.rules import (
    CommaSeparated,
    comma_separated,
    insecure,
    is_secure,
    raise_if_any,
    when,
)

DEFAULT_NAMESPACES = ("mcp-nginx-demo",)
DEFAULT_AUDIT_ROOT = Path(".mcp-guardrails")
DEFAULT_EVIDENCE_ROOT = Path(".mcp-approvals")
DEFAULT_KEYS_ROOT = Path(".infragate/keys")


class TrailSettings(BaseSettings):
    """Where a worker keeps its keys, its audit log and its evidence, and whom it believes.

    All that an operator's command needs who looks at them (`worker.ops`).
    """

    model_config = Common.model_config

    keys_root: Path = Field(default=DEFAULT_KEYS_ROOT, validation_alias="INFRA_GATE_KEYS_ROOT")
    """Folder of the role's private keys; made on first start in Development only."""

    seal_public_keys: CommaSeparated = Field(
        default=(), validation_alias="INFRA_GATE_SEAL_PUBLIC_KEYS"
    )
    """Planners that an applier believes (base64url, comma separated). Pinned in Production;
    elsewhere empty means the planner that shares `keys_root`."""

    receipt_public_keys: CommaSeparated = Field(
        default=(), validation_alias="INFRA_GATE_RECEIPT_PUBLIC_KEYS"
    )
    """Other appliers that an applier believes (base64url, comma separated), beside itself."""

    audit_root: Path = Field(
        default=DEFAULT_AUDIT_ROOT, validation_alias="INFRA_GATE_GUARD_AUDIT_ROOT"
    )
    """Folder of the audit log."""

    audit_anchor_root: Path | None = Field(
        default=None, validation_alias="INFRA_GATE_AUDIT_ANCHOR_ROOT"
    )
    """Folder of the log's signed anchors; worth something on another volume than the log. None:
    `anchors` in the folder of the log."""

    evidence_root: Path = Field(
        default=DEFAULT_EVIDENCE_ROOT, validation_alias="K8S_MCP_APPROVAL_ROOT"
    )
    """Folder of the exported approval evidence, one file per plan."""

    @property
    def anchors(self) -> Path:
        """Returns the folder of the anchors."""
        return self.audit_anchor_root or self.audit_root / "anchors"

    @field_validator("seal_public_keys", "receipt_public_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return comma_separated(value)


class WorkerSettings(TrailSettings, Common):
    """Settings of the processes that hold a kubeconfig."""

    cluster: str = Field(
        default="local",
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        validation_alias="INFRA_GATE_CLUSTER",
    )
    """Name of the cluster in queues and plans."""

    roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        default=tuple(Role), min_length=1, validation_alias="INFRA_GATE_WORKER_ROLES"
    )
    """Comma separated: read, plan, apply. All three in one process is for development."""

    kubeconfig: Path | None = Field(default=None, validation_alias="KUBECONFIG")
    """Path of the role's kubeconfig."""

    in_cluster: bool = Field(default=False, validation_alias="INFRA_GATE_IN_CLUSTER")
    """Use the Pod's own ServiceAccount. Exactly one of this and KUBECONFIG."""

    namespaces: CommaSeparated = Field(
        default=DEFAULT_NAMESPACES, validation_alias="K8S_MCP_ALLOWED_NAMESPACES"
    )
    """Comma separated. The one place where a namespace is allowed."""

    policy_file: Path | None = Field(default=None, validation_alias="INFRA_GATE_POLICY_FILE")
    """YAML with approvers and guardrails. None: nobody may approve, default guardrails."""

    threads: int = Field(default=16, ge=1, le=128, validation_alias="INFRA_GATE_WORKER_THREADS")
    """Calls at a time in one process; they wait for the API server, not for the processor.

    A worker for which it is not set takes fewer on less than two processors (`worker.sizing`).
    """

    kubernetes_timeout_s: float = Field(
        default=10.0, gt=0, le=60, validation_alias="INFRA_GATE_KUBERNETES_TIMEOUT_SECONDS"
    )
    """Seconds for one API call; the threads pool knows no other limit."""

    rollout_timeout_s: float = Field(
        default=45.0, ge=0, le=600, validation_alias="INFRA_GATE_ROLLOUT_TIMEOUT_SECONDS"
    )
    """How long an apply watches the rollout before it answers "progressing"."""

    challenge_ttl_s: int = Field(
        default=300, ge=30, le=900, validation_alias="INFRA_GATE_APPROVAL_CHALLENGE_TTL_SECONDS"
    )
    """Enough for a login with a second factor, too short for a stolen page to be worth much."""

    oauth_resource: str = Field(
        default="http://127.0.0.1:3001/mcp", validation_alias="INFRA_GATE_OAUTH_RESOURCE"
    )

    approval_base_url: str = Field(
        default="http://127.0.0.1:3001", validation_alias="INFRA_GATE_APPROVAL_BASE_URL"
    )
    """Where notices lead people: the worker's own word, so that an owned gateway cannot bend it."""

    notice_url: SecretStr | None = Field(default=None, validation_alias="INFRA_GATE_NOTICE_URL")
    """Webhook that is told what waits, was approved and was written. Its path is a secret."""

    notice_secret: SecretStr | None = Field(
        default=None, min_length=16, validation_alias="INFRA_GATE_NOTICE_SECRET"
    )
    """Signs what is posted there (HMAC-SHA256), for receivers that check."""

    @field_validator("notice_url")
    @classmethod
    def _acceptable_webhook(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_secure(value.get_secret_value()):
            raise ValueError("needs https:// without a name and password (http:// on loopback)")
        return value

    @field_validator("namespaces", "roles", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return comma_separated(value)

    @field_validator("namespaces")
    @classmethod
    def _some_namespace(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("names no namespace; an empty list would allow nothing")
        if any(name_refusal(name, label=True) for name in value):
            raise ValueError("names something that is no namespace (an RFC 1123 label)")
        return value

    @model_validator(mode="after")
    def _production_is_strict(self) -> Self:
        if self.production:
            raise_if_any(self._production_refusals())
        return self

    def _production_refusals(self) -> list[str]:
        roots = {
            "INFRA_GATE_GUARD_AUDIT_ROOT": self.audit_root == DEFAULT_AUDIT_ROOT,
            "K8S_MCP_APPROVAL_ROOT": self.evidence_root == DEFAULT_EVIDENCE_ROOT,
            "INFRA_GATE_KEYS_ROOT": self.keys_root == DEFAULT_KEYS_ROOT,
        }
        return [
            *self._common_refusals(),
            *(f"{name} must name a folder of its own" for name, unset in roots.items() if unset),
            *when(
                (self.kubeconfig is None) is not self.in_cluster,
                "exactly one of KUBECONFIG and INFRA_GATE_IN_CLUSTER must be set",
            ),
            *when(
                "namespaces" not in self.model_fields_set,
                "K8S_MCP_ALLOWED_NAMESPACES must name the namespaces",
            ),
            *when(self.policy_file is None, "INFRA_GATE_POLICY_FILE must name the policy"),
            *when(
                Role.APPLY in self.roles and not self.seal_public_keys,
                "INFRA_GATE_SEAL_PUBLIC_KEYS must pin the planners",
            ),
            *self._notice_refusals(),
        ]

    def _notice_refusals(self) -> list[str]:
        if self.notice_url is None:
            return []
        return [
            *insecure("INFRA_GATE_NOTICE_URL", self.notice_url.get_secret_value()),
            *insecure("INFRA_GATE_APPROVAL_BASE_URL", self.approval_base_url),
        ]
