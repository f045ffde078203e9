"""The doors to the guardrails: what may be written, deleted, scaled, and which image may be set.

The planner asks before it makes a plan, the applier again before it writes, the same functions:

* a **manifest** is checked as it was sent (`check_write`), and what the dry-run makes of it is
  checked too (`check_predicted`), since server-side apply merges it with fields of other owners;
* of a **predicted** object only what the live one does not break already counts: a workload that an
  administrator made privileged can still get another version or more replicas, but not new code;
* **scale** and **restart** change a number and an annotation, so only the number is checked;
* **set image** checks the new image, not the rest of the template, which it leaves alone.

All are pure, say everything that is wrong (not only the first thing), and return nothing when all
is well. Anything returned means: do not go on.
"""

from collections.abc import Iterator, Mapping

from shared.documents import (
    Manifest,
)
from shared.guardrails.configmaps import check_config_map, check_config_map_name
from shared.guardrails.deletes import check_owned
from shared.guardrails.fields import check_fields, check_shape
from shared.guardrails.images import check_image as _check_image
from shared.guardrails.metadata import check_metadata
from shared.guardrails.pods import PodTemplate
from shared.guardrails.podtemplates import check_inherited, check_pod_template
from shared.guardrails.policy import Policy
from shared.guardrails.replicas import check_replicas
from shared.guardrails.rules import Violation
from shared.guardrails.services import check_service, check_service_name
from shared.manifests import (
    JSON,
    Kind,
    ObjectRef,
    mapping_at,
)

_Body = Mapping[str, JSON]


def check_write(manifest: Manifest, live: _Body | None, policy: Policy) -> tuple[Violation, ...]:
    """Check a manifest as it was sent.

    Args:
        manifest: What the agent asks for.
        live: The object of that name now; None when there is none.
        policy: The namespace's policy.

    """
    wrong_shape = check_fields(manifest)
    if wrong_shape:
        return wrong_shape  # the other rules rely on the shape
    return (
        *_check_name(manifest.ref),
        *check_metadata(manifest.body, live, policy),
        *_check_spec(manifest.kind, manifest.body, live, policy),
    )


def check_predicted(
    kind: Kind, predicted: _Body, live: _Body | None, policy: Policy
) -> tuple[Violation, ...]:
    """Check what the dry-run says the object becomes; only what `live` does not break already."""
    wrong_shape = check_shape(kind, predicted)
    if wrong_shape:
        return wrong_shape
    found = _check_spec(kind, predicted, live, policy)
    if live is None:
        return tuple(found)
    broken_before = set(_check_spec(kind, live, live, policy))
    return (
        *(item for item in found if item not in broken_before),
        *check_inherited(PodTemplate.of(predicted), PodTemplate.of(live)),
    )


def check_delete(ref: ObjectRef, live: _Body | None) -> tuple[Violation, ...]:
    """Check whether an object may be deleted. `live` is the object now, None when there is none."""
    return (*_check_name(ref), *check_owned(live or {}))


def check_scale(replicas: int, policy: Policy) -> tuple[Violation, ...]:
    """Check a replica count that was asked for."""
    return tuple(check_replicas(replicas, policy))


def check_image(image: str, policy: Policy, *, path: str = "image") -> tuple[Violation, ...]:
    """Check an image that was asked for; `path` is where it goes, for the messages."""
    return tuple(_check_image(image, policy, path=path))


def _check_name(ref: ObjectRef) -> Iterator[Violation]:
    if ref.kind == Kind.SERVICE:
        yield from check_service_name(ref.name)
    elif ref.kind == Kind.CONFIG_MAP:
        yield from check_config_map_name(ref.name)


def _check_spec(kind: Kind, body: _Body, live: _Body | None, policy: Policy) -> Iterator[Violation]:
    if kind is Kind.DEPLOYMENT:
        yield from check_replicas(mapping_at(body, "spec").get("replicas"), policy)
        before = None if live is None else PodTemplate.of(live)
        yield from check_pod_template(PodTemplate.of(body), before, policy)
    elif kind is Kind.SERVICE:
        yield from check_service(body, live, policy)
    elif kind is Kind.CONFIG_MAP:
        yield from check_config_map(body)
