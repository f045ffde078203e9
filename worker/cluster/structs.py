"""The shapes that come out of the cluster: the door's results, rows that decode only what is used.

Rows are msgspec structs: fields that are not declared (values of ConfigMaps, managedFields, specs)
are skipped while decoding and never exist in memory. The names are those of the Kubernetes API.
"""

import threading
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

import msgspec

from shared.errors import ClusterUnreachable

JSONObject: TypeAlias = dict[str, Any]
"""An object of the Kubernetes API as it is on the wire."""

UNREADABLE: Final = "The API server's answer cannot be read."

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterIdentity:
    """Which cluster this is and what it can do.

    `uid` is that of namespace kube-system, or, when RBAC hides it, a hash of certificate authority
    and server; `uid_source` says which. `server_strict`: the server validates fields (>= 1.25).
    `simulated`: it says of itself that it is the sandbox.
    """

    name: str
    uid: str
    uid_source: Literal["kube-system", "ca-and-server"]
    ca_sha256: str
    version: tuple[int, int]
    server_strict: bool
    has_endpoint_slices: bool
    git_version: str = ""
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Generic[ItemT]):
    """The first items of a collection, in the order of the server, and how many there are in all.

    `resource_version` is that of the first page: where a watch would start.
    """

    items: tuple[ItemT, ...]
    total: int
    truncated: bool
    resource_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the server answered to a write (or to its dry run), and its Warning headers."""

    object: JSONObject
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTail:
    """The newest bytes of a container's log; `cut` when older ones that were asked for lack."""

    data: bytes
    cut: bool


class ListMeta(msgspec.Struct, rename="camel"):
    """meta/v1 ListMeta."""

    continue_: str | None = msgspec.field(name="continue", default=None)
    remaining_item_count: int | None = None
    resource_version: str | None = None


class Page(msgspec.Struct, Generic[ItemT]):
    """One page of a list."""

    metadata: ListMeta
    items: list[ItemT] | None = None


class Nothing(msgspec.Struct):
    """An item that is only counted."""


class EventSeries(msgspec.Struct, rename="camel", omit_defaults=True):
    """events.k8s.io/v1 EventSeries."""

    count: int | None = None
    last_observed_time: str | None = None


class Regarding(msgspec.Struct, rename="camel", omit_defaults=True):
    """The object that an event is about (core/v1 ObjectReference)."""

    kind: str | None = None
    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    field_path: str | None = None


class EventMeta(msgspec.Struct, rename="camel", omit_defaults=True):
    """What is used of an event's metadata."""

    name: str | None = None
    namespace: str | None = None
    uid: str | None = None
    creation_timestamp: str | None = None


class EventRow(msgspec.Struct, rename="camel", omit_defaults=True):
    """events.k8s.io/v1 Event, the fields that people read, new form and deprecated form."""

    metadata: EventMeta
    type: str | None = None
    reason: str | None = None
    note: str | None = None
    regarding: Regarding | None = None
    event_time: str | None = None
    series: EventSeries | None = None
    reporting_controller: str | None = None
    deprecated_count: int | None = None
    deprecated_first_timestamp: str | None = None
    deprecated_last_timestamp: str | None = None

    @property
    def last_seen(self) -> str:
        """When it last happened, RFC 3339, to the second so that old and new form compare."""
        series = self.series.last_observed_time if self.series else None
        seen = (
            series
            or self.deprecated_last_timestamp
            or self.event_time
            or self.metadata.creation_timestamp
            or ""
        )
        return seen[:19]


_learning = threading.Lock()


@cache
def _learned(shape: type[ItemT]) -> "msgspec.json.Decoder[ItemT]":
    return msgspec.json.Decoder(shape)


def _decoder(shape: type[ItemT]) -> "msgspec.json.Decoder[ItemT]":
    """A struct is learned when msgspec first meets it; two threads that do so crash the process."""
    with _learning:
        return _learned(shape)  # type: ignore[arg-type]  # classes can be hashed


def decoded(body: bytes, shape: type[ItemT]) -> ItemT:
    """`body` as `shape`. Raises ClusterUnreachable when the server did not answer in JSON."""
    try:
        return _decoder(shape).decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ClusterUnreachable(UNREADABLE) from error


def shaped(it: Any, shape: type[ItemT]) -> ItemT:
    """What was decoded before, as `shape`. Raises ClusterUnreachable when it is something else."""
    _decoder(shape)
    try:
        return msgspec.convert(it, shape)
    except msgspec.ValidationError as error:
        raise ClusterUnreachable(UNREADABLE) from error
