"""Figures of scraped metrics are what Prometheus itself would say of them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import Metrics
from dev.top.figures import (
    CALLS,
    Scrape,
    added_up,
    oldest_waits,
    quantile,
    refusals,
    tools,
)


def scrape(at: float, **calls: dict[str, float]) -> Scrape:
    """By tool, how often each outcome was."""
    return added_up(
        at,
        [
            (CALLS, {"tool": tool, "outcome": outcome}, count)
            for tool, outcomes in calls.items()
            for outcome, count in outcomes.items()
        ],
    )


def test_what_two_processes_say_is_added_up_and_of_ages_the_oldest_counts() -> None:
    calls = (CALLS, {"tool": "t", "outcome": "ok"})
    age = ("infragate_queue_oldest_call_seconds", {"role": "read"})
    now = added_up(0, [(*calls, 2), (*calls, 3), (*age, 4.0), (*age, 1.5)])

    assert tools(now, None)[0].calls == 5
    assert oldest_waits(now) == {"read": 4.0}


def test_calls_a_second_are_those_since_the_last_look() -> None:
    before, now = scrape(10, a={"ok": 5}), scrape(12, a={"ok": 9, "not_found": 2})
    (row,) = tools(now, before)

    assert (row.calls, row.refused, row.per_s) == (11, 2, 3.0)
    assert tools(now, None)[0].per_s is None


def test_a_process_that_began_anew_does_not_count_backwards() -> None:
    (row,) = tools(scrape(12, a={"ok": 1}), scrape(10, a={"ok": 500}))

    assert row.per_s == 0


def test_the_busiest_tool_stands_first() -> None:
    before = scrape(0, quiet={"ok": 900}, busy={"ok": 1})
    now = scrape(10, quiet={"ok": 900}, busy={"ok": 50})

    assert [row.tool for row in tools(now, before)] == ["busy", "quiet"]


def test_refusals_are_all_that_is_not_fine_by_how_often_they_were() -> None:
    now = scrape(1, a={"ok": 9, "queue_full": 1}, b={"person_asked": 1, "not_found": 7})
    rows = refusals(now, scrape(0, b={"not_found": 5}))

    assert [(row.code, row.calls, row.per_s) for row in rows] == [
        ("not_found", 7, 2.0),
        ("queue_full", 1, 1.0),
    ]


def test_a_quantile_lies_where_its_share_of_a_bucket_does() -> None:
    buckets = {0.1: 50.0, 0.2: 100.0, math.inf: 100.0}

    assert quantile(buckets, 0.5) == pytest.approx(0.1)
    assert quantile(buckets, 0.75) == pytest.approx(0.15)
    assert quantile({}, 0.5) is None


def test_what_took_longer_than_every_bound_is_told_as_the_last_bound() -> None:
    assert quantile({1.0: 0.0, math.inf: 3.0}, 0.99) == 1.0


@given(
    counts=st.lists(st.integers(0, 1000), min_size=1, max_size=12),
    share=st.floats(0.01, 0.999),
)
def test_a_quantile_is_never_beyond_the_bounds(counts: list[int], share: float) -> None:
    total, buckets = 0, {}
    for bound, count in enumerate(counts, start=1):
        total += count
        buckets[float(bound)] = float(total)
    buckets[math.inf] = float(total)

    found = quantile(buckets, share)

    assert (found is None) == (total == 0)
    assert found is None or 0 <= found <= len(counts)


def test_the_gateways_own_figures_are_understood() -> None:
    metrics = Metrics(tools=["get_k8s_status"])
    metrics.called("get_k8s_status", "ok", 0.02)
    metrics.called("get_k8s_status", "queue_full", 0.02)

    families = text_string_to_metric_families(generate_latest(metrics.registry).decode())
    samples = [(s.name, s.labels, s.value) for family in families for s in family.samples]
    (row,) = tools(added_up(0, samples), None)

    assert (row.tool, row.calls, row.refused) == ("get_k8s_status", 2, 1)
    assert row.p50_s == pytest.approx(0.0175)
