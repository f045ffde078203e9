"""Every write to the simulated cluster: identity, defaults, validation, owners, versions.

The one door to the store for requests and for controllers. Who may write is decided elsewhere
(`dev.sandbox.rbac`), as is what a delete takes with it (`dev.sandbox.garbage`).
"""

import copy
import random
import uuid
from collections.abc import Callable
from datetime import datetime

from dev.sandbox import defaults, managers, validation
from dev.sandbox.managers import Manager
from dev.sandbox.resources import (
    DEPLOYMENTS,
    ENDPOINTSLICES,
    NAMESPACES,
    REPLICASETS,
    SERVICES,
    Obj,
    Resource,
)
from dev.sandbox.status import (
    already_exists,
    bad_request,
    cause,
    conflict,
    invalid,
    modified,
    not_found,
)
from dev.sandbox.store import Store

SAFE = "bcdfghjklmnpqrstvwxz2456789"  # the alphabet of generated names: no words by accident
GENERATIONS = {DEPLOYMENTS.kind, REPLICASETS.kind, ENDPOINTSLICES.kind}
SYSTEM_METADATA = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "namespace")


class Cluster:
    """The objects and the rules under which they change.

    `clock` gives the time, `modern` is false for a server like v1.20, `pace` is the length in
    seconds of what takes a container about five real ones.
    """

    def __init__(
        self, store: Store, clock: Callable[[], datetime], *, modern: bool = True, pace: float = 1.0
    ) -> None:
        self.store = store
        self.clock = clock
        self.modern = modern
        self.pace = pace

    def now(self) -> str:
        return self.clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    def get(self, resource: Resource, namespace: str, name: str) -> Obj:
        """The object as stored (not to be changed in place); raises 404."""
        found = self.store.get(resource.key, namespace, name)
        if found is None:
            raise not_found(resource, name)
        return found

    def writer(self, resource: Resource, name: str, subresource: str = "") -> Manager:
        return Manager(
            name=name,
            operation="Update",
            api_version=resource.api_version,
            subresource=subresource,
        )

    def create(
        self, resource: Resource, obj: Obj, namespace: str, manager: str, *, dry_run: bool = False
    ) -> Obj:
        """Commits a new object and returns it; raises 400, 404, 409, 422."""
        new = self.prepared(resource, obj, namespace)
        new = managers.after_update(None, new, resource, self.writer(resource, manager), self.now())
        return self.commit_new(resource, new, dry_run=dry_run)

    def prepared(self, resource: Resource, obj: Obj, namespace: str) -> Obj:
        """A new object with identity and defaults, validated."""
        new = _typed(resource, obj)
        metadata = new.setdefault("metadata", {})
        self._check_namespace(resource, metadata, namespace)
        for key in ("managedFields", "deletionTimestamp", "selfLink"):
            metadata.pop(key, None)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + "".join(random.choices(SAFE, k=5))
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = self.now()
        if resource.kind in GENERATIONS:
            metadata["generation"] = 1
        if resource.kind in (DEPLOYMENTS.kind, SERVICES.kind):
            new.pop("status", None)
        defaults.fill(new, resource, modern=self.modern)
        validation.check(new, None, resource)
        return new

    def _check_namespace(self, resource: Resource, metadata: Obj, namespace: str) -> None:
        if not resource.namespaced:
            return
        if metadata.get("namespace", namespace) != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the"
                " request"
            )
        metadata["namespace"] = namespace
        if self.store.get(NAMESPACES.key, "", namespace) is None:
            raise not_found(NAMESPACES, namespace)

    def commit_new(self, resource: Resource, new: Obj, *, dry_run: bool) -> Obj:
        namespace, name = new["metadata"].get("namespace", ""), new["metadata"]["name"]
        if self.store.get(resource.key, namespace, name) is not None:
            raise already_exists(resource, name)
        if new["metadata"].get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        self._allocate(resource, new)
        return new if dry_run else self.store.put(resource.key, new)

    def _allocate(self, resource: Resource, new: Obj) -> None:
        """A Service's address, which no field manager owns."""
        if resource.kind != SERVICES.kind or new["spec"]["type"] == "ExternalName":
            return
        spec = new["spec"]
        if not spec.get("clusterIP"):
            spec["clusterIP"] = f"10.97.{random.randrange(256)}.{random.randrange(1, 255)}"
        spec["clusterIPs"] = [spec["clusterIP"]]
        if self.modern:
            spec.setdefault("ipFamilies", ["IPv4"])
            spec.setdefault("ipFamilyPolicy", "SingleStack")
        if spec["type"] in ("NodePort", "LoadBalancer"):
            for port in spec.get("ports") or []:
                port.setdefault("nodePort", random.randrange(30000, 32768))

    def update(
        self, resource: Resource, live: Obj, new: Obj, who: Manager, *, dry_run: bool = False
    ) -> Obj:
        """Commits a changed object; raises 409 on another version, 422."""
        ready = self.readied(resource, live, new)
        owned = managers.after_update(live, ready, resource, who, self.now())
        return self.commit(resource, live, owned, dry_run=dry_run)

    def update_status(self, resource: Resource, live: Obj, new: Obj, manager: str) -> Obj:
        """A controller's write of status and metadata."""
        if live == new:
            return live
        who = self.writer(resource, manager, "status" if self.modern else "")
        ready = self.readied(resource, live, new, status=True)
        owned = managers.after_update(live, ready, resource, who, self.now())
        return self.commit(resource, live, owned, dry_run=False)

    def readied(self, resource: Resource, live: Obj, new: Obj, *, status: bool = False) -> Obj:
        """The new state with what a writer cannot change put back, defaults, validation."""
        new = _typed(resource, new)
        self._check_identity(resource, live, new)
        metadata, old = new["metadata"], live["metadata"]
        for key in SYSTEM_METADATA:
            if key in old:
                metadata[key] = old[key]
            else:
                metadata.pop(key, None)
        metadata["resourceVersion"] = old["resourceVersion"]
        if not status and "status" in live:
            new["status"] = live["status"]
        self._keep_addresses(resource, live, new)
        defaults.fill(new, resource, modern=self.modern)
        if not status and _new_generation(resource, live, new):
            metadata["generation"] = old.get("generation", 1) + 1
        validation.check(new, live, resource)
        return new

    def _check_identity(self, resource: Resource, live: Obj, new: Obj) -> None:
        old, metadata = live["metadata"], new.setdefault("metadata", {})
        name = old["name"]
        if metadata.setdefault("name", name) != name:
            raise bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL"
                f" ({name})"
            )
        if metadata.get("namespace", old.get("namespace")) != old.get("namespace"):
            raise bad_request(
                "the namespace of the object does not match the namespace on the request"
            )
        version = metadata.get("resourceVersion")
        if version and version != old["resourceVersion"]:
            raise modified(resource, name)
        uid = metadata.get("uid")
        if uid and uid != old["uid"]:
            text = f'Invalid value: "{uid}": field is immutable'
            causes = [cause("FieldValueInvalid", text, "metadata.uid")]
            raise invalid(resource.group, resource.kind, name, causes)

    def _keep_addresses(self, resource: Resource, live: Obj, new: Obj) -> None:
        """An update that leaves a Service's addresses out keeps them."""
        if resource.kind != SERVICES.kind:
            return
        for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if key in live["spec"] and not new["spec"].get(key):
                new["spec"][key] = live["spec"][key]

    def commit(self, resource: Resource, live: Obj, new: Obj, *, dry_run: bool) -> Obj:
        """A write without effect keeps its version, as in the real server."""
        if new == live:
            return live
        return new if dry_run else self.store.put(resource.key, new)

    def check_preconditions(self, resource: Resource, obj: Obj, preconditions: Obj) -> None:
        """DeleteOptions.preconditions; raises 409."""
        metadata = obj["metadata"]
        kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
        wanted_uid, wanted = preconditions.get("uid"), preconditions.get("resourceVersion")
        if wanted_uid and wanted_uid != metadata["uid"]:
            why = (
                f"the UID in the precondition ({wanted_uid}) does not match the UID in record"
                f" ({metadata['uid']}). The object might have been deleted and then recreated"
            )
        elif wanted and wanted != metadata["resourceVersion"]:
            why = (
                f"the ResourceVersion in the precondition ({wanted}) does not match the"
                f" ResourceVersion in record ({metadata['resourceVersion']}). The object might"
                " have been modified"
            )
        else:
            return
        error = conflict(resource, metadata["name"], why)
        error.status["message"] = error.status["message"].replace(resource.label, kind, 1)
        error.status["details"]["kind"] = resource.kind
        raise error


def _typed(resource: Resource, obj: Obj) -> Obj:
    """A deep copy that says what it is, first of all."""
    named = {"kind": resource.kind, "apiVersion": resource.api_version}
    return named | copy.deepcopy(obj) | named


def _new_generation(resource: Resource, live: Obj, new: Obj) -> bool:
    """A new spec counts; for a Deployment, whose controller reads them, new annotations too."""
    if resource.kind not in GENERATIONS:
        return False
    if resource.kind == DEPLOYMENTS.kind:
        before, after = (o["metadata"].get("annotations") or {} for o in (live, new))
        if before != after:
            return True
    return bool(new.get("spec") != live.get("spec"))
