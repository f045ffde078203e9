from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.guardrails.pods import CONTAINER_LISTS, PodTemplate
from shared.guardrails.podsecurity import check_pod_security
from shared.guardrails.policy import PodSecurityLevel
from shared.manifests import JSON, Object

from .objects import deployment, ids, with_at

FIXTURES = sorted((Path(__file__).parent / "pod_security").rglob("*.yaml"))


def check(body: Object, level: str = "baseline") -> set[str]:
    return ids(tuple(check_pod_security(PodTemplate.of(body), PodSecurityLevel(level))))


def as_deployment(pod: Object) -> Object:
    return {"kind": "Deployment", "spec": {"template": pod}}


def test_all_official_fixtures_are_here() -> None:
    assert len(FIXTURES) == 148


@pytest.mark.promise("pod-security-as-kubernetes")
@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: "-".join(path.parts[-4:]))
def test_an_official_fixture_is_judged_as_kubernetes_judges_it(path: Path) -> None:
    level, _, verdict = path.parts[-4:-1]
    pod = yaml.safe_load(path.read_text())

    as_pod, in_deployment = check(pod, level), check(as_deployment(pod), level)

    assert bool(as_pod) == (verdict == "fail")
    assert in_deployment == as_pod


PASSING = [p for p in FIXTURES if p.parts[-4] == "restricted" and p.parts[-2] == "pass"]


@pytest.mark.parametrize("path", PASSING, ids=lambda path: path.stem)
def test_what_restricted_admits_baseline_admits(path: Path) -> None:
    assert not check(yaml.safe_load(path.read_text()), "baseline")


BAD_CONTAINER_FIELDS: list[tuple[str, Object]] = [
    ("IG-POD-PRIVILEGED", {"securityContext": {"privileged": True}}),
    ("IG-POD-CAPABILITIES", {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}),
    ("IG-POD-HOSTPORT", {"ports": [{"containerPort": 80, "hostPort": 80}]}),
    ("IG-POD-PROCMOUNT", {"securityContext": {"procMount": "Unmasked"}}),
    ("IG-POD-SECCOMP", {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
    ("IG-POD-APPARMOR", {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
    ("IG-POD-SELINUX", {"securityContext": {"seLinuxOptions": {"user": "root"}}}),
    ("IG-POD-HOSTPROCESS", {"securityContext": {"windowsOptions": {"hostProcess": True}}}),
    ("IG-POD-PROBEHOST", {"startupProbe": {"tcpSocket": {"port": 1, "host": "10.0.0.1"}}}),
    ("IG-POD-PROBEHOST", {"lifecycle": {"preStop": {"httpGet": {"port": 1, "host": "h"}}}}),
]


@pytest.mark.parametrize("where", CONTAINER_LISTS)
@pytest.mark.parametrize(("rule_id", "fields"), BAD_CONTAINER_FIELDS)
def test_no_container_list_is_forgotten(rule_id: str, fields: Object, where: str) -> None:
    bad: JSON = [{"name": "bad", "image": "nginx:1.27", **fields}]

    assert check(deployment(**{where: bad})) == {rule_id}


def test_a_bad_container_hides_behind_no_good_one() -> None:
    good: JSON = {"name": "good", "image": "nginx:1.27"}
    bad: JSON = {"name": "bad", "image": "nginx:1.27", "securityContext": {"privileged": True}}

    assert check(deployment(containers=[good, good, bad])) == {"IG-POD-PRIVILEGED"}


@given(
    value=st.one_of(
        st.text(max_size=5),
        st.integers(),
        st.lists(st.booleans(), max_size=2),
        st.dictionaries(st.text(max_size=3), st.booleans(), max_size=2),
    )
)
@settings(max_examples=50)
def test_a_switch_of_the_wrong_type_counts_as_on(value: JSON) -> None:
    for path in ("hostNetwork", "hostPID", "hostIPC"):
        assert check(deployment(**{path: value})) == {"IG-POD-HOSTNAMESPACE"}
    body = with_at(deployment(), "spec.template.spec.containers.0.securityContext", {})
    path = "spec.template.spec.containers.0.securityContext.privileged"
    assert check(with_at(body, path, value)) == {"IG-POD-PRIVILEGED"}


def test_an_unmasked_proc_needs_a_user_namespace_and_baseline() -> None:
    unmasked: JSON = [{"name": "a", "securityContext": {"procMount": "Unmasked"}}]

    assert "IG-POD-PROCMOUNT" in check(deployment(containers=unmasked))
    assert not check(deployment(containers=unmasked, hostUsers=False))
    assert "IG-POD-PROCMOUNT" in check(
        deployment(containers=unmasked, hostUsers=False), "restricted"
    )


def test_a_violation_names_the_container_and_the_field() -> None:
    body = deployment(containers=[{"name": "web", "securityContext": {"privileged": True}}])

    (found,) = check_pod_security(PodTemplate.of(body), PodSecurityLevel.BASELINE)

    assert found.path == "spec.template.spec.containers[web].securityContext.privileged"
    assert str(found).startswith(f"{found.path}: The container is privileged.")
    assert "[IG-POD-PRIVILEGED]" in str(found)
