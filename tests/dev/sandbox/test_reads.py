"""Lists, pages, selectors, watches, discovery."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from tests.dev.sandbox.conftest import (
    CONFIGMAPS,
    DEPLOYMENTS,
    MERGE,
    PODS,
    Client,
    configmap,
    until,
)


def labelled(name: str, value: str) -> dict[str, Any]:
    body = configmap(name, a="1")
    body["metadata"]["labels"] = {"set": value}
    return body


def test_a_list_is_read_in_pages(admin: Client) -> None:
    whole = {item["metadata"]["name"] for item in admin("GET", DEPLOYMENTS).body["items"]}
    seen, token, left = [], "", []
    while True:
        page = admin("GET", f"{DEPLOYMENTS}?limit=2&continue={token}").body
        seen += [item["metadata"]["name"] for item in page["items"]]
        left.append(page["metadata"].get("remainingItemCount", 0))
        token = page["metadata"].get("continue", "")
        if not token:
            break

    assert whole <= set(seen)
    assert seen == sorted(seen)
    assert left[-1] == 0
    assert left[0] >= len(whole) - 2


def test_items_of_a_list_carry_no_kind(admin: Client) -> None:
    assert "kind" not in admin("GET", DEPLOYMENTS).body["items"][0]


def test_a_forged_continue_token_is_refused(admin: Client) -> None:
    reply = admin("GET", f"{DEPLOYMENTS}?limit=2&continue=abc")

    assert reply.code == 400
    assert "invalid continue token" in reply.body["message"]


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("part-of%3Dbroken", 5),
        ("app+in+(nginx,broken-oom)", 2),
        ("app%3Dnginx,part-of", 0),
        ("!part-of,app%3Dnginx", 1),
    ],
)
def test_labels_select(reader: Client, selector: str, found: int) -> None:
    items = reader("GET", f"{DEPLOYMENTS}?labelSelector={selector}").body["items"]

    assert len(items) == found


def test_fields_select(reader: Client) -> None:
    named = reader("GET", f"{DEPLOYMENTS}?fieldSelector=metadata.name%3Dnginx").body["items"]
    pending = until(
        lambda: reader("GET", f"{PODS}?fieldSelector=status.phase%3DPending").body["items"]
    )

    assert [item["metadata"]["name"] for item in named] == ["nginx"]
    assert {item["status"]["phase"] for item in pending} == {"Pending"}


def test_a_field_that_cannot_be_selected_is_refused(reader: Client) -> None:
    reply = reader("GET", f"{DEPLOYMENTS}?fieldSelector=spec.foo%3Db")

    assert reply.code == 400
    assert "is not a known field selector" in reply.body["message"]


def watch(client: Client, query: str) -> list[tuple[str, str]]:
    """Type and name of what a watch of one second sees."""
    reply = client.pool.request(
        "GET",
        f"{client.server}{CONFIGMAPS}?watch=1&timeoutSeconds=1&{query}",
        headers={"Authorization": f"Bearer {client.token}"},
        timeout=urllib3.Timeout(10),
    )
    lines = [json.loads(line) for line in reply.data.decode().splitlines()]
    return [(line["type"], line["object"]["metadata"]["name"]) for line in lines]


def test_a_watch_tells_what_happened_after_a_version(admin: Client) -> None:
    version = admin("GET", CONFIGMAPS).body["metadata"]["resourceVersion"]
    with ThreadPoolExecutor() as pool:
        seen = pool.submit(watch, admin, f"resourceVersion={version}")
        admin("POST", CONFIGMAPS, configmap("watched", a="1"))
        admin("PATCH", f"{CONFIGMAPS}/watched", {"data": {"a": "2"}}, MERGE)
        admin("DELETE", f"{CONFIGMAPS}/watched")

    assert [row for row in seen.result() if row[1] == "watched"] == [
        ("ADDED", "watched"),
        ("MODIFIED", "watched"),
        ("DELETED", "watched"),
    ]


def test_a_watch_without_version_begins_with_what_is_there(admin: Client) -> None:
    assert ("ADDED", "nginx-config") in watch(admin, "")


def test_an_object_that_leaves_the_selection_is_deleted_for_its_watcher(admin: Client) -> None:
    admin("POST", CONFIGMAPS, labelled("moving", "in"))
    version = admin("GET", CONFIGMAPS).body["metadata"]["resourceVersion"]

    admin("PATCH", f"{CONFIGMAPS}/moving", {"metadata": {"labels": {"set": "out"}}}, MERGE)

    query = f"resourceVersion={version}&labelSelector=set%3Din"
    assert watch(admin, query) == [("DELETED", "moving")]
    admin("DELETE", f"{CONFIGMAPS}/moving")


def test_discovery_lists_groups_and_resources(reader: Client) -> None:
    groups = {group["name"] for group in reader("GET", "/apis").body["groups"]}
    apps = {row["name"] for row in reader("GET", "/apis/apps/v1").body["resources"]}

    assert {"apps", "discovery.k8s.io", "events.k8s.io", "coordination.k8s.io"} <= groups
    assert {"deployments", "deployments/scale", "replicasets"} <= apps
    assert reader("GET", "/version").body["minor"] == "36"
    assert reader("GET", "/readyz").body == "ok"
    assert reader("GET", "/apis/none/v1").code == 404


def test_a_log_needs_a_container_that_exists(reader: Client) -> None:
    pod = until(lambda: reader("GET", f"{PODS}?labelSelector=app%3Dnginx").body["items"])[0]

    reply = reader("GET", f"{PODS}/{pod['metadata']['name']}/log?container=zz")

    assert (reply.code, reply.body["message"]) == (
        400,
        f"container zz is not valid for pod {pod['metadata']['name']}",
    )
