"""One line in our words for what a plan does; made of checked values only."""

from collections.abc import Sequence

from shared.manifests import Object, list_at, mapping_at
from shared.messages import PlanCall
from shared.plans import Action, Operation

_NAMED = 3


def of(call: PlanCall, objects: Sequence[tuple[Action, str, str]], live: Object | None) -> str:
    """Returns the headline of a plan, such as `nginx: replicas 2 → 4`.

    `objects` are (action, kind, name); `live` is the one object of scale, restart and set-image.
    """
    if call.operation is Operation.SCALE:
        before = mapping_at(live or {}, "spec").get("replicas")
        return f"{call.name}: replicas {before} → {call.replicas}"
    if call.operation is Operation.RESTART:
        return f"{call.name}: restart all Pods"
    if call.operation is Operation.SET_IMAGE:
        return f"{call.name}/{call.container}: image {_image(call, live)} → {call.image}"
    return "; ".join(_group(action, objects) for action in Action if _of(action, objects))


def _group(action: Action, objects: Sequence[tuple[Action, str, str]]) -> str:
    names = _of(action, objects)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    verb = "leave" if action is Action.NO_OP else action.value
    return f"{verb} {', '.join(names[:_NAMED])}{more}"


def _of(action: Action, objects: Sequence[tuple[Action, str, str]]) -> list[str]:
    return [f"{kind} {name}" for found, kind, name in objects if found is action]


def _image(call: PlanCall, live: Object | None) -> str:
    containers = list_at(live or {}, "spec", "template", "spec", "containers")
    found = (
        str(item.get("image"))
        for item in containers
        if isinstance(item, dict) and item.get("name") == call.container
    )
    return next(found, "?")
