"""What somebody seeks in a list of plans: the fields of a plain GET form, and what fits them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from shared.plans import Operation

MAX_TEXT: Final = 100
PER_PAGE: Final = 25
MAX_PAGE: Final = 1000
FIELDS: Final = ("q", "namespace", "operation", "risk", "state")
OPERATIONS: Final = tuple(operation.value for operation in Operation)
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""What Kubernetes lets a namespace be called (RFC 1123)."""
RISKS: Final = ("low", "medium", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What can be sought of one plan; `texts` are what the words of a search may be in."""

    namespace: str
    operation: str
    risk: str
    state: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """The fields of the form; an empty one fits everything. `page` counts from 1."""

    q: str = ""
    namespace: str = ""
    operation: str = ""
    risk: str = ""
    state: str = ""
    page: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Sought":
        """Returns what a query asks for; what is too long is cut, what is no page is the first."""
        fields = {name: query.get(name, "").strip()[:MAX_TEXT] for name in FIELDS}
        page = query.get("page", "")
        plain = page.isascii() and page.isdecimal() and len(page) <= len(str(MAX_PAGE))
        return cls(**fields, page=min(max(1, int(page)), MAX_PAGE) if plain else 1)

    @property
    def anything(self) -> bool:
        """Says whether anything in particular is sought."""
        return any(getattr(self, name) for name in FIELDS)

    def fits(self, facts: Facts) -> bool:
        """Says whether a plan is what is sought: every field, and every word in a text."""
        if any(
            wanted and wanted != has
            for wanted, has in (
                (self.namespace, facts.namespace),
                (self.operation, facts.operation),
                (self.risk, facts.risk),
                (self.state, facts.state),
            )
        ):
            return False
        text = "\n".join(facts.texts).casefold()
        return all(word in text for word in self.q.casefold().split())

    def query(self, **changes: object) -> str:
        """Returns the query that asks for this, but for `changes`; with its question mark."""
        asked = {name: getattr(self, name) for name in FIELDS} | changes
        given = {name: value for name, value in asked.items() if value}
        return f"?{urlencode(given)}" if given else "?"


def namespaces(found: Iterable[str], chosen: str) -> tuple[str, ...]:
    """Returns the namespaces that a list offers: all that are found, and the chosen one anyway."""
    return tuple(sorted({one for one in (*found, chosen) if _LABEL.fullmatch(one)}))
