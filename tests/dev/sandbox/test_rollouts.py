"""The Deployment controller and the simulated node: rollouts, failures, events, logs."""

from tests.dev.sandbox.conftest import (
    DEPLOYMENTS,
    EVENTS,
    JSON_PATCH,
    PODS,
    SERVICES,
    Client,
    Obj,
    deployment,
    pods_of,
    rolled_out,
    until,
)

REPLICASETS = DEPLOYMENTS.replace("deployments", "replicasets")


def condition(obj: Obj, kind: str) -> Obj:
    rows = obj["status"].get("conditions", [])
    return next((row for row in rows if row["type"] == kind), {})


def set_image(client: Client, name: str, image: str) -> None:
    path = "/spec/template/spec/containers/0/image"
    operations = [{"op": "replace", "path": path, "value": image}]
    client("PATCH", f"{DEPLOYMENTS}/{name}", operations, JSON_PATCH)


def events_about(client: Client, obj: Obj) -> list[Obj]:
    uid = obj["metadata"]["uid"]
    rows: list[Obj] = client("GET", f"{EVENTS}?fieldSelector=regarding.uid%3D{uid}").body["items"]
    return rows


def broken_pod(client: Client, what: str) -> Obj:
    return pods_of(client, f"broken-{what}")[0]


def waiting(client: Client, what: str) -> Obj:
    statuses = broken_pod(client, what)["status"].get("containerStatuses", [])
    found: Obj = statuses[0]["state"].get("waiting", {}) if statuses else {}
    return found


def test_the_healthy_demo_becomes_available(reader: Client) -> None:
    live = until(lambda: rolled_out(reader, "nginx"))

    assert live["status"]["readyReplicas"] == 2
    assert condition(live, "Available")["reason"] == "MinimumReplicasAvailable"
    assert condition(live, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"


def test_pods_are_owned_by_a_replica_set_that_the_deployment_owns(admin: Client, web: str) -> None:
    until(lambda: rolled_out(admin, web))
    live = admin("GET", f"{DEPLOYMENTS}/{web}").body
    sets = [
        rs
        for rs in admin("GET", REPLICASETS).body["items"]
        if rs["metadata"]["ownerReferences"][0]["uid"] == live["metadata"]["uid"]
    ]
    pods = [
        pod
        for pod in admin("GET", PODS).body["items"]
        if pod["metadata"]["ownerReferences"][0]["uid"] == sets[0]["metadata"]["uid"]
    ]

    assert len(sets) == len(pods) == 1
    labels = pods[0]["metadata"]["labels"]
    assert sets[0]["metadata"]["name"].endswith(labels["pod-template-hash"])


def test_a_new_image_rolls_without_falling_below_the_bound(admin: Client) -> None:
    admin("POST", DEPLOYMENTS, deployment("rolling", replicas=3))
    until(lambda: rolled_out(admin, "rolling"))
    lowest = 3
    set_image(admin, "rolling", "localhost/nginx:1.23")

    def finished() -> bool:
        nonlocal lowest
        status = admin("GET", f"{DEPLOYMENTS}/rolling").body["status"]
        lowest = min(lowest, status.get("availableReplicas", 0))
        return rolled_out(admin, "rolling") is not None

    until(finished)
    images = {pod["spec"]["containers"][0]["image"] for pod in pods_of(admin, "rolling")}
    live = admin("GET", f"{DEPLOYMENTS}/rolling").body
    assert lowest == 3
    assert images == {"localhost/nginx:1.23"}
    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    reasons = {event["reason"] for event in events_about(admin, live)}
    assert reasons == {"ScalingReplicaSet"}
    admin("DELETE", f"{DEPLOYMENTS}/rolling")


def test_a_rollback_reuses_the_old_replica_set_under_a_new_revision(
    admin: Client, web: str
) -> None:
    until(lambda: rolled_out(admin, web))
    first = pods_of(admin, "x")[0]["metadata"]["labels"]["pod-template-hash"]
    set_image(admin, web, "localhost/nginx:1.23")
    until(lambda: rolled_out(admin, web))
    set_image(admin, web, "localhost/nginx:1.22")

    live = until(lambda: rolled_out(admin, web))

    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    hashes = {pod["metadata"]["labels"]["pod-template-hash"] for pod in pods_of(admin, "x")}
    assert first in hashes


def test_a_bad_image_stops_a_rollout_and_the_old_pods_go_on(admin: Client) -> None:
    admin("POST", DEPLOYMENTS, deployment("stuck", replicas=2, progressDeadlineSeconds=10))
    until(lambda: rolled_out(admin, "stuck"))

    set_image(admin, "stuck", "localhost/nginx:9.99")

    def timed_out() -> Obj | None:
        live: Obj = admin("GET", f"{DEPLOYMENTS}/stuck").body
        late = condition(live, "Progressing")["reason"] == "ProgressDeadlineExceeded"
        return live if late else None

    live = until(timed_out)
    assert condition(live, "Progressing")["status"] == "False"
    assert live["status"]["availableReplicas"] == 2
    assert live["status"]["unavailableReplicas"] == 1
    admin("DELETE", f"{DEPLOYMENTS}/stuck")


def test_a_crash_loop_has_exit_code_back_off_and_both_logs(reader: Client) -> None:
    until(lambda: waiting(reader, "crash").get("reason") == "CrashLoopBackOff")
    until(lambda: broken_pod(reader, "crash")["status"]["containerStatuses"][0]["restartCount"])

    pod = broken_pod(reader, "crash")
    path = f"{PODS}/{pod['metadata']['name']}/log"
    last = pod["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (3, "Error")
    assert pod["status"]["phase"] == "Running"
    text = "starting\nfatal: no such file: /etc/app/config.yaml\n"
    assert reader("GET", path).body == text
    assert reader("GET", f"{path}?previous=true").body == text
    assert reader("GET", f"{path}?tailLines=1").body == text.partition("\n")[2]
    assert {"Scheduled", "Pulled", "Created", "Started", "BackOff"} <= {
        event["reason"] for event in events_about(reader, pod)
    }


def test_a_missing_image_is_told_by_status_events_and_the_log_request(reader: Client) -> None:
    until(lambda: waiting(reader, "image").get("reason") in ("ErrImagePull", "ImagePullBackOff"))

    pod = broken_pod(reader, "image")
    reply = reader("GET", f"{PODS}/{pod['metadata']['name']}/log")
    assert pod["status"]["phase"] == "Pending"
    assert reply.code == 400
    assert "is waiting to start" in reply.body["message"]
    notes = [event["note"] for event in events_about(reader, pod)]
    assert any(note.startswith('Failed to pull image "localhost/nginx:9.99"') for note in notes)


def test_a_container_out_of_memory_is_killed(reader: Client) -> None:
    until(lambda: waiting(reader, "oom").get("reason") == "CrashLoopBackOff")

    status = broken_pod(reader, "oom")["status"]["containerStatuses"][0]

    assert status["lastState"]["terminated"]["exitCode"] == 137
    assert status["lastState"]["terminated"]["reason"] == "OOMKilled"


def test_a_pod_of_another_scheduler_waits_untouched(admin: Client) -> None:
    container = {"name": "web", "image": "localhost/nginx:1.21"}
    for name, scheduler in (("left-alone", "nobody"), ("placed", "default-scheduler")):
        spec = {"schedulerName": scheduler, "containers": [container]}
        assert admin("POST", PODS, {"metadata": {"name": name}, "spec": spec}).code == 201
    until(lambda: admin("GET", f"{PODS}/placed").body["spec"].get("nodeName"))

    left = admin("GET", f"{PODS}/left-alone").body
    for name in ("left-alone", "placed"):
        admin("DELETE", f"{PODS}/{name}")
    assert "nodeName" not in left["spec"]
    assert left["status"]["phase"] == "Pending"
    assert events_about(admin, left) == []


def test_a_pod_that_no_node_takes_says_why(reader: Client) -> None:
    pod = until(
        lambda: next(
            (p for p in pods_of(reader, "broken-unschedulable") if p["status"].get("conditions")),
            None,
        )
    )

    assert pod["status"]["conditions"][0]["reason"] == "Unschedulable"
    assert "Insufficient cpu" in pod["status"]["conditions"][0]["message"]
    event = events_about(reader, pod)[0]
    assert (event["reason"], event["reportingController"]) == (
        "FailedScheduling",
        "default-scheduler",
    )


def test_a_failing_probe_leaves_the_pod_running_and_unready(reader: Client) -> None:
    def unhealthy() -> list[Obj]:
        events = events_about(reader, broken_pod(reader, "readiness"))
        return [event for event in events if event["reason"] == "Unhealthy"]

    event = until(unhealthy)[0]

    pod = broken_pod(reader, "readiness")
    assert "No such file or directory" in event["note"]
    assert pod["status"]["phase"] == "Running"
    assert condition(pod, "Ready")["status"] == "False"


def test_endpoints_follow_the_ready_pods(admin: Client) -> None:
    until(lambda: rolled_out(admin, "nginx"))
    endpoints = SERVICES.replace("services", "endpoints")
    slices = "/apis/discovery.k8s.io/v1/namespaces/mcp-nginx-demo/endpointslices"

    def addresses() -> set[str]:
        subsets = admin("GET", f"{endpoints}/nginx").body.get("subsets") or [{}]
        return {row["ip"] for row in subsets[0].get("addresses", [])}

    wanted = {pod["status"]["podIP"] for pod in pods_of(admin, "nginx")}
    until(lambda: addresses() == wanted)
    query = "labelSelector=kubernetes.io/service-name%3Dnginx"
    found = admin("GET", f"{slices}?{query}").body["items"][0]
    assert {row["addresses"][0] for row in found["endpoints"]} == wanted
    assert found["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
