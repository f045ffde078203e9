"""The scale subresource of Deployments: seen, put and patched."""

from typing import Any

from dev.sandbox import bodies, schema
from dev.sandbox.cluster import Cluster
from dev.sandbox.resources import CONFIGMAPS, Obj, Resource
from dev.sandbox.status import ApiError, cause, invalid, not_found
from dev.sandbox.writes import Answer, Options


class Scales:
    """The scale subresource of Deployments."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def get(self, resource: Resource, namespace: str, name: str) -> Obj:
        try:
            live = self._cluster.get(resource, namespace, name)
        except ApiError as error:
            raise _no_scale(resource, name) from error
        metadata = live["metadata"]
        kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        labels = live["spec"]["selector"].get("matchLabels") or {}
        selector = ",".join(f"{k}={v}" for k, v in sorted(labels.items()))
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {key: metadata[key] for key in kept},
            "spec": {"replicas": live["spec"]["replicas"]} if live["spec"]["replicas"] else {},
            "status": {"replicas": live["status"].get("replicas", 0), "selector": selector},
        }

    def put(
        self, resource: Resource, namespace: str, name: str, scale: Any, options: Options
    ) -> Answer:
        """Writes the wanted number; versions and uid of the Scale are preconditions."""
        live = self._cluster.get(resource, namespace, name)
        metadata, spec = scale.get("metadata") or {}, scale.get("spec") or {}
        replicas = spec.get("replicas", 0)
        if not isinstance(replicas, int):
            raise schema.cannot_handle("Scale", "json: cannot unmarshal into type int32")
        if replicas < 0:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            causes = [cause("FieldValueInvalid", text, "spec.replicas")]
            raise invalid("autoscaling", "Scale", name, causes)
        kept = {k: metadata[k] for k in ("uid", "resourceVersion") if metadata.get(k)}
        new = {
            **live,
            "metadata": {**live["metadata"], **kept},
            "spec": {**live["spec"], "replicas": replicas},
        }
        who = self._cluster.writer(resource, options.manager, "scale")
        if self._cluster.modern:
            self._cluster.update(resource, live, new, who, dry_run=options.dry_run)
        else:
            # v1.20 leaves no trace of a scale in managedFields.
            ready = self._cluster.readied(resource, live, new)
            self._cluster.commit(resource, live, ready, dry_run=options.dry_run)
        if options.dry_run:
            shown = self.get(resource, namespace, name)
            return Answer(code=200, body={**shown, "spec": {"replicas": replicas}})
        return Answer(code=200, body=self.get(resource, namespace, name))

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: bytes,
        content_type: str,
        options: Options,
    ) -> Answer:
        if self._cluster.store.get(resource.key, namespace, name) is None:
            raise not_found(resource, name)
        scale = self.get(resource, namespace, name)
        patched = bodies.patched(scale, body, content_type, CONFIGMAPS)
        return self.put(resource, namespace, name, patched, options)


def _no_scale(resource: Resource, name: str) -> ApiError:
    error = not_found(resource, name)
    plural = f"{resource.plural}/scale"
    error.status["message"] = f'{plural}.{resource.group} "{name}" not found'
    error.status["details"]["kind"] = plural
    return error
