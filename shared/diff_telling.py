"""How a diff is told to an agent: what of it is hidden, and the rest as lines of text. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from shared.diffs import Change, Op, field_step, steps
from shared.manifests import JSON, Kind, Path, quoted

HIDDEN: Final = "(hidden)"
HIDDEN_OTHER: Final = "(hidden, different)"
"""What stands for a hidden new value where the old one is hidden too."""

SHOWN_ANNOTATIONS: Final = frozenset(
    {
        "deployment.kubernetes.io/revision",
        "infragate.dev/plan-digest",
        "kubectl.kubernetes.io/restartedAt",
    }
)
"""Annotations whose values an agent may see."""

_CONFIG_FIELDS: Final = frozenset({"data", "binaryData"})


def redacted(
    changes: Sequence[Change], kind: Kind, *, redact: Callable[[str], str]
) -> tuple[Change, ...]:
    """Return the changes as an agent may see them: which paths change, not what secrets they hold.

    Values of ConfigMaps, of environment variables and of annotations outside `SHOWN_ANNOTATIONS`
    are replaced; that a hidden value is added, removed or different stays visible.

    Args:
        changes: What `diff` found.
        kind: The kind of the object.
        redact: Removes secrets from any other text, such as `args` or labels.

    """
    hider = _Hider(kind, redact)
    return tuple(hider.change(change) for change in changes)


def is_hidden(path: Path, kind: Kind) -> bool:
    """Say whether no agent is shown the value at `path` of an object of this kind."""
    match path:
        case (str(field), _, *_) if kind is Kind.CONFIG_MAP and field in _CONFIG_FIELDS:
            return True
        case (*_, "env", _, "value") | (*_, "managedFields"):
            return True
        case (*_, "metadata", "annotations", key):
            return key not in SHOWN_ANNOTATIONS
        case _:
            return False


class _Hider:
    def __init__(self, kind: Kind, redact: Callable[[str], str]) -> None:
        self._kind = kind
        self._redact = redact

    def change(self, change: Change) -> Change:
        path = steps(change.path)
        old, new = self._value(change.old, path), self._value(change.new, path)
        if change.op == "change" and old == new == HIDDEN:
            new = HIDDEN_OTHER
        return replace(change, old=old, new=new)

    def _value(self, value: JSON, path: Path) -> JSON:
        if value is not None and is_hidden(path, self._kind):
            return HIDDEN
        if isinstance(value, dict):
            return {key: self._value(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, (*path, index)) for index, item in enumerate(value)]
        return self._redact(value) if isinstance(value, str) else value


_SIGNS: Final[dict[Op, str]] = {"add": "+", "remove": "-", "change": "~"}
_MOST_CHARACTERS: Final = 200


def render_text(changes: Sequence[Change], *, max_bytes: int = 8 * 1024) -> str:
    """Write changes for a model to read: one line each, at most `max_bytes` of UTF-8.

    `+` adds, `-` removes, `~` changes; every value is quoted on its one line, long ones are cut.
    Says how many lines are left out when not all fit.
    """
    lines = [line for change in changes for line in _lines(change)]
    kept: list[str] = []
    room = max_bytes - len("… 00000000 more lines".encode())
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            return "\n".join([*kept, f"… {len(lines) - len(kept)} more lines"])
        kept.append(line)
    return "\n".join(kept)


def _lines(change: Change) -> Iterator[str]:
    sign = _SIGNS[change.op]
    if change.op == "change":
        yield f"{sign} {change.path}: {_short(change.old)} → {_short(change.new)}"
        return
    value = change.new if change.op == "add" else change.old
    for path, leaf in _leaves(value, change.path):
        yield f"{sign} {path}: {_short(leaf)}"


def _leaves(value: JSON, path: str) -> Iterator[tuple[str, JSON]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}{field_step(key, path)}")
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def _short(value: JSON) -> str:
    text = _compact(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _compact(value: JSON) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return "[" + ", ".join(map(_compact, value)) + "]"
    if isinstance(value, dict):
        items = (f"{quoted(key)}: {_compact(item)}" for key, item in value.items())
        return "{" + ", ".join(items) + "}"
    return str(value)
