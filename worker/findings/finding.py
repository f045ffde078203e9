"""A finding, and how many of them become a short ordered list; not what is found."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from shared.manifests import JSON
from shared.untrusted import cleaned

Severity: TypeAlias = Literal["critical", "warning", "info"]

MAX_MESSAGE: Final = 300
"""Characters of a message, foreign words included."""
MAX_SAID: Final = 140
"""Characters of one piece of foreign text in a message."""
MAX_EVIDENCE: Final = 160
"""Characters of one value in the evidence."""

_RANK: Final[dict[Severity, int]] = {"critical": 0, "warning": 1, "info": 2}
_CUT: Final = "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or worth knowing, and the fields that say so.

    `code` is stable snake_case; `message` is a sentence or two of at most 300 characters, foreign
    words in it cleaned; `evidence` maps field paths (`Pod/web-1 status.phase`) to their values.
    """

    code: str
    severity: Severity
    message: str
    evidence: Mapping[str, str]
    cause: tuple[str, ...] = field(default=(), repr=False)
    """What makes two findings of different Pods one: the container, the exit code, the image."""


def said(text: JSON) -> str:
    """Return foreign text as it may stand in a message: cleaned, on one line, of bounded length.

    What is too long loses its middle: errors of a container runtime say what they are about at the
    beginning and what went wrong at the end.
    """
    if not isinstance(text, str):
        return ""
    clean = " ".join(cleaned(text).text.split())
    if len(clean) <= MAX_SAID:
        return clean
    head, tail = MAX_SAID // 3, MAX_SAID - MAX_SAID // 3 - len(_CUT)
    return clean[:head] + _CUT + clean[-tail:]


def finding(
    code: str,
    severity: Severity,
    message: str,
    evidence: Mapping[str, JSON],
    cause: Iterable[JSON] = (),
) -> Finding:
    """Make a finding of bounded size; `message` is ours, its foreign parts passed `said`."""
    return Finding(
        code=code,
        severity=severity,
        message=_bounded(message, MAX_MESSAGE),
        evidence={path: _bounded(_shown(value), MAX_EVIDENCE) for path, value in evidence.items()},
        cause=tuple(map(str, cause)),
    )


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return one finding per code and cause, the worst first, else in the order they came.

    Callers put causes before symptoms. Of several Pods with one cause the first is told, and how
    many more there are.
    """
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for each in findings:
        groups.setdefault((each.code, *each.cause), []).append(each)
    told = (_told_once(group) for group in groups.values())
    return tuple(sorted(told, key=lambda each: _RANK[each.severity]))


def _told_once(group: list[Finding]) -> Finding:
    first = min(group, key=lambda each: _RANK[each.severity])
    if len(group) == 1:
        return first
    more = f" The same on {len(group) - 1} more."
    return replace(first, message=_bounded(first.message, MAX_MESSAGE - len(more)) + more)


def _bounded(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT


def _shown(value: JSON) -> str:
    match value:
        case None:
            return "absent"
        case bool():
            return "true" if value else "false"
        case str():
            return said(value)
        case dict():
            return said(", ".join(f"{key}={_shown(item)}" for key, item in value.items()))
        case list():
            return said(", ".join(map(_shown, value)))
        case int():
            return str(value)
