"""The settings of every process, read once from the environment; nothing else reads it.

A bad value stops the process with a message that names the variable and never repeats the value.
`Production` refuses everything that is only good enough for a laptop.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.errors import BadConfiguration
from shared.manifests import name_refusal
from shared.messages import Role

DEFAULT_NAMESPACES = ("mcp-nginx-demo",)
DEFAULT_AUDIT_ROOT = Path(".mcp-guardrails")
DEFAULT_EVIDENCE_ROOT = Path(".mcp-approvals")
DEFAULT_KEYS_ROOT = Path(".infragate/keys")
TERMINAL_CLIENT = "infra-gate-approval-cli"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1", "0.0.0.0"})  # noqa: S104 - refused

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


class Common(BaseSettings):
    """What gateway and workers share."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, given: object) -> object:
        """An empty variable means unset where that is a choice: compose files have `${NAME:-}`.

        A list stays empty: no namespace at all is refused, not replaced by the default.
        """
        if not isinstance(given, dict):
            return given
        lists = {"K8S_MCP_ALLOWED_NAMESPACES", "INFRA_GATE_WORKER_ROLES"}
        return {name: value for name, value in given.items() if value != "" or name in lists}

    environment: Literal["Development", "Production"] = Field(
        default="Development", validation_alias="INFRA_GATE_ENVIRONMENT"
    )
    """Production refuses what is only good enough for a laptop; see `_production_refusals`."""

    redis_url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"), validation_alias="INFRA_GATE_REDIS_URL"
    )
    """May hold a password, so it is never printed. Production: rediss:// with a user."""

    redis_ca_file: Path | None = Field(default=None, validation_alias="INFRA_GATE_REDIS_CA_FILE")
    """PEM file of the authority of Redis' certificate. None: this system's authorities."""

    redis_timeout_s: float = Field(
        default=3.0, gt=0, le=30, validation_alias="INFRA_GATE_REDIS_TIMEOUT_SECONDS"
    )
    """Seconds for one Redis command; a call must fail clearly well before its client gives up."""

    oauth_authority: str = Field(
        default="http://127.0.0.1:3011", validation_alias="INFRA_GATE_OAUTH_AUTHORITY"
    )
    """The identity provider's issuer, compared exactly: no trailing slash is added or removed."""

    oauth_metadata_address: str | None = Field(
        default=None, validation_alias="INFRA_GATE_OAUTH_METADATA_ADDRESS"
    )
    """Where the provider's metadata is fetched, if not at the issuer's well-known address."""

    oauth_require_https_metadata: bool = Field(
        default=True, validation_alias="INFRA_GATE_OAUTH_REQUIRE_HTTPS_METADATA"
    )
    """Loopback issuers are exempt in Development, so that the dev issuer works as it is."""

    approval_client_id: str = Field(
        default="infra-gate-approval-ui", validation_alias="INFRA_GATE_APPROVAL_OAUTH_CLIENT_ID"
    )
    """The approval pages' client at the provider: the audience that a proof may have."""

    approval_cli_client_id: str | None = Field(
        default=None, validation_alias="INFRA_GATE_APPROVAL_CLI_CLIENT_ID"
    )
    """The public client of approvers' terminals; unset: none in Production, else the usual one."""

    log_format: Literal["text", "json"] = Field(
        default="text", validation_alias="INFRA_GATE_LOG_FORMAT"
    )
    """text for people at a terminal, json for a log collector."""

    @model_validator(mode="after")
    def _authority_needs_tls(self) -> Self:
        tls = self.redis_url.get_secret_value().startswith("rediss://")
        if self.redis_ca_file is not None and not tls:
            raise ValueError("INFRA_GATE_REDIS_CA_FILE needs rediss:// in INFRA_GATE_REDIS_URL")
        return self

    @property
    def production(self) -> bool:
        """Says whether the process runs for real."""
        return self.environment == "Production"

    @property
    def terminal_client_id(self) -> str | None:
        """Returns the client by which approvers sign in from a terminal; None: nobody does."""
        if self.approval_cli_client_id is None and not self.production:
            return TERMINAL_CLIENT
        return self.approval_cli_client_id

    @property
    def proof_audiences(self) -> tuple[str, ...]:
        """Returns the clients by whose logins a plan may be approved: pages, then terminals."""
        terminal = self.terminal_client_id
        return (self.approval_client_id, *(() if terminal is None else (terminal,)))

    def _common_refusals(self) -> list[str]:
        redis = urlsplit(self.redis_url.get_secret_value())
        return [
            *_insecure("INFRA_GATE_OAUTH_AUTHORITY", self.oauth_authority),
            *_insecure("INFRA_GATE_OAUTH_METADATA_ADDRESS", self.oauth_metadata_address),
            *_when(
                not self.oauth_require_https_metadata,
                "INFRA_GATE_OAUTH_REQUIRE_HTTPS_METADATA must stay true",
            ),
            *_when(
                redis.scheme != "rediss" or not redis.username,
                "INFRA_GATE_REDIS_URL needs rediss:// and a user of its own",
            ),
            *_when(
                "ssl_" in redis.query,
                "INFRA_GATE_REDIS_URL must not change how certificates are checked",
            ),
            *_when(
                self.approval_cli_client_id == self.approval_client_id,
                "INFRA_GATE_APPROVAL_CLI_CLIENT_ID must name another client than the pages' one",
            ),
        ]


class GatewaySettings(Common):
    """Settings of the process that faces agents and approvers. No cluster settings at all."""

    serves: Literal["all", "gateway", "approvals"] = Field(
        default="all", validation_alias="INFRA_GATE_SERVES"
    )
    """gateway: agents only. approvals: people only, at an origin of their own. all: both in one
    process and origin, for development: an owned gateway is not covered then."""

    host: str = Field(default="127.0.0.1", validation_alias="INFRA_GATE_HOST")
    port: int = Field(default=3001, ge=1, le=65535, validation_alias="INFRA_GATE_PORT")

    oauth_resource: str = Field(
        default="http://127.0.0.1:3001/mcp", validation_alias="INFRA_GATE_OAUTH_RESOURCE"
    )
    """The audience that tokens must carry and the address that clients use, compared exactly."""

    oauth_scope: str = Field(default="mcp:tools", validation_alias="INFRA_GATE_OAUTH_SCOPE")
    """The scope that means every tool."""

    static_bearer_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        validation_alias=AliasChoices("INFRA_GATE_STATIC_BEARER_TOKEN", "INFRA_GATE_BEARER_TOKEN"),
    )
    """For local demos without an issuer. Off unless set; refused in Production."""

    approval_base_url: str = Field(
        default="http://127.0.0.1:3001", validation_alias="INFRA_GATE_APPROVAL_BASE_URL"
    )
    """Where people open approvals. Same origin as the gateway: an owned gateway is not covered."""

    approval_client_key_file: Path | None = Field(
        default=None, validation_alias="INFRA_GATE_APPROVAL_CLIENT_KEY_FILE"
    )
    """PEM private key (EC P-256 or RSA) for private_key_jwt; without it the pages are off."""

    approval_authorization_endpoint: str | None = Field(
        default=None, validation_alias="INFRA_GATE_APPROVAL_OAUTH_AUTHORIZATION_ENDPOINT"
    )
    """Overrides the provider's metadata, for providers reached by another name from browsers."""

    approval_token_endpoint: str | None = Field(
        default=None, validation_alias="INFRA_GATE_APPROVAL_OAUTH_TOKEN_ENDPOINT"
    )
    """Overrides the provider's metadata, for providers reached by another name from the gateway."""

    seal_public_keys: CommaSeparated = Field(
        default=(), validation_alias="INFRA_GATE_SEAL_PUBLIC_KEYS"
    )
    """Pinned public keys of planners (base64url, comma separated). Empty: learnt in Development."""

    proof_public_key: str | None = Field(
        default=None, validation_alias="INFRA_GATE_PROOF_PUBLIC_KEY"
    )
    """Pinned encryption key of the appliers (base64url). Empty: learnt in Development."""

    state_key_file: Path | None = Field(default=None, validation_alias="INFRA_GATE_STATE_KEY_FILE")
    """Secrets of 32 characters or more, one on each line, the same for all replicas: they seal what
    a client of 2026-07-28 carries while a person is asked. None: this replica's own."""

    read_timeout_s: float = Field(
        default=20.0, gt=0, le=120, validation_alias="INFRA_GATE_READ_TIMEOUT_SECONDS"
    )
    """Agents' clients give up after 60 s; a read that takes longer gets no better."""

    plan_timeout_s: float = Field(
        default=40.0, gt=0, le=120, validation_alias="INFRA_GATE_PLAN_TIMEOUT_SECONDS"
    )
    """A plan of 20 documents makes 40 calls to the API server."""

    apply_timeout_s: float = Field(
        default=55.0, gt=0, le=600, validation_alias="INFRA_GATE_APPLY_TIMEOUT_SECONDS"
    )
    """The answer, not the apply: a slower one goes on and the next call reports it."""

    body_limit_bytes: int = Field(
        default=1024 * 1024, ge=64 * 1024, validation_alias="INFRA_GATE_BODY_LIMIT_BYTES"
    )
    """A manifest of 256 KiB, escaped twice, with room."""

    max_in_flight: int = Field(default=64, ge=1, validation_alias="INFRA_GATE_MAX_IN_FLIGHT")
    """Calls waiting for workers in one replica; more are refused, so that these are answered."""

    requests_per_second: float = Field(
        default=100.0, gt=0, le=100_000, validation_alias="INFRA_GATE_REQUESTS_PER_SECOND"
    )
    """Of one subject, at all replicas together; an agent at work sends a few."""

    requests_burst: int = Field(
        default=400, ge=1, le=1_000_000, validation_alias="INFRA_GATE_REQUESTS_BURST"
    )
    """How many of them may come at once after a pause."""

    requests_at_a_time: int = Field(
        default=64, ge=1, le=100_000, validation_alias="INFRA_GATE_REQUESTS_AT_A_TIME"
    )
    """Of one subject, being answered by one replica."""

    extra_hosts: CommaSeparated = Field(default=(), validation_alias="INFRA_GATE_ALLOWED_HOSTS")
    """Host headers that are accepted beside those of the resource and the approval address."""

    @field_validator("seal_public_keys", "extra_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _comma_separated(value)

    @model_validator(mode="after")
    def _production_is_strict(self) -> Self:
        if self.production:
            _raise_if_any(self._production_refusals())
        return self

    def _production_refusals(self) -> list[str]:
        return [
            *self._common_refusals(),
            *_insecure("INFRA_GATE_OAUTH_RESOURCE", self.oauth_resource),
            *_insecure("INFRA_GATE_APPROVAL_BASE_URL", self.approval_base_url),
            *_when(
                self.static_bearer_token is not None,
                "INFRA_GATE_STATIC_BEARER_TOKEN is for local demos only; unset it",
            ),
            *_when(not self.seal_public_keys, "INFRA_GATE_SEAL_PUBLIC_KEYS must pin the planners"),
            *_when(not self.proof_public_key, "INFRA_GATE_PROOF_PUBLIC_KEY must pin the appliers"),
            *_when(
                self.serves == "all",
                "INFRA_GATE_SERVES must be gateway or approvals, in processes of their own",
            ),
            *_when(
                _origin(self.approval_base_url) == _origin(self.oauth_resource),
                "INFRA_GATE_APPROVAL_BASE_URL needs an origin other than the gateway's",
            ),
            *_when(
                self.serves == "gateway" and self.state_key_file is None,
                "INFRA_GATE_STATE_KEY_FILE must name the secrets that all replicas share",
            ),
            *_when(
                self.serves == "approvals" and self.approval_client_key_file is None,
                "INFRA_GATE_APPROVAL_CLIENT_KEY_FILE must name the approval client's key",
            ),
            *_when(
                self.serves == "gateway" and self.approval_client_key_file is not None,
                "INFRA_GATE_APPROVAL_CLIENT_KEY_FILE must not be given to the gateway",
            ),
        ]


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
        return _comma_separated(value)


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
    """Calls at a time in one process; they wait for the API server, not for the processor."""

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
        if value is not None and not _is_secure(value.get_secret_value()):
            raise ValueError("needs https:// without a name and password (http:// on loopback)")
        return value

    @field_validator("namespaces", "roles", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return _comma_separated(value)

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
            _raise_if_any(self._production_refusals())
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
            *_when(
                (self.kubeconfig is None) is not self.in_cluster,
                "exactly one of KUBECONFIG and INFRA_GATE_IN_CLUSTER must be set",
            ),
            *_when(
                "namespaces" not in self.model_fields_set,
                "K8S_MCP_ALLOWED_NAMESPACES must name the namespaces",
            ),
            *_when(self.policy_file is None, "INFRA_GATE_POLICY_FILE must name the policy"),
            *_when(
                Role.APPLY in self.roles and not self.seal_public_keys,
                "INFRA_GATE_SEAL_PUBLIC_KEYS must pin the planners",
            ),
            *self._notice_refusals(),
        ]

    def _notice_refusals(self) -> list[str]:
        if self.notice_url is None:
            return []
        return [
            *_insecure("INFRA_GATE_NOTICE_URL", self.notice_url.get_secret_value()),
            *_insecure("INFRA_GATE_APPROVAL_BASE_URL", self.approval_base_url),
        ]


class TerminalSettings(BaseSettings):
    """Settings of an approver's terminal, which believes what is pinned here and nothing else.

    No defaults for what trust rests on, in any environment: whoever has not pinned keys sees no
    plan.
    """

    model_config = Common.model_config

    approval_base_url: str = Field(validation_alias="INFRA_GATE_APPROVAL_BASE_URL")
    """The approvals service; it carries sealed documents and is believed in nothing."""

    oauth_authority: str = Field(validation_alias="INFRA_GATE_OAUTH_AUTHORITY")
    """The identity provider's issuer, compared exactly."""

    oauth_metadata_address: str | None = Field(
        default=None, validation_alias="INFRA_GATE_OAUTH_METADATA_ADDRESS"
    )

    client_id: str = Field(
        default=TERMINAL_CLIENT, validation_alias="INFRA_GATE_APPROVAL_CLI_CLIENT_ID"
    )
    """The public client at the provider, as appliers and approvals service name it."""

    seal_public_keys: CommaSeparated = Field(
        min_length=1, validation_alias="INFRA_GATE_SEAL_PUBLIC_KEYS"
    )
    """Planners whose plans are shown (base64url, comma separated)."""

    receipt_public_keys: CommaSeparated = Field(
        min_length=1, validation_alias="INFRA_GATE_RECEIPT_PUBLIC_KEYS"
    )
    """Appliers whose statements and receipts are believed (base64url, comma separated)."""

    proof_public_key: str = Field(validation_alias="INFRA_GATE_PROOF_PUBLIC_KEY")
    """The appliers' encryption key (base64url): nobody else can read a login."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_unset(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if value != ""}

    @field_validator("seal_public_keys", "receipt_public_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return _comma_separated(value)

    @field_validator("approval_base_url", "oauth_authority", "oauth_metadata_address")
    @classmethod
    def _secure(cls, value: str | None) -> str | None:
        if value is not None and not _is_secure(value):
            raise ValueError("needs https:// without a name and password (http:// on loopback)")
        return value


def read_terminal_settings(given: Mapping[str, str] | None = None) -> TerminalSettings:
    """Returns a terminal's settings: exactly those `given` by name, else the environment's.

    Raises:
        BadConfiguration: one is missing, unknown or cannot be used; the text names the variables.
    """
    names = {str(field.validation_alias) for field in TerminalSettings.model_fields.values()}
    unknown = sorted(set(given or {}) - names)
    if unknown:
        raise BadConfiguration(f"A terminal knows no setting {', '.join(unknown)}.")
    alone = dict.fromkeys(names, "") if given is not None else {}
    try:
        return TerminalSettings(**{**alone, **(given or {})})  # type: ignore[arg-type]  # texts, as in the environment
    except ValidationError as error:
        raise BadConfiguration(_explained(error)) from None


def read_gateway_settings() -> GatewaySettings:
    """Returns the gateway's settings from the environment.

    Raises:
        BadConfiguration: a value cannot be used; the text names the variables, never the values.
    """
    try:
        return GatewaySettings()
    except ValidationError as error:
        raise BadConfiguration(_explained(error)) from None


def read_worker_settings(**given: str) -> WorkerSettings:
    """Returns a worker's settings: those `given` by the variable's name, else the environment's.

    Raises:
        BadConfiguration: a value cannot be used; the text names the variables, never the values.
    """
    try:
        return WorkerSettings(**given)  # type: ignore[arg-type]  # texts, as in the environment
    except ValidationError as error:
        raise BadConfiguration(_explained(error)) from None


def read_trail_settings() -> TrailSettings:
    """Returns where a worker's keys, audit log and evidence lie, from the environment.

    Raises:
        BadConfiguration: a value cannot be used; the text names the variables, never the values.
    """
    try:
        return TrailSettings()
    except ValidationError as error:
        raise BadConfiguration(_explained(error)) from None


def is_loopback(url: str) -> bool:
    """Says whether a URL points at this machine."""
    host = urlsplit(url).hostname or ""
    return host in LOOPBACK or host.startswith("127.")


def _explained(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    return "The configuration cannot be used:\n  " + "\n  ".join(map(_told, problems))


def _told(problem: ErrorDetails) -> str:
    """One problem: the variable and what it needs, or, of several variables, what that says."""
    where = ".".join(str(part) for part in problem["loc"])
    what = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "too_short":  # pydantic counts a secret's characters as items
        least = problem["ctx"]["min_length"]
        what = "must name one" if least == 1 else f"needs at least {least} characters"
    if problem["type"] == "missing":
        what = "must be set"
    return f"{where}: {what}" if where else what


def _comma_separated(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _is_secure(url: str) -> bool:
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(url))
    return secure and bool(parts.hostname) and "@" not in parts.netloc


def _insecure(variable: str, url: str | None) -> list[str]:
    if url is None or (url.startswith("https://") and not is_loopback(url)):
        return []
    return [f"{variable} needs https:// and a name that is not loopback"]


def _when(condition: bool, problem: str) -> list[str]:
    return [problem] if condition else []


def _raise_if_any(problems: list[str]) -> None:
    if problems:
        raise ValueError("Production refuses:\n    " + "\n    ".join(problems))
