"""What may be read of one cluster, and which cluster it is. Nothing is cached but its identity."""

import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from shared.errors import NotFound
from shared.release import VERSION
from worker.cluster import events, lists
from worker.cluster.access import Access
from worker.cluster.connection import Answer, Connection, Query, Timed, untimed
from worker.cluster.identity import discovered
from worker.cluster.paths import url_of
from worker.cluster.structs import ClusterIdentity, JSONObject, Listed, LogTail, decoded
from worker.cluster.tails import tail_of

ItemT = TypeVar("ItemT")


class Reads:
    """The half of a cluster that changes nothing. Thread-safe."""

    def __init__(
        self, access: Access, *, name: str, timeout_s: float, role: str, timed: Timed = untimed
    ) -> None:
        self._access = access
        self._name = name
        self._http = Connection(
            access, timeout_s=timeout_s, user_agent=_user_agent(role), timed=timed
        )
        self._identity: ClusterIdentity | None = None
        self._identity_lock = threading.Lock()

    @property
    def hazards(self) -> tuple[str, ...]:
        """What production must refuse in the kubeconfig; see `Access`."""
        return self._access.hazards

    @property
    def identity(self) -> ClusterIdentity:
        """Which cluster this is; asked for once (two calls), then remembered."""
        with self._identity_lock:
            if self._identity is None:
                self._identity = discovered(self._http, self._access, self._name)
            return self._identity

    def server_date(self) -> str:
        """The API server's clock as its `Date` header (RFC 9110, 6.6.1); empty if it has none."""
        return self._http.read("/version").date

    def get(self, kind: str, namespace: str, name: str) -> JSONObject | None:
        """The object, or None when there is none."""
        try:
            return object_in(self._http.read(url_of(kind, namespace, name)))
        except NotFound:
            return None

    def get_as(self, row: type[ItemT], kind: str, namespace: str, name: str) -> ItemT | None:
        """As `get`, decoding only the fields that the msgspec struct `row` declares."""
        try:
            answer = self._http.read(url_of(kind, namespace, name))
        except NotFound:
            return None
        return decoded(answer.body, row)

    def list(
        self,
        kind: str,
        namespace: str,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int | None = None,
    ) -> Listed[JSONObject]:
        """The first `limit` objects (None: all), read in pages of 500."""
        return self.list_as(
            JSONObject,
            kind,
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            limit=limit,
        )

    def list_as(
        self,
        row: type[ItemT],
        kind: str,
        namespace: str,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        limit: int | None = None,
    ) -> Listed[ItemT]:
        """As `list`, decoding only the fields that the msgspec struct `row` declares."""
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        return lists.listed(self._http, row, url_of(kind, namespace), selectors, limit=limit)

    def events(
        self,
        namespace: str,
        *,
        label_selector: str | None = None,
        field_selector: str | None = None,
        regarding_uids: Iterable[str] = (),
        limit: int,
    ) -> Listed[JSONObject]:
        """The newest `limit` events (events.k8s.io/v1), newest first, of the fields in `EventRow`.

        With `regarding_uids`, only those about these objects.
        """
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        return events.newest(
            self._http, url_of("Event", namespace), selectors, tuple(regarding_uids), limit=limit
        )

    def logs(
        self,
        namespace: str,
        pod: str,
        *,
        container: str,
        tail_lines: int,
        previous: bool,
        limit_bytes: int,
    ) -> LogTail:
        """The newest bytes, at most `limit_bytes`, of the last `tail_lines` lines."""
        query: Query = {
            "container": container,
            "tailLines": tail_lines,
            "previous": previous or None,
        }
        with self._http.stream(url_of("Pod", namespace, pod, subresource="log"), query) as body:
            return tail_of(body, limit_bytes)

    def watch(
        self, kind: str, namespace: str, name: str, *, resource_version: str, timeout_s: int
    ) -> Iterator[JSONObject]:
        """Watch events (`type` and `object`) of one object, for at most `timeout_s` seconds."""
        query: Query = {
            "watch": True,
            "fieldSelector": f"metadata.name={name}",
            "resourceVersion": resource_version,
            "timeoutSeconds": timeout_s,
        }
        path = url_of(kind, namespace, name).removesuffix(f"/{name}")
        with self._http.stream(path, query, timeout_s=timeout_s + 5) as body:
            yield from lists.watched(body)

    def can(self, verb: str, resource: str, namespace: str, group: str = "") -> bool:
        """Whether RBAC would let this worker do it (a SelfSubjectAccessReview)."""
        attributes = {"namespace": namespace, "verb": verb, "group": group}
        attributes["resource"], _, attributes["subresource"] = resource.partition("/")
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._http.write(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            msgspec.json.encode(review),
            query={},
            content_type="application/json",
            verb="create",
        )
        return bool(object_in(answer).get("status", {}).get("allowed", False))


def object_in(answer: Answer) -> JSONObject:
    """The whole object of an answer."""
    return decoded(answer.body, JSONObject)


def _user_agent(role: str) -> str:
    return f"infragate/{VERSION} ({role})"
