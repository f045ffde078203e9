"""The only door to Kubernetes: what may be asked of one cluster, as raw JSON in and out.

What changes something is here, what only looks in `worker.cluster.reads`. No policy lives in either
(guardrails, plans and readings are above). Every method may raise a `ClusterFault`; none returns a
half answer.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from shared.errors import NotFound
from worker.cluster.access import access_from
from worker.cluster.connection import Answer, Query, Timed, untimed
from worker.cluster.errors import cleaned_message
from worker.cluster.paths import LEASE_NAMESPACE, url_of
from worker.cluster.reads import Reads, object_in
from worker.cluster.structs import JSONObject, Written

FIELD_MANAGER: Final = "infragate"

_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


class Cluster(Reads):
    """One cluster, with the credentials of one role. Thread-safe."""

    @classmethod
    def connect(
        cls,
        kubeconfig: Path | None,
        *,
        name: str,
        timeout_s: float = 10.0,
        role: str = "worker",
        timed: Timed = untimed,
    ) -> "Cluster":
        """A cluster by the kubeconfig's current context, or, for None, the one that we run in.

        Opens no connection and runs no credential plugin yet; `timeout_s` bounds each later call,
        and `timed` is around it. Raises BadConfiguration.
        """
        access = access_from(kubeconfig)
        return cls(access, name=name, timeout_s=timeout_s, role=role, timed=timed)

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
        return Written(object=object_in(answer), warnings=_warnings(answer))


def _warnings(answer: Answer) -> tuple[str, ...]:
    """The texts of `299 - "text"` headers (RFC 7234 section 5.5), cleaned, at most 20."""
    texts = (_WARNING.match(value) for value in answer.warnings[:20])
    return tuple(cleaned_message(re.sub(r"\\(.)", r"\1", found[1])) for found in texts if found)
