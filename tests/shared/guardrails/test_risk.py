import pytest

from shared.guardrails import RISK_CODES, Effect, Facts, Risk, assess
from shared.manifests import JSON, Kind, Object
from shared.plans import Operation

from .objects import config_map, container, deployment, service, with_at

IMAGE = "spec.template.spec.containers.0.image"
ARGO: JSON = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:demo/web"}


def effect(live: Object | None, result: Object | None) -> Effect:
    some = live or result or {}
    return Effect(kind=Kind(str(some["kind"])), name="web", live=live, result=result)


def risk(
    live: Object | None,
    result: Object | None,
    facts: Facts | None = None,
    operation: Operation = Operation.APPLY,
) -> Risk:
    return assess(operation, [effect(live, result)], facts or Facts())


def codes(found: Risk) -> set[str]:
    return {reason.code for reason in found.reasons}


SCALED = with_at(deployment(), "spec.replicas", 4)
RECREATE = with_at(deployment(), "spec.strategy", {"type": "Recreate"})
ROOT: JSON = {"privileged": True}
CASES: list[tuple[str, str, Object | None, Object | None, Facts]] = [
    (
        "autoscaled",
        "medium",
        deployment(),
        SCALED,
        Facts(autoscaled={"web": "HorizontalPodAutoscaler web"}),
    ),
    (
        "config_consumers",
        "medium",
        config_map(a="1"),
        config_map(a="2"),
        Facts(consumers={"web": ("Deployment web",)}),
    ),
    ("delete", "medium", deployment(), None, Facts()),
    ("delete", "high", deployment(), None, Facts(pods={"web": 2})),
    ("delete", "high", service(), None, Facts(endpoints={"web": 1})),
    ("delete", "high", config_map(), None, Facts(consumers={"web": ("Deployment web",)})),
    ("endpoints_emptied", "high", deployment(), None, Facts(fronts={"web": ("Service web",)})),
    ("image_change", "medium", deployment(), with_at(deployment(), IMAGE, "nginx:1.28"), Facts()),
    (
        "many_pods",
        "medium",
        deployment(),
        with_at(deployment(), IMAGE, "nginx:1.28"),
        Facts(pods={"web": 5}),
    ),
    ("new_command", "high", deployment(), container(command=["sh", "-c", "env"]), Facts()),
    ("new_command", "high", deployment(), container(args=["--debug"]), Facts()),
    (
        "new_command",
        "high",
        deployment(),
        container(livenessProbe={"exec": {"command": ["env"]}}),
        Facts(),
    ),
    (
        "new_command",
        "high",
        deployment(),
        container(lifecycle={"preStop": {"httpGet": {"port": 80}}}),
        Facts(),
    ),
    ("new_command", "medium", None, container(command=["serve"]), Facts()),
    (
        "new_container",
        "high",
        deployment(),
        deployment(
            containers=[
                {"name": "web", "image": "nginx:1.27"},
                {"name": "second", "image": "nginx:1.27"},
            ]
        ),
        Facts(),
    ),
    (
        "new_volume",
        "medium",
        deployment(),
        deployment(volumes=[{"name": "tmp", "emptyDir": {}}]),
        Facts(),
    ),
    ("owned", "medium", with_at(deployment(), "metadata.annotations", ARGO), SCALED, Facts()),
    (
        "pod_security",
        "high",
        container(securityContext=ROOT),
        with_at(container(securityContext=ROOT), IMAGE, "nginx:1.28"),
        Facts(),
    ),
    (
        "recreate",
        "high",
        RECREATE,
        with_at(RECREATE, IMAGE, "nginx:1.28"),
        Facts(pods={"web": 2}),
    ),
    (
        "registry_change",
        "high",
        deployment(),
        with_at(deployment(), IMAGE, "ghcr.io/x/nginx:1.27"),
        Facts(),
    ),
    ("scale_down", "medium", SCALED, deployment(), Facts()),
    ("scale_to_zero", "high", deployment(), with_at(deployment(), "spec.replicas", 0), Facts()),
    (
        "security_change",
        "high",
        deployment(),
        container(securityContext={"runAsUser": 0}),
        Facts(),
    ),
    (
        "security_change",
        "high",
        deployment(),
        deployment(securityContext={"runAsUser": 0}),
        Facts(),
    ),
    ("selector_change", "high", service(), service(selector={"app": "other"}), Facts()),
    (
        "selector_change",
        "high",
        deployment(),
        with_at(deployment(), "spec.selector", {"matchLabels": {"app": "x"}}),
        Facts(),
    ),
    ("service_exposed", "high", service(), service(type="LoadBalancer"), Facts()),
    ("service_exposed", "high", None, service(type="NodePort"), Facts()),
    ("service_ports", "medium", service(), service(ports=[{"port": 81}]), Facts()),
]


@pytest.mark.parametrize(("code", "level", "live", "result", "facts"), CASES)
def test_a_reason_is_named_with_its_level(
    code: str, level: str, live: Object | None, result: Object | None, facts: Facts
) -> None:
    found = risk(live, result, facts)

    assert code in codes(found)
    assert level in {reason.level for reason in found.reasons if reason.code == code}


def test_every_code_has_a_case_and_a_line_of_documentation() -> None:
    assert {case[0] for case in CASES} | {"several_objects"} == set(RISK_CODES)


@pytest.mark.parametrize("body", [deployment(), service(), config_map(a="b")])
def test_a_plain_creation_is_low_risk(body: Object) -> None:
    assert risk(None, body) == Risk(level="low", reasons=())


def test_scaling_up_is_low_risk() -> None:
    assert risk(deployment(), SCALED, operation=Operation.SCALE).level == "low"


def test_a_restart_of_many_pods_says_so() -> None:
    found = risk(deployment(), deployment(), Facts(pods={"web": 9}), Operation.RESTART)

    assert codes(found) == {"many_pods"}


def test_a_command_that_stays_is_no_reason() -> None:
    live = container(command=["serve"], lifecycle={"preStop": {"exec": {"command": ["stop"]}}})

    assert codes(risk(live, with_at(live, "spec.replicas", 3))) == set()


def test_what_stays_as_it_is_is_no_reason() -> None:
    rights: JSON = {"runAsUser": 0}
    live = with_at(container(securityContext=rights), "spec.template.spec.securityContext", rights)
    stopped = with_at(deployment(), "spec.replicas", 0)
    scaled_by_others = Facts(autoscaled={"web": "HorizontalPodAutoscaler web"})

    assert codes(risk(live, with_at(live, IMAGE, "nginx:1.28"))) == {"image_change"}
    assert codes(risk(stopped, stopped, scaled_by_others, Operation.RESTART)) == set()


def test_the_order_of_a_hooks_fields_is_no_reason() -> None:
    def hook(**fields: JSON) -> Object:
        return container(lifecycle={"preStop": {"httpGet": fields}})

    assert codes(risk(hook(port=80, path="/"), hook(path="/", port=80))) == set()
    assert codes(risk(hook(port=80, path="/"), hook(path="/x", port=80))) == {"new_command"}


def test_a_deployment_without_a_number_has_one_replica() -> None:
    one, none = (with_at(deployment(), "spec.replicas", number) for number in (1, None))

    assert codes(risk(one, none)) == codes(risk(none, one)) == set()
    assert codes(risk(deployment(), none)) == {"scale_down"}


def test_a_new_deployment_stops_nothing() -> None:
    stopped = with_at(deployment(), "spec.replicas", 0)

    assert (
        codes(risk(None, stopped, Facts(autoscaled={"web": "HorizontalPodAutoscaler web"})))
        == set()
    )


def test_without_pods_nothing_stops_before_others_start() -> None:
    assert codes(risk(RECREATE, with_at(RECREATE, IMAGE, "nginx:1.28"))) == {"image_change"}


def test_the_gravest_reason_decides_the_level() -> None:
    changes = [effect(deployment(), SCALED), effect(service(), None)]
    medium = assess(Operation.APPLY, changes, Facts())
    high = assess(Operation.APPLY, changes, Facts(endpoints={"web": 1}))

    assert (medium.level, codes(medium)) == ("medium", {"delete", "several_objects"})
    assert high.level == "high"
