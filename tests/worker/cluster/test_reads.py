"""Reading through the door: objects, pages, totals, events, logs."""

import json
import threading
import time
from pathlib import Path

import pytest

from shared.errors import (
    CallerLeft,
    ClusterThrottled,
    ClusterTimeout,
    ClusterUnreachable,
    WorkerTimeout,
)
from tests.worker.canned import (
    CannedServer,
    Reply,
    Request,
    kubeconfig,
    listing,
    status,
    throttled,
)
from worker import errands
from worker.cluster import Cluster, ListExpired, NotSent
from worker.cluster.tails import tail_of
from worker.errands import Errand

PODS = "/api/v1/namespaces/shop/pods"
EVENTS = "/apis/events.k8s.io/v1/namespaces/shop/events"


def _pod(number: int) -> dict[str, object]:
    return {"metadata": {"name": f"pod-{number}", "uid": f"u{number}"}}


def test_an_object_comes_as_the_server_sent_it(server: CannedServer, cluster: Cluster) -> None:
    server.get(f"{PODS}/web", {"kind": "Pod", "odd": [1, {"x": None}]})

    assert cluster.get("Pod", "shop", "web") == {"kind": "Pod", "odd": [1, {"x": None}]}


def test_an_absent_object_is_none(cluster: Cluster) -> None:
    assert cluster.get("Pod", "shop", "nobody") is None


def test_every_request_carries_the_token_and_says_who_asks(
    server: CannedServer, cluster: Cluster
) -> None:
    cluster.get("Pod", "shop", "web")

    headers = server.requests[0].headers
    assert headers["Authorization"] == "Bearer t0ken"
    assert headers["User-Agent"].startswith("infragate/")
    assert headers["User-Agent"].endswith(" (tests)")


@pytest.mark.parametrize("name", ["../secrets/x", "a/b", "", "A", "a?b", "a..b", "x" * 254])
def test_no_strange_name_reaches_a_url(server: CannedServer, cluster: Cluster, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        cluster.get("Pod", name, "web")

    assert server.requests == []


@pytest.mark.promise("secrets-have-no-url")
def test_a_secret_has_no_url(server: CannedServer, cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="never touches"):
        cluster.get("Secret", "shop", "x")

    assert server.requests == []


def test_a_list_is_read_in_pages_of_500(server: CannedServer, cluster: Cluster) -> None:
    server.on(
        "GET",
        PODS,
        Reply(body=listing(*map(_pod, range(500)), **{"continue": "more"})),
        Reply(body=listing(_pod(500))),
    )

    found = cluster.list("Pod", "shop")

    assert (len(found.items), found.total, found.truncated) == (501, 501, False)
    assert [it.query.get("limit") for it in server.requests] == ["500", "500"]
    assert server.requests[1].query["continue"] == "more"


def test_the_true_total_of_a_cut_list_is_what_the_server_says_remains(
    server: CannedServer, cluster: Cluster
) -> None:
    server.get(PODS, listing(_pod(1), _pod(2), **{"continue": "m", "remainingItemCount": 40}))

    found = cluster.list("Pod", "shop", limit=2)

    assert (len(found.items), found.total, found.truncated) == (2, 42, True)
    assert len(server.requests) == 1


def test_with_a_selector_the_rest_is_counted_without_its_contents(
    server: CannedServer, cluster: Cluster
) -> None:
    server.on(
        "GET",
        PODS,
        Reply(body=listing(_pod(1), **{"continue": "m"})),
        Reply(body=listing(_pod(2), _pod(3), **{"continue": "n"})),
        Reply(body=listing(_pod(4))),
    )

    found = cluster.list("Pod", "shop", label_selector="app=web", limit=1)

    assert (len(found.items), found.total, found.truncated) == (1, 4, True)
    assert "PartialObjectMetadataList" in server.requests[1].headers["Accept"]
    assert {it.query["labelSelector"] for it in server.requests} == {"app=web"}


def test_a_list_that_expires_is_begun_again_once(server: CannedServer, cluster: Cluster) -> None:
    gone = Reply(status=410, body=status(410, "Expired", "too old"))
    first = Reply(body=listing(_pod(1), **{"continue": "m"}))
    server.on("GET", PODS, first, gone, Reply(body=listing(_pod(1), _pod(2))))

    assert cluster.list("Pod", "shop").total == 2


def test_a_list_that_expires_again_is_a_fault(server: CannedServer, cluster: Cluster) -> None:
    server.on("GET", PODS, Reply(status=410, body=status(410, "Expired", "too old")))

    with pytest.raises(ListExpired):
        cluster.list("Pod", "shop")


def _event(name: str, uid: str, **fields: object) -> dict[str, object]:
    return {"metadata": {"name": name}, "regarding": {"uid": uid, "kind": "Pod"}, **fields}


def test_events_come_newest_first_whichever_form_they_have(
    server: CannedServer, cluster: Cluster
) -> None:
    server.get(
        EVENTS,
        listing(
            _event("old", "a", eventTime="2026-01-01T00:00:00.123456Z"),
            _event("new", "a", eventTime=None, deprecatedLastTimestamp="2026-01-03T00:00:00Z"),
            _event(
                "mid",
                "a",
                eventTime="2025-01-01T00:00:00.0Z",
                series={"count": 3, "lastObservedTime": "2026-01-02T00:00:00.5Z"},
            ),
        ),
    )

    found = cluster.events("shop", limit=2)

    assert [it["metadata"]["name"] for it in found.items] == ["new", "mid"]
    assert (found.total, found.truncated) == (3, True)


def test_events_of_few_objects_are_asked_for_by_uid(server: CannedServer, cluster: Cluster) -> None:
    server.get(EVENTS, listing(_event("one", "u1")))

    cluster.events("shop", regarding_uids=["u1", "u2"], field_selector="type=Warning", limit=5)

    assert {it.query["fieldSelector"] for it in server.requests} == {
        "type=Warning,regarding.uid=u1",
        "type=Warning,regarding.uid=u2",
    }


def test_events_of_many_objects_are_found_on_every_page(
    server: CannedServer, cluster: Cluster
) -> None:
    server.on(
        "GET",
        EVENTS,
        Reply(body=listing(_event("other", "zz"), **{"continue": "m"})),
        Reply(body=listing(_event("ours", "u3"))),
    )

    found = cluster.events("shop", regarding_uids=[f"u{it}" for it in range(20)], limit=5)

    assert [it["metadata"]["name"] for it in found.items] == ["ours"]


def test_a_log_keeps_its_newest_bytes(server: CannedServer, cluster: Cluster) -> None:
    log = b"".join(b"line %05d\n" % number for number in range(20_000))
    server.on("GET", f"{PODS}/web/log", Reply(body=log))

    tail = cluster.logs(
        "shop", "web", container="app", tail_lines=5, previous=False, limit_bytes=22
    )

    assert (tail.data, tail.cut) == (b"line 19998\nline 19999\n", True)
    assert server.requests[0].query == {"container": "app", "tailLines": "5"}


class _Endless:
    def __init__(self) -> None:
        self.served = 0

    def read(self, amt: int) -> bytes:
        self.served += amt
        return b"x" * amt


def test_an_endless_log_is_left() -> None:
    endless = _Endless()

    assert tail_of(endless, 10).cut
    assert endless.served <= 17 * 1024 * 1024


def test_a_read_is_repeated_once_when_a_connection_was_dead(
    server: CannedServer, cluster: Cluster
) -> None:
    server.on("GET", f"{PODS}/web", Reply(drop=True), Reply(body={"kind": "Pod"}))

    assert cluster.get("Pod", "shop", "web") == {"kind": "Pod"}


def test_a_read_is_not_repeated_twice(server: CannedServer, cluster: Cluster) -> None:
    server.on("GET", f"{PODS}/web", Reply(drop=True))

    with pytest.raises(ClusterUnreachable):
        cluster.get("Pod", "shop", "web")

    assert len(server.requests) == 2


def test_a_retry_after_is_honored_as_often_as_the_server_asks(
    server: CannedServer, cluster: Cluster
) -> None:
    server.on("GET", f"{PODS}/web", throttled("0"), throttled("1"), Reply(body={"kind": "Pod"}))

    with errands.on(Errand(latest=time.monotonic() + 60)):
        assert cluster.get("Pod", "shop", "web") == {"kind": "Pod"}


def test_a_log_waits_for_a_throttling_server_too(server: CannedServer, cluster: Cluster) -> None:
    server.on("GET", f"{PODS}/web/log", throttled("0"), Reply(body=b"hello"))

    tail = cluster.logs("shop", "web", container="c", tail_lines=5, previous=False, limit_bytes=100)
    assert tail.data == b"hello"


@pytest.mark.parametrize("left_s", [25, -1], ids=["sooner", "already"])
def test_a_retry_after_that_is_later_than_the_callers_deadline_is_the_callers_to_wait(
    left_s: float, server: CannedServer, cluster: Cluster
) -> None:
    server.on("GET", f"{PODS}/web", throttled("30"))
    errand = Errand(latest=time.monotonic() + left_s, must_end=True)

    with errands.on(errand), pytest.raises(ClusterThrottled):
        cluster.get("Pod", "shop", "web")

    assert len(server.requests) == 1


def test_without_a_retry_after_nothing_is_waited_for(
    server: CannedServer, cluster: Cluster
) -> None:
    server.on("GET", f"{PODS}/web", Reply(status=429, body=status(429, "TooManyRequests", "no")))

    with pytest.raises(ClusterThrottled):
        cluster.get("Pod", "shop", "web")

    assert len(server.requests) == 1


def test_a_silent_server_is_a_timeout(server: CannedServer, tmp_path: Path) -> None:
    release = threading.Event()
    server.on("GET", f"{PODS}/web", Reply(hold=release, body={}))
    path = kubeconfig(tmp_path, server.url)
    hasty = Cluster.connect(path, name="canned", timeout_s=0.05)

    with pytest.raises(ClusterTimeout):
        hasty.get("Pod", "shop", "web")

    release.set()


def test_no_connection_means_that_nothing_was_sent(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "http://127.0.0.1:1")
    lonely = Cluster.connect(path, name="canned", timeout_s=1)

    with pytest.raises(NotSent, match="cannot be reached"):
        lonely.get("Pod", "shop", "web")


def test_a_redirect_is_not_followed(server: CannedServer, cluster: Cluster) -> None:
    target = f"{server.url}/elsewhere"
    server.on("GET", f"{PODS}/web", Reply(status=302, headers=(("Location", target),), body=b""))

    with pytest.raises(Exception, match="302"):
        cluster.get("Pod", "shop", "web")

    assert server.asked("/elsewhere") == []


def test_a_body_that_is_not_json_is_a_fault_that_does_not_repeat_it(
    server: CannedServer, cluster: Cluster
) -> None:
    server.on("GET", f"{PODS}/web", Reply(body=b"<html>hunter2"))

    with pytest.raises(ClusterUnreachable) as caught:
        cluster.get("Pod", "shop", "web")

    assert "hunter2" not in str(caught.value)


def test_a_watch_yields_events_until_it_ends(server: CannedServer, cluster: Cluster) -> None:
    lines = b'{"type":"ADDED","object":{"n":1}}\n{"type":"MODIFIED","object":{"n":2}}\n'
    server.on("GET", PODS, Reply(body=lines))

    seen = list(cluster.watch("Pod", "shop", "web", resource_version="5", timeout_s=1))

    assert [it["object"]["n"] for it in seen] == [1, 2]
    assert server.requests[0].query["fieldSelector"] == "metadata.name=web"


def test_a_watch_that_is_too_old_says_so(server: CannedServer, cluster: Cluster) -> None:
    error = json.dumps({"type": "ERROR", "object": status(410, "Expired", "too old")})
    server.on("GET", PODS, Reply(body=error.encode() + b"\n"))

    with pytest.raises(ListExpired):
        list(cluster.watch("Pod", "shop", "web", resource_version="5", timeout_s=1))


def test_sixteen_threads_share_the_door(server: CannedServer, cluster: Cluster) -> None:
    server.answering = lambda request: Reply(body={"path": request.path})
    answers: list[object] = []

    def ask(number: int) -> None:
        answers.append(cluster.get("Pod", "shop", f"p{number}"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 16
    assert {it["path"] for it in answers if isinstance(it, dict)} == {
        f"{PODS}/p{number}" for number in range(16)
    }


def test_identity_is_asked_for_once(server: CannedServer, cluster: Cluster) -> None:
    server.get("/api/v1/namespaces/kube-system", {"metadata": {"uid": "the-uid"}})

    first, second = cluster.identity, cluster.identity

    assert first is second
    assert (first.uid, first.uid_source, first.version) == ("the-uid", "kube-system", (1, 30))
    assert first.server_strict
    assert first.has_endpoint_slices
    assert len(server.requests) == 2


def test_identity_falls_back_when_rbac_hides_kube_system(
    server: CannedServer, cluster: Cluster
) -> None:
    server.get("/version", {"major": "1", "minor": "20+"})
    refusal = 'cannot get resource "namespaces" in API group "" in the namespace "kube-system"'
    server.on(
        "GET",
        "/api/v1/namespaces/kube-system",
        Reply(status=403, body=status(403, "Forbidden", refusal)),
    )

    identity = cluster.identity

    assert identity.uid_source == "ca-and-server"
    assert len(identity.uid) == 64
    assert not identity.server_strict
    assert not identity.has_endpoint_slices


def test_can_asks_the_server(server: CannedServer, cluster: Cluster) -> None:
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    def review(request: Request) -> Reply | None:
        if request.path != path:
            return None
        asked = request.json["spec"]["resourceAttributes"]
        return Reply(status=201, body={"status": {"allowed": asked["subresource"] == "log"}})

    server.answering = review

    assert cluster.can("get", "pods/log", "shop")
    assert not cluster.can("get", "pods", "shop")


def test_a_list_for_which_nobody_waits_any_more_ends_between_two_pages(
    server: CannedServer, cluster: Cluster
) -> None:
    server.on("GET", PODS, Reply(body=listing(_pod(1), **{"continue": "more"})))
    looks = iter([False, False, True])
    now = iter(range(99))  # each look at the clock is a second later
    errand = Errand(latest=99, is_given_up=lambda: next(looks), clock=lambda: float(next(now)))

    with errands.on(errand), pytest.raises(CallerLeft):
        cluster.list("Pod", "shop")

    assert len(server.asked(PODS)) == 2


def test_a_request_is_given_up_at_the_callers_deadline(
    server: CannedServer, cluster: Cluster
) -> None:
    release = threading.Event()
    server.on("GET", f"{PODS}/web", Reply(body={}, hold=release))

    with errands.on(Errand(latest=time.monotonic() + 0.05)), pytest.raises(ClusterTimeout):
        cluster.get("Pod", "shop", "web")  # the cluster's own limit is five seconds
    release.set()


def test_nothing_is_asked_after_the_callers_deadline(
    server: CannedServer, cluster: Cluster
) -> None:
    with errands.on(Errand(latest=time.monotonic())), pytest.raises(WorkerTimeout):
        cluster.get("Pod", "shop", "web")

    assert server.requests == []
