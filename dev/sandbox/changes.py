"""From an authorized write request to its answer: policies are asked first, then it is written.

How things are written is in `writes` and `scales`; nothing here answers a read.
"""

import json

from starlette.requests import Request

from dev.sandbox import bodies, queries
from dev.sandbox.admission import Admission, Attempt
from dev.sandbox.cluster import Cluster
from dev.sandbox.garbage import Garbage
from dev.sandbox.rbac import Identity
from dev.sandbox.resources import Resource
from dev.sandbox.scales import Scales
from dev.sandbox.status import no_such_path
from dev.sandbox.targets import Target
from dev.sandbox.writes import Answer, Writes


class Changes:
    """Answers write requests that RBAC allows."""

    def __init__(
        self, cluster: Cluster, garbage: Garbage, scales: Scales, admission: Admission
    ) -> None:
        self._cluster = cluster
        self._writes = Writes(cluster, garbage)
        self._scales = scales
        self._admission = admission

    def make(
        self, who: Identity, request: Request, target: Target, resource: Resource, body: bytes
    ) -> Answer:
        """Raises ApiError."""
        asked, subresource = target.asked, target.subresource
        namespace, name = asked.namespace if resource.namespaced else "", asked.name
        content = request.headers.get("content-type", "").partition(";")[0].strip()
        options = queries.options(request, asked.verb)
        removal = queries.deletion(request, body) if asked.verb == "delete" else None
        known = self._cluster.store.get(resource.key, namespace, name) is not None
        self._admission.check(
            Attempt(
                who=who,
                asked=asked,
                resource=resource,
                subresource=subresource,
                name=name or _name_in(body),
                dry_run=removal.dry_run if removal else options.dry_run,
                upserts=content == bodies.APPLY and not known,
            )
        )
        if subresource == "scale" and asked.verb == "patch":
            return self._scales.patch(resource, namespace, name, body, content, options)
        if subresource == "scale" and asked.verb == "update":
            return self._scales.put(resource, namespace, name, json.loads(body), options)
        if subresource:
            raise no_such_path()
        if removal is not None:
            return self._writes.delete(resource, namespace, name, removal)
        if asked.verb == "create":
            return self._writes.create(resource, namespace, body, options)
        if asked.verb == "update":
            return self._writes.update(resource, namespace, name, body, options)
        return self._writes.patch(resource, namespace, name, body, content, options)


def _name_in(body: bytes) -> str:
    """The name of an object that is to be created; "" where there is none to be read."""
    try:
        metadata = json.loads(body)["metadata"]
        return str(metadata.get("name") or metadata.get("generateName") or "")
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""
