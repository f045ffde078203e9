"""ValidatingAdmissionPolicies and their bindings: read from files, obeyed in full or not at all.

Only what the files in `deploy/kubernetes/` use: rules about the request, and nothing of its object.
A file with anything else is refused at the start. Sources: Kubernetes page "Validating Admission
Policy"; apiserver `pkg/admission/plugin/webhook/predicates/rules/rules.go` for what a rule covers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from celpy import Environment
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.celtypes import BoolType
from celpy.evaluation import CELEvalError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dev.sandbox.admission import Attempt, Denial

Reason = Literal["Forbidden", "Invalid", "Unauthorized", "RequestEntityTooLarge"]


class BadPolicyError(ValueError):
    """A file that cannot be obeyed as it stands; the text says which and why."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Metadata(_Part):
    name: str
    labels: dict[str, str] = {}


class _ResourceRule(_Part):
    groups: list[str] = Field(alias="apiGroups")
    versions: list[str] = Field(alias="apiVersions")
    operations: list[str]
    resources: list[str]

    def covers(self, attempt: Attempt) -> bool:
        target = attempt.resource
        return (
            _any(self.groups, target.group)
            and _any(self.versions, target.version)
            and _any(self.operations, attempt.operation)
            and any(_names(one, target.plural, attempt.subresource) for one in self.resources)
        )


class _Constraints(_Part):
    rules: list[_ResourceRule] = Field(alias="resourceRules", min_length=1)


class _Condition(_Part):
    name: str
    expression: str


class _Validation(_Part):
    expression: str
    message: str = ""
    reason: Reason = "Invalid"


class _PolicySpec(_Part):
    failure: Literal["Fail"] = Field("Fail", alias="failurePolicy")
    constraints: _Constraints = Field(alias="matchConstraints")
    conditions: list[_Condition] = Field([], alias="matchConditions")
    validations: list[_Validation] = Field(min_length=1)


class _BindingSpec(_Part):
    policy: str = Field(alias="policyName")
    actions: list[Literal["Deny"]] = Field(alias="validationActions", min_length=1)


class _Policy(_Part):
    version: Literal["admissionregistration.k8s.io/v1"] = Field(alias="apiVersion")
    kind: Literal["ValidatingAdmissionPolicy"]
    metadata: _Metadata
    spec: _PolicySpec


class _Binding(_Part):
    version: Literal["admissionregistration.k8s.io/v1"] = Field(alias="apiVersion")
    kind: Literal["ValidatingAdmissionPolicyBinding"]
    metadata: _Metadata
    spec: _BindingSpec


_Document = Annotated[_Policy | _Binding, Field(discriminator="kind")]
_DOCUMENTS: TypeAdapter[list[_Document]] = TypeAdapter(list[_Document])


class _Expression:
    """One CEL expression over `request`."""

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        environment = Environment()
        try:
            tree = environment.compile(self._text)
        except CELParseError as error:
            raise BadPolicyError(f"cannot read the expression '{self._text}'") from error
        if others := {str(one.children[0]) for one in tree.find_data("ident")} - {"request"}:
            told = ", ".join(sorted(others))
            raise BadPolicyError(f"'{self._text}' is about {told}; only request is known")
        self._program = environment.program(tree)

    def holds(self, attempt: Attempt) -> bool | Denial:
        """Whether it does; what cannot be evaluated is a denial (failurePolicy Fail)."""
        try:
            value = self._program.evaluate({"request": json_to_cel(attempt.request())})
        except CELEvalError as error:
            why = f"expression '{self._text}' resulted in error: {error.args[0]}"
            return Denial(message=why, reason="Invalid")
        return isinstance(value, BoolType) and bool(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundPolicy:
    """A policy with the binding that puts it to work."""

    name: str
    binding: str
    rules: tuple[_ResourceRule, ...]
    conditions: tuple[_Expression, ...]
    validations: tuple[tuple[_Expression, Denial], ...]

    def covers(self, attempt: Attempt) -> bool:
        return any(rule.covers(attempt) for rule in self.rules)

    def denial(self, attempt: Attempt) -> Denial | None:
        for condition in self.conditions:
            holds = condition.holds(attempt)
            if isinstance(holds, Denial):
                return holds
            if not holds:
                return None
        for expression, otherwise in self.validations:
            holds = expression.holds(attempt)
            if isinstance(holds, Denial):
                return holds
            if not holds:
                return otherwise
        return None


def load(paths: Iterable[Path]) -> tuple[BoundPolicy, ...]:
    """Reads policies and bindings; raises BadPolicyError for what would not be obeyed in full."""
    documents = [one for path in paths for one in _read(path)]
    policies = {one.metadata.name: one for one in documents if isinstance(one, _Policy)}
    bindings = [one for one in documents if isinstance(one, _Binding)]
    if idle := policies.keys() - {one.spec.policy for one in bindings}:
        raise BadPolicyError(f"nothing binds {', '.join(sorted(idle))}")
    return tuple(_bound(policies, one) for one in bindings)


def _read(path: Path) -> list[_Document]:
    try:
        found = [one for one in yaml.safe_load_all(path.read_text("utf-8")) if one is not None]
        return _DOCUMENTS.validate_python(found)
    except OSError as error:
        raise BadPolicyError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise BadPolicyError(f"{path}: {error}") from error


def _bound(policies: Mapping[str, _Policy], binding: _Binding) -> BoundPolicy:
    name = binding.spec.policy
    if name not in policies:
        raise BadPolicyError(f"{binding.metadata.name} binds {name}, which is in no file")
    spec = policies[name].spec
    return BoundPolicy(
        name=name,
        binding=binding.metadata.name,
        rules=tuple(spec.constraints.rules),
        conditions=tuple(_Expression(one.expression) for one in spec.conditions),
        validations=tuple(
            (_Expression(one.expression), _otherwise(one)) for one in spec.validations
        ),
    )


def _otherwise(validation: _Validation) -> Denial:
    failed = f"failed expression: {validation.expression.strip()}"
    return Denial(message=validation.message.strip() or failed, reason=validation.reason)


def _any(patterns: Sequence[str], value: str) -> bool:
    return "*" in patterns or value in patterns


def _names(pattern: str, plural: str, subresource: str) -> bool:
    """`*` is every resource but no subresource, `*/*` is everything."""
    wanted, _, part = pattern.partition("/")
    return wanted in ("*", plural) and part in ("*", subresource)
