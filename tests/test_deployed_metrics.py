"""Scrape configuration, alerts and dashboard name metrics that exist, and advice that is there.

What is scraped is reached by nobody but Prometheus.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.test_deployed_workloads import DEPLOYMENTS, of_kind, pod
from tests.test_docs import code_in, metric_names, rows, section, text

FOLDER = Path(__file__).parents[1] / "deploy" / "metrics"
PORT = 9464
_NAME = re.compile(r"\b(?:infragate|process)_[a-z0-9_]+")
OF_EACH_PROCESS = {
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def queries() -> Iterator[str]:
    yield from (alert["expr"] for alert in alerts())
    board = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    yield from (target["expr"] for panel in board["panels"] for target in panel["targets"])


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_every_metric_of_a_query_exists(query: str) -> None:
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in _NAME.findall(query)}

    assert named
    assert named <= metric_names() | OF_EACH_PROCESS


@pytest.mark.parametrize("query", sorted(set(queries())))
def test_every_query_closes_what_it_opens(query: str) -> None:
    depth = 0
    for char in re.sub(r'"[^"]*"', "", query):
        depth += (char in "({[") - (char in ")}]")
        assert depth >= 0
    assert depth == 0


def test_each_alert_has_a_summary_a_severity_and_advice() -> None:
    page = section(text("docs/operations.md"), "### Alerts")
    advised = [code_in(row[0])[0] for row in rows(page)]

    assert advised == [alert["alert"] for alert in alerts()]
    for alert in alerts():
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"]["summary"]


def test_panels_have_names_of_their_own_and_lie_beside_each_other() -> None:
    board = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    titles = [panel["title"] for panel in board["panels"]]

    assert len(set(places)) == len(places)
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_each_process_is_scraped_at_the_port_that_the_configuration_looks_for(name: str) -> None:
    (container,) = pod(name)["containers"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    settings = of_kind("ConfigMap")[container["envFrom"][0]["configMapRef"]["name"]]["data"]
    (job,) = yaml.safe_load((FOLDER / "prometheus.yaml").read_text("utf-8"))["scrape_configs"]

    assert ports["metrics"] == int(settings["INFRA_GATE_METRICS_PORT"]) == PORT
    assert job["relabel_configs"][0]["regex"] == "metrics"


@pytest.mark.promise("metrics-off-the-public-port")
def test_no_service_leads_to_the_metrics_and_only_prometheus_may_come() -> None:
    services = [one["spec"]["ports"] for one in of_kind("Service").values()]
    policies = {name: one["spec"] for name, one in of_kind("NetworkPolicy").items()}
    lets_in = {
        name: rule
        for name, spec in policies.items()
        for rule in spec.get("ingress", ())
        if PORT in [one["port"] for one in rule["ports"]]
    }
    compose = yaml.safe_load(text("docker-compose.yml"))["services"]
    published = [port for one in compose.values() for port in one.get("ports", ())]

    assert [one["targetPort"] for (one,) in services] == ["http", "http"]
    assert lets_in.keys() == {"infragate-metrics"}
    assert lets_in["infragate-metrics"]["from"] == [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    ]
    assert not [port for port in published if str(PORT) in port]
