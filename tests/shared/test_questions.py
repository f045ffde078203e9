"""The questions of the read tools: messages that agents know, in the order that they know."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Refusal
from shared.questions import (
    QUESTIONS,
    DeploymentQuestion,
    EventsQuestion,
    LogsQuestion,
    PodQuestion,
    Question,
    ResourceQuestion,
    ServiceQuestion,
    StatusQuestion,
    arguments_of,
    kind_of,
    question_from,
)

ALLOWED = ("b", "a")
UNSUPPORTED = (
    "Unsupported resource kind 'Secret'."
    " Supported kinds: Deployment, ReplicaSet, Pod, Service, ConfigMap."
)


def _message(question: Question) -> str | None:
    refusal = question.refusal(ALLOWED)
    return refusal.message if refusal is not None else None


GOOD: list[Question] = [
    StatusQuestion(namespace="a", label_selector="app=web", limit=500),
    EventsQuestion(namespace="a", field_selector="type=Warning", limit=100),
    LogsQuestion(namespace="b", pod_name="web-1", container="app", tail_lines=500, previous=True),
    ResourceQuestion(namespace="a", kind="cOnFiGmAp", name="kube-root-ca.crt"),
    DeploymentQuestion(namespace="a", name="web"),
    PodQuestion(namespace="a", pod_name="web-1", limit=1),
    ServiceQuestion(namespace="a", name="web"),
]


@pytest.mark.parametrize("question", GOOD, ids=lambda it: it.tool)
def test_a_good_question_may_be_asked(question: Question) -> None:
    assert question.refusal(ALLOWED) is None


@pytest.mark.parametrize("question", GOOD, ids=lambda it: it.tool)
def test_a_question_survives_the_wire(question: Question) -> None:
    assert question_from(question.tool, arguments_of(question)) == question


@pytest.mark.parametrize("question", GOOD, ids=lambda it: it.tool)
def test_no_namespace_is_allowed_when_none_is_served(question: Question) -> None:
    refusal = question.refusal(())

    assert refusal is not None
    assert refusal.code == "namespace_not_allowed"


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (StatusQuestion(namespace=" "), "Namespace is required."),
        (
            StatusQuestion(namespace="x"),
            "Namespace 'x' is not allowed. Allowed namespaces: a, b.",
        ),
        (StatusQuestion(namespace="a", limit=0), "Limit must be between 1 and 500."),
        (StatusQuestion(namespace="a", limit=501), "Limit must be between 1 and 500."),
        (EventsQuestion(namespace="a", limit=101), "Limit must be between 1 and 100."),
        (DeploymentQuestion(namespace="a", name=""), "Resource name is required."),
        (ServiceQuestion(namespace="a", name="w", limit=0), "Limit must be between 1 and 100."),
        (PodQuestion(namespace="a", pod_name=""), "Resource name is required."),
        (
            LogsQuestion(namespace="a", pod_name="w", tail_lines=501),
            "TailLines must be between 1 and 500.",
        ),
        (
            ResourceQuestion(namespace="a", kind="Secret", name="w"),
            UNSUPPORTED,
        ),
    ],
)
def test_the_messages_are_those_that_agents_know(question: Question, message: str) -> None:
    assert _message(question) == message


@pytest.mark.parametrize(
    ("question", "code"),
    [
        (LogsQuestion(namespace="x", pod_name="", tail_lines=0), "namespace_not_allowed"),
        (LogsQuestion(namespace="a", pod_name="", tail_lines=0), "name_required"),
        (LogsQuestion(namespace="a", pod_name="w", tail_lines=0), "invalid_tail_lines"),
        (ResourceQuestion(namespace="a", kind="Secret", name=""), "name_required"),
        (StatusQuestion(namespace="a", label_selector="(", limit=0), "invalid_limit"),
        (EventsQuestion(namespace="a", label_selector="(", field_selector="("), "invalid_label"),
    ],
)
def test_checks_come_in_their_order(question: Question, code: str) -> None:
    refusal = question.refusal(ALLOWED)

    assert refusal is not None
    assert refusal.code.startswith(code)


@pytest.mark.parametrize("name", ["A", "a_b", "-a", "a-", "a..b", "../x", "a b", "a" * 254, "ä"])
def test_a_name_that_kubernetes_would_not_have_is_refused(name: str) -> None:
    refusal = DeploymentQuestion(namespace="a", name=name).refusal(ALLOWED)

    assert refusal is not None
    assert refusal.code == "invalid_name"


def test_a_refusal_shows_strange_words_short_and_printable() -> None:
    message = _message(StatusQuestion(namespace="\x1b[31m\u202e" + "x" * 500))

    assert message is not None
    assert message.isprintable()
    assert len(message) < 160


def test_a_kind_is_recognized_in_any_case() -> None:
    assert kind_of("  replicaset ") == "ReplicaSet"


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("delete_everything", {}, "unknown_tool"),
        ("get_k8s_status", {"namespace": "a", "limit": "5"}, "invalid_arguments"),
        ("get_k8s_status", {"namespace": "a", "limit": True}, "invalid_arguments"),
        ("get_k8s_status", {"namespace": ["a"]}, "invalid_arguments"),
        ("get_k8s_status", {"namespace": "a", "label_selector": "x"}, "invalid_arguments"),
        ("get_pod_logs", {"namespace": "a", "podName": "b", "previous": 1}, "invalid_arguments"),
    ],
)
def test_a_malformed_call_is_refused(tool: str, arguments: dict[str, object], code: str) -> None:
    refusal = question_from(tool, arguments)

    assert isinstance(refusal, Refusal)
    assert refusal.code == code


@pytest.mark.parametrize("tool", QUESTIONS)
def test_what_is_absent_is_asked_for(tool: str) -> None:
    question = question_from(tool, {"namespace": None})

    assert not isinstance(question, Refusal)
    assert _message(question) == "Namespace is required."


@given(st.sampled_from(sorted(QUESTIONS)), st.dictionaries(st.text(), st.text(), max_size=4))
def test_no_arguments_make_it_raise_or_stutter(tool: str, arguments: dict[str, str]) -> None:
    question = question_from(tool, {"namespace": "a", **arguments})

    refusal = question if isinstance(question, Refusal) else question.refusal(ALLOWED)
    assert refusal is None or refusal.message.isprintable()
