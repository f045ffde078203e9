"""The fields of Kubernetes objects that readings use, and no others. Structs only, no behavior.

Decoding skips what is not declared here, so a Secret's name in an env list, a ConfigMap's values
or an annotation with a token in it never become Python objects. Names are the API's own.
"""

import msgspec


class Owner(msgspec.Struct):
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Meta(msgspec.Struct, rename="camel"):
    name: str = ""
    uid: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    generation: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[Owner] | None = None


class Condition(msgspec.Struct, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class ContainerPort(msgspec.Struct, rename="camel"):
    container_port: int = 0
    name: str | None = None
    protocol: str | None = None


class HTTPGet(msgspec.Struct):
    path: str | None = None
    port: int | str | None = None


class TCPSocket(msgspec.Struct):
    port: int | str | None = None


class GRPC(msgspec.Struct):
    port: int | None = None


class Exec(msgspec.Struct):
    """That there is a command; not which, since commands hold passwords."""


class Probe(msgspec.Struct, rename="camel"):
    http_get: HTTPGet | None = None
    tcp_socket: TCPSocket | None = None
    grpc: GRPC | None = None
    exec: Exec | None = None


class Resources(msgspec.Struct):
    limits: dict[str, str | int | float] | None = None
    requests: dict[str, str | int | float] | None = None


class Container(msgspec.Struct, rename="camel"):
    name: str = ""
    image: str = ""
    ports: list[ContainerPort] | None = None
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None
    startup_probe: Probe | None = None
    resources: Resources | None = None


class PodSpec(msgspec.Struct, rename="camel"):
    containers: list[Container] = []
    init_containers: list[Container] | None = None
    node_name: str | None = None


class StateWaiting(msgspec.Struct):
    reason: str | None = None
    message: str | None = None


class StateRunning(msgspec.Struct, rename="camel"):
    started_at: str | None = None


class StateTerminated(msgspec.Struct, rename="camel"):
    exit_code: int = 0
    signal: int | None = None
    reason: str | None = None
    message: str | None = None
    finished_at: str | None = None


class ContainerState(msgspec.Struct):
    waiting: StateWaiting | None = None
    running: StateRunning | None = None
    terminated: StateTerminated | None = None


class ContainerStatus(msgspec.Struct, rename="camel"):
    name: str = ""
    ready: bool = False
    restart_count: int = 0
    started: bool | None = None
    state: ContainerState | None = None
    last_state: ContainerState | None = None


class PodStatus(msgspec.Struct, rename="camel"):
    phase: str = "Unknown"
    reason: str | None = None
    message: str | None = None
    pod_ip: str | None = msgspec.field(name="podIP", default=None)
    conditions: list[Condition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class Requirement(msgspec.Struct):
    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class Selector(msgspec.Struct, rename="camel"):
    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None


class Template(msgspec.Struct):
    metadata: Meta | None = None
    spec: PodSpec | None = None


class Strategy(msgspec.Struct):
    type: str | None = None


class WorkloadSpec(msgspec.Struct):
    """Of Deployments and ReplicaSets; the API server fills `replicas`, so 1 is never guessed."""

    replicas: int = 1
    selector: Selector | None = None
    template: Template | None = None
    paused: bool = False
    strategy: Strategy | None = None


class WorkloadStatus(msgspec.Struct, rename="camel"):
    observed_generation: int | None = None
    replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    updated_replicas: int = 0
    conditions: list[Condition] | None = None


class ServicePort(msgspec.Struct, rename="camel"):
    port: int = 0
    name: str | None = None
    protocol: str | None = None
    target_port: int | str | None = None
    node_port: int | None = None


class ServiceSpec(msgspec.Struct, rename="camel"):
    type: str = "ClusterIP"
    cluster_ip: str | None = msgspec.field(name="clusterIP", default=None)
    selector: dict[str, str] | None = None
    ports: list[ServicePort] | None = None


class Workload(msgspec.Struct):
    """apps/v1 Deployment or ReplicaSet."""

    metadata: Meta
    spec: WorkloadSpec = msgspec.field(default_factory=WorkloadSpec)
    status: WorkloadStatus = msgspec.field(default_factory=WorkloadStatus)


class Pod(msgspec.Struct):
    """v1 Pod."""

    metadata: Meta
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


class Service(msgspec.Struct):
    """v1 Service."""

    metadata: Meta
    spec: ServiceSpec = msgspec.field(default_factory=ServiceSpec)


class ConfigMap(msgspec.Struct, rename="camel"):
    """v1 ConfigMap: keys, with values left undecoded."""

    metadata: Meta
    data: dict[str, msgspec.Raw] | None = None
    binary_data: dict[str, msgspec.Raw] | None = None


class TargetRef(msgspec.Struct):
    kind: str = ""
    name: str = ""


class SliceConditions(msgspec.Struct):
    ready: bool | None = None


class SliceEndpoint(msgspec.Struct, rename="camel"):
    addresses: list[str] = []
    conditions: SliceConditions | None = None
    target_ref: TargetRef | None = None


class EndpointPort(msgspec.Struct):
    port: int | None = None
    protocol: str | None = None


class EndpointSlice(msgspec.Struct):
    """discovery.k8s.io/v1 EndpointSlice."""

    metadata: Meta
    endpoints: list[SliceEndpoint] | None = None
    ports: list[EndpointPort] | None = None


class Address(msgspec.Struct, rename="camel"):
    ip: str = ""
    target_ref: TargetRef | None = None


class Subset(msgspec.Struct, rename="camel"):
    addresses: list[Address] | None = None
    not_ready_addresses: list[Address] | None = None
    ports: list[EndpointPort] | None = None


class Endpoints(msgspec.Struct):
    """v1 Endpoints, for servers before 1.21."""

    metadata: Meta
    subsets: list[Subset] | None = None
