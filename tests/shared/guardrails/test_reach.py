"""What else a plan reaches: each thing around an object has a sentence, and nothing is guessed."""

import pytest

from shared.guardrails import Effect, Facts, reach
from shared.manifests import JSON, Kind, Object
from shared.plans import Operation

from .objects import config_map, deployment, service, with_at

IMAGE = "spec.template.spec.containers.0.image"
SCALED = with_at(deployment(), "spec.replicas", 4)
OTHER_IMAGE = with_at(deployment(), IMAGE, "nginx:1.28")
RECREATED = with_at(OTHER_IMAGE, "spec.strategy", {"type": "Recreate"})
ROLLING: JSON = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
STEP_BY_STEP = "pods_replaced: Deployment web replaces 3 Pods step by step"
FLUX: JSON = {"kustomize.toolkit.fluxcd.io/name": "shop"}


def said(
    live: Object | None,
    result: Object | None,
    facts: Facts | None = None,
    operation: Operation = Operation.APPLY,
) -> list[str]:
    some = live or result or {}
    effect = Effect(kind=Kind(str(some["kind"])), name="web", live=live, result=result)
    return [f"{one.code}: {one.message}" for one in reach(operation, [effect], facts or Facts())]


@pytest.mark.parametrize(
    ("live", "result", "expected"),
    [
        (None, deployment(), "pods_started: Deployment web starts 2 Pods."),
        (deployment(), None, "pods_stopped: Deployment web stops 3 Pods."),
        (deployment(), SCALED, "pods_started: Deployment web starts 2 more Pods."),
        (SCALED, deployment(), "pods_stopped: Deployment web stops 2 of 4 Pods."),
        (
            deployment(),
            OTHER_IMAGE,
            f"{STEP_BY_STEP} (at most 25% missing, 25% extra).",
        ),
        (
            deployment(),
            with_at(OTHER_IMAGE, "spec.strategy", ROLLING),
            f"{STEP_BY_STEP} (at most 0 missing, 1 extra).",
        ),
        (
            deployment(),
            RECREATED,
            "pods_replaced: Deployment web replaces 3 Pods: all stop before new ones start.",
        ),
        (
            deployment(),
            with_at(deployment(), "metadata.labels", {"tier": "front"}),
            "pods_kept: No Pod of Deployment web restarts.",
        ),
    ],
)
def test_what_happens_to_the_pods(
    live: Object | None, result: Object | None, expected: str
) -> None:
    assert said(live, result, Facts(pods={"web": 3})) == [expected]


def test_pods_that_were_not_counted_are_not_made_up() -> None:
    assert said(deployment(), None) == ["pods_stopped: Deployment web stops 0 Pods."]


def test_a_restart_replaces_the_pods_whatever_differs() -> None:
    (only,) = said(deployment(), deployment(), Facts(pods={"web": 1}), Operation.RESTART)

    assert only.startswith("pods_replaced: Deployment web replaces 1 Pod step by step")


def test_bookkeeping_in_the_live_template_restarts_nothing() -> None:
    """API servers before 1.34 show `creationTimestamp: null` in every template."""
    live = with_at(deployment(), "spec.template.metadata.creationTimestamp", None)

    assert [line.split(":")[0] for line in said(live, SCALED)] == ["pods_started"]


def test_services_and_autoscalers_around_the_pods_are_named() -> None:
    facts = Facts(
        pods={"web": 2},
        serves={"web": ("front", "back")},
        endpoints={"front": 2},
        autoscaled={"web": "HorizontalPodAutoscaler web (2 to 10)"},
    )

    assert said(deployment(), SCALED, facts)[1:] == [
        "endpoints: Service front leads to the Pods of Deployment web; 2 ready addresses now.",
        "endpoints: Service back leads to the Pods of Deployment web.",
        "autoscaled: HorizontalPodAutoscaler web (2 to 10) sets the replicas of Deployment web.",
    ]


def test_a_service_says_where_it_leads() -> None:
    changed = service(ports=[{"port": 81}])

    assert said(service(), changed, Facts(endpoints={"web": 1})) == [
        "endpoints: Service web leads to 1 ready address now."
    ]
    assert said(service(), changed) == []


def test_users_of_a_config_map_are_told_with_when_they_see_the_change() -> None:
    users = Facts(consumers={"web": tuple(f"Deployment d{number}" for number in range(7))})

    (changed,) = said(config_map(), config_map(data={"a": "b"}), users)
    (created,) = said(None, config_map(), users)
    (deleted,) = said(config_map(), None, users)

    named = "config_used: ConfigMap web is used by "
    assert [one.startswith(named) for one in (changed, created, deleted)] == [True] * 3
    assert "Deployment d4 and 2 more. No Pod restarts" in changed
    assert changed.endswith("at a restart.")
    assert created.endswith("and 2 more.")
    assert deleted.endswith("Pods that start later will not start without it.")


def test_that_nobody_uses_a_config_map_is_said_only_if_it_was_looked_for() -> None:
    looked = Facts(consumers={"web": ()})

    assert said(None, config_map(), looked) == [
        "config_unused: No Deployment of this namespace uses ConfigMap web."
    ]
    assert said(None, config_map()) == []


def test_whoever_keeps_an_object_is_named() -> None:
    live = with_at(config_map(), "metadata.labels", FLUX)

    assert said(live, config_map(data={"a": "b"})) == ["owned: ConfigMap web is kept by flux shop."]


def test_a_keeper_without_a_name_is_told_by_its_kind() -> None:
    live = with_at(config_map(), "metadata.labels", {"app.kubernetes.io/managed-by": "Helm"})

    assert said(live, config_map(data={"a": "b"})) == ["owned: ConfigMap web is kept by helm."]
