"""The only door to Kubernetes: what may be asked of one cluster, as raw JSON in and out.

No policy lives here (guardrails, plans and readings are above) and nothing is cached but the
cluster's identity. Every method may raise a `ClusterFault`; none returns a half answer.
"""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from shared.errors import NotFound
from shared.release import VERSION
from worker.cluster import events, lists
from worker.cluster.access import Access, access_from
from worker.cluster.connection import Answer, Connection, Query
from worker.cluster.errors import cleaned_message
from worker.cluster.identity import discovered
from worker.cluster.paths import LEASE_NAMESPACE, url_of
from worker.cluster.structs import (
    ClusterIdentity,
    JSONObject,
    Listed,
    LogTail,
    Written,
    decoded,
)
from worker.cluster.tails import tail_of

FIELD_MANAGER: Final = "infragate"

ItemT = TypeVar("ItemT")

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


class Cluster:
    """One cluster, with the credentials of one role. Thread-safe."""

    def __init__(self, access: Access, *, name: str, timeout_s: float, role: str) -> None:
        self._access = access
        self._name = name
        self._http = Connection(access, timeout_s=timeout_s, user_agent=_user_agent(role))
        self._identity: ClusterIdentity | None = None
        self._identity_lock = threading.Lock()

    @classmethod
    def connect(
        cls,
        kubeconfig: Path | None,
        *,
        name: str,
        timeout_s: float = 10.0,
        role: str = "worker",
    ) -> "Cluster":
        """A cluster by the kubeconfig's current context, or, for None, the one that we run in.

        Opens no connection and runs no credential plugin yet; `timeout_s` bounds each later call.
        Raises BadConfiguration.
        """
        return cls(access_from(kubeconfig), name=name, timeout_s=timeout_s, role=role)

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

    # ── reading ──────────────────────────────────────────────────────────────────────────────

    def get(self, kind: str, namespace: str, name: str) -> JSONObject | None:
        """The object, or None when there is none."""
        try:
            return _object(self._http.read(url_of(kind, namespace, name)))
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
        answer = self._send(
            "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review
        )
        return bool(answer.object.get("status", {}).get("allowed", False))

    # ── writing ──────────────────────────────────────────────────────────────────────────────

    def create(self, kind: str, namespace: str, body: JSONObject, *, dry_run: bool) -> Written:
        """POST. Raises AlreadyExists when an object of that name is there."""
        query = self._write_query(dry_run=dry_run)
        return self._send("POST", url_of(kind, namespace), body, query=query, verb="create")

    def apply(
        self,
        kind: str,
        namespace: str,
        name: str,
        body: JSONObject,
        *,
        dry_run: bool,
        force: bool = False,
    ) -> Written:
        """Server-side apply. Raises ApplyConflict naming managers and fields, unless forced.

        It creates an absent object unless `body` carries the uid of the object that it means.
        """
        return self._send(
            "PATCH",
            url_of(kind, namespace, name),
            body,
            query={**self._write_query(dry_run=dry_run), "force": force},
            content_type="application/apply-patch+yaml",  # JSON is YAML; all servers know this
            verb="apply",
        )

    def patch(
        self,
        kind: str,
        namespace: str,
        name: str,
        operations: Sequence[JSONObject],
        *,
        dry_run: bool,
    ) -> Written:
        """JSON Patch (RFC 6902). A failed `test` operation raises Conflict."""
        return self._send(
            "PATCH",
            url_of(kind, namespace, name),
            operations,
            query=self._write_query(dry_run=dry_run),
            content_type="application/json-patch+json",
            verb="patch",
        )

    def delete(
        self,
        kind: str,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str,
        propagation: str,
        dry_run: bool,
    ) -> None:
        """Deletes exactly that object in exactly that state, else raises Conflict or NotFound.

        `propagation` is Foreground, Background or Orphan.
        """
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": uid, "resourceVersion": resource_version},
            "propagationPolicy": propagation,
        }
        if dry_run:
            options["dryRun"] = ["All"]
        self._send("DELETE", url_of(kind, namespace, name), options, verb="delete")

    # ── claims ───────────────────────────────────────────────────────────────────────────────

    def create_lease(self, name: str, *, holder: str, annotations: Mapping[str, str]) -> JSONObject:
        """Takes the claim. Raises AlreadyExists when somebody has it."""
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": name,
                "namespace": LEASE_NAMESPACE,
                "annotations": dict(annotations),
            },
            "spec": {"holderIdentity": holder},
        }
        return self.create("Lease", LEASE_NAMESPACE, lease, dry_run=False).object

    def get_lease(self, name: str) -> JSONObject | None:
        """The claim, or None when nobody has taken it."""
        return self.get("Lease", LEASE_NAMESPACE, name)

    def list_leases(self) -> tuple[JSONObject, ...]:
        """All claims, for collecting the old ones."""
        return self.list("Lease", LEASE_NAMESPACE).items

    def delete_lease(self, name: str) -> None:
        """Forgets a claim; none there is fine."""
        try:
            self._send("DELETE", url_of("Lease", LEASE_NAMESPACE, name), {}, verb="delete")
        except NotFound:
            return

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _write_query(self, *, dry_run: bool) -> Query:
        return {
            "fieldManager": FIELD_MANAGER,
            "fieldValidation": "Strict" if self.identity.server_strict else None,
            "dryRun": "All" if dry_run else None,
        }

    def _send(
        self,
        method: str,
        path: str,
        body: object,
        *,
        query: Query | None = None,
        content_type: str = "application/json",
        verb: str = "create",
    ) -> Written:
        answer = self._http.write(
            method,
            path,
            msgspec.json.encode(body),
            query=query or {},
            content_type=content_type,
            verb=verb,
        )
        return Written(object=_object(answer), warnings=_warnings(answer))


def _user_agent(role: str) -> str:
    return f"infragate/{VERSION} ({role})"


def _object(answer: Answer) -> JSONObject:
    return decoded(answer.body, JSONObject)


def _warnings(answer: Answer) -> tuple[str, ...]:
    """The texts of `299 - "text"` headers (RFC 7234 section 5.5), cleaned, at most 20."""
    texts = (_WARNING.match(value) for value in answer.warnings[:20])
    return tuple(cleaned_message(re.sub(r"\\(.)", r"\1", found[1])) for found in texts if found)
