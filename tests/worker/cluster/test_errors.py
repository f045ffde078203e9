"""How the API server's answers become our faults. The bodies are what real servers send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import errors as faults
from tests.worker.canned import status
from worker.cluster.errors import (
    FieldCause,
    InvalidObject,
    MissingPermission,
    cleaned_message,
    fault_of,
)


def _fault(code: int, reason: str, message: str, **details: object) -> faults.ClusterFault:
    return fault_of(code, json.dumps(status(code, reason, message, **details)).encode())


def test_rbac_says_which_verb_on_which_resource_is_missing() -> None:
    fault = _fault(
        403,
        "Forbidden",
        'deployments.apps "web" is forbidden: User "system:serviceaccount:a:b" cannot patch'
        ' resource "deployments" in API group "apps" in the namespace "shop"',
    )

    assert isinstance(fault, MissingPermission)
    assert (fault.verb, fault.resource) == ("patch", "deployments.apps")
    assert "may not patch deployments.apps in namespace shop" in fault.message
    assert "system:serviceaccount" not in fault.message


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (403, "Forbidden", 'pods "web" is forbidden: exceeded quota: small'),
        (400, "", 'admission webhook "policy.example" denied the request: no'),
        (
            422,
            "Invalid",
            "d is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
        ),
        (500, "InternalError", 'Internal error: failed calling webhook "w": timeout'),
    ],
)
def test_what_admission_refuses_is_not_called_rbac_or_validation(
    code: int, reason: str, message: str
) -> None:
    assert isinstance(_fault(code, reason, message), faults.AdmissionDenied)


def test_a_policy_that_refused_is_named_with_its_own_words_whole() -> None:
    words = "InfraGate's planner may only dry-run; approved plans are written by the applier."
    name = "x" * 63

    fault = _fault(
        403,
        "Forbidden",
        f'deployments.apps "{name}" is forbidden: ValidatingAdmissionPolicy'
        f" 'infragate-planner-dry-run-only' with binding '{name}' denied request: {words}",
    )

    assert fault.message == (
        "The cluster's admission policy 'infragate-planner-dry-run-only' refused it: " + words
    )


def test_validation_names_its_fields() -> None:
    causes = [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.x"}]

    fault = _fault(422, "Invalid", "Deployment is invalid", causes=causes)

    assert isinstance(fault, InvalidObject)
    assert fault.causes == (FieldCause(field="spec.x", message="Required value"),)


def test_strict_decoding_names_its_fields_too() -> None:
    fault = _fault(
        400,
        "BadRequest",
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error:'
        ' unknown field "spec.replica", duplicate field "spec.paused"',
    )

    assert isinstance(fault, InvalidObject)
    assert fault.causes == (
        FieldCause(field="spec.replica", message="unknown field"),
        FieldCause(field="spec.paused", message="duplicate field"),
    )


def test_an_unknown_field_on_an_old_server_is_invalid_although_it_says_500() -> None:
    message = "failed to create typed patch object: .spec.foo: field not declared in schema"

    assert isinstance(_fault(500, "", message), faults.Invalid)


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (401, "Unauthorized", faults.Unauthorized),
        (404, "NotFound", faults.NotFound),
        (409, "AlreadyExists", faults.AlreadyExists),
        (409, "Conflict", faults.Conflict),
        (422, "Invalid", faults.Invalid),
        (429, "TooManyRequests", faults.ClusterThrottled),
        (500, "InternalError", faults.ClusterUnreachable),
        (504, "Timeout", faults.ClusterTimeout),
        (418, "", faults.ClusterFault),
    ],
)
def test_each_status_has_its_fault(code: int, reason: str, kind: type[faults.ClusterFault]) -> None:
    fault = _fault(code, reason, "words")

    assert isinstance(fault, kind)
    assert fault.status == code


@given(st.binary(max_size=200), st.sampled_from([400, 401, 403, 404, 409, 410, 422, 429, 500, 503]))
def test_nothing_of_a_body_that_is_no_status_survives(body: bytes, code: int) -> None:
    marked = b"hunter2" + body + b"hunter2"

    assert "hunter2" not in fault_of(code, marked).message


def test_a_json_body_of_another_kind_is_dropped_too() -> None:
    body = json.dumps({"kind": "Secret", "message": "hunter2"}).encode()

    assert "hunter2" not in fault_of(404, body).message


@given(st.text(max_size=600))
def test_a_message_is_one_short_printable_line(text: str) -> None:
    cleaned = cleaned_message(text)

    assert len(cleaned) <= 256
    assert cleaned.isprintable()
