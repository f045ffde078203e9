"""What an object of the cluster is to InfraGate: kinds, references, names, normal form, bounds.

Which documents make a manifest is decided by `shared.documents`, from text that `worker.loading`
reads; what a manifest asks for is judged by `shared.guardrails`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from typing_extensions import TypeAliasType

from shared.errors import Refusal

JSON = TypeAliasType("JSON", "bool | int | str | list[JSON] | dict[str, JSON] | None")
"""A JSON value without floats: none of our kinds has one, and RFC 8785 digests are safer so."""

Object: TypeAlias = dict[str, JSON]
"""A JSON object, such as a whole Kubernetes object."""

Path: TypeAlias = tuple[str | int, ...]
"""Field names and list indices from the root of an object down to a value."""

MAX_BYTES: Final = 256 * 1024
"""UTF-8 bytes of a manifest, all documents together."""
MAX_DEPTH: Final = 40
"""Nested lists and mappings, the document itself being the first."""
MAX_NODES: Final = 20_000
"""Values and keys of all documents together."""
MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 8785, I-JSON)."""
MAX_NAME: Final = 253
MAX_LABEL: Final = 63

PLAN_DIGEST_ANNOTATION: Final = "infragate.dev/plan-digest"
RESTARTED_AT_ANNOTATION: Final = "kubectl.kubernetes.io/restartedAt"
LAST_APPLIED_ANNOTATION: Final = "kubectl.kubernetes.io/last-applied-configuration"

NOISE_ANNOTATIONS: Final = frozenset(
    {"deployment.kubernetes.io/revision", PLAN_DIGEST_ANNOTATION, LAST_APPLIED_ANNOTATION}
)
"""Annotations that controllers and tools rewrite although nobody changed the object."""

NOISE_METADATA: Final = frozenset(
    {
        "creationTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",  # compared on its own, by whoever compares
    }
)

ALLOCATED: Final = (
    "clusterIP",
    "clusterIPs",
    "ipFamilies",
    "ipFamilyPolicy",
    "healthCheckNodePort",
)
"""Of a Service: what the server picks when it is created, and others for the next one."""

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_IS_LABEL = re.compile(_LABEL)
_IS_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PLAIN_KEY = re.compile(r"[A-Za-z_][-A-Za-z0-9_]*")


class _Api(NamedTuple):
    version: str
    plural: str
    root: str
    writable: bool


class Kind(StrEnum):
    """The kinds that InfraGate knows. It writes the first three and only reads the others."""

    DEPLOYMENT = "Deployment"
    SERVICE = "Service"
    CONFIG_MAP = "ConfigMap"
    REPLICA_SET = "ReplicaSet"
    POD = "Pod"

    @property
    def api_version(self) -> str:
        """As objects say it: `apps/v1`."""
        return _APIS[self].version

    @property
    def plural(self) -> str:
        """As paths and RBAC rules say it: `deployments`."""
        return _APIS[self].plural

    @property
    def writable(self) -> bool:
        """Whether a plan may hold an object of this kind."""
        return _APIS[self].writable

    def path(self, namespace: str, name: str | None = None) -> str:
        """The API server's path of the collection, or of one object in it."""
        collection = f"{_APIS[self].root}/namespaces/{namespace}/{self.plural}"
        return collection if name is None else f"{collection}/{name}"

    @classmethod
    def named(cls, text: str) -> "Kind | None":
        """The kind that a person or an agent wrote, whatever its case; None when we have none."""
        return next((kind for kind in cls if kind.lower() == text.lower()), None)


_APIS: Final = {
    Kind.DEPLOYMENT: _Api("apps/v1", "deployments", "/apis/apps/v1", writable=True),
    Kind.SERVICE: _Api("v1", "services", "/api/v1", writable=True),
    Kind.CONFIG_MAP: _Api("v1", "configmaps", "/api/v1", writable=True),
    Kind.REPLICA_SET: _Api("apps/v1", "replicasets", "/apis/apps/v1", writable=False),
    Kind.POD: _Api("v1", "pods", "/api/v1", writable=False),
}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObjectRef:
    """One object of one namespace, by name (not by uid: the object may not exist yet)."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """As messages name it: `Deployment mcp-nginx-demo/nginx`."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @classmethod
    def of(cls, kind: Kind, namespace: str, name: str) -> "ObjectRef":
        """The reference to an object of a kind that we know."""
        return cls(api_version=kind.api_version, kind=kind, namespace=namespace, name=name)


def name_refusal(name: str, *, what: str = "Resource name", label: bool = False) -> Refusal | None:
    """Say why `name` cannot be the name of an object; None when it can.

    Args:
        name: What the caller gave.
        what: What it names, for the message.
        label: Whether it must be an RFC 1123 label (namespaces, containers, Services; at most 63
            characters) rather than a subdomain (most objects; at most 253).

    """
    if not name:
        return Refusal(code="name_required", message=f"{what} is required.")
    limit, pattern = (MAX_LABEL, _IS_LABEL) if label else (MAX_NAME, _IS_SUBDOMAIN)
    if len(name) <= limit and pattern.fullmatch(name):
        return None
    form = "label" if label else "subdomain"
    rule = "letters a-z, digits and '-'" if label else "letters a-z, digits, '-' and '.'"
    return Refusal(
        code="invalid_name",
        message=f"{what} {shown(name)} is not an RFC 1123 {form}: at most {limit} characters, "
        f"{rule}, starting and ending with a letter or digit.",
    )


def normalized(value: Object) -> Object:
    """Return the object without what changes although nobody changed it: the form that is compared.

    Status, bookkeeping metadata and `NOISE_ANNOTATIONS` are left out, also from a Pod template's
    metadata; empty annotations and labels are the same as none. The argument is left as it is.
    """
    rest = {key: item for key, item in value.items() if key != "status"}
    if isinstance(metadata := rest.get("metadata"), dict):
        rest["metadata"] = _quiet(metadata)
    spec = rest.get("spec")
    if isinstance(spec, dict) and isinstance(template := spec.get("template"), dict):
        inner = template.get("metadata")
        if isinstance(inner, dict):
            rest["spec"] = {**spec, "template": {**template, "metadata": _quiet(inner)}}
    return rest


def _quiet(metadata: Object) -> Object:
    rest = {key: item for key, item in metadata.items() if key not in NOISE_METADATA}
    annotations = rest.get("annotations")
    if isinstance(annotations, dict):
        rest["annotations"] = {
            key: item for key, item in annotations.items() if key not in NOISE_ANNOTATIONS
        }
    for key in ("annotations", "labels"):
        if key in rest and not rest[key]:
            del rest[key]
    return rest


def path_text(path: Path) -> str:
    """Write a path for people: `spec.containers[0].image`, odd keys quoted: `data["a.b"]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{quoted(step)}]"
    return text


def quoted(text: str) -> str:
    r"""Quote a key or value so that it stays on one line and cannot pretend to end.

    Backslash, quote and every character that is not printable become escapes (`\n`, `\u202e`).
    """
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + "".join(c if c.isprintable() else _escape(c) for c in plain) + '"'


def _escape(character: str) -> str:
    code = f"{ord(character):04x}"
    return f"\\u{code}" if len(code) == len("ffff") else f"\\U{code:0>8}"


def shown(value: JSON, *, limit: int = 80) -> str:
    """Say a short untrusted value in a message: quoted, printable, at most `limit` characters."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = value if isinstance(value, str) else str(value)
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "'" + quoted(cut)[1:-1] + "'"


def mapping_at(value: JSON | Mapping[str, JSON], *keys: str) -> Mapping[str, JSON]:
    """Follow keys down to a mapping; the empty mapping when anything on the way is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def list_at(value: JSON | Mapping[str, JSON], *keys: str) -> list[JSON]:
    """Follow keys down to a list; the empty list when anything on the way is missing."""
    found = mapping_at(value, *keys[:-1]).get(keys[-1]) if keys else value
    return found if isinstance(found, list) else []


def mappings_at(value: JSON | Mapping[str, JSON], *keys: str) -> Iterator[tuple[int, Object]]:
    """Follow keys down to a list and go through the mappings in it, each with its index."""
    for index, item in enumerate(list_at(value, *keys)):
        if isinstance(item, dict):
            yield index, item


def text_at(value: JSON | Mapping[str, JSON], *keys: str) -> str:
    """Follow keys down to a string; the empty string when anything on the way is missing."""
    found = mapping_at(value, *keys[:-1]).get(keys[-1])
    return found if isinstance(found, str) else ""
