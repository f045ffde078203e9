"""Templates to HTML: every string from anywhere is made visible and escaped; no decisions here.

`finalize` and autoescaping see every expression of every template, so nothing can be forgotten.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shared.display import visible

_HERE: Final = Path(__file__).parent
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A static file; its address changes with its content, so browsers may keep it for good."""

    content: bytes
    media_type: str
    address: str


class Templates:
    """The pages' templates and static files, read once."""

    def __init__(self) -> None:
        self.assets = {path.name: _asset(path) for path in sorted((_HERE / "static").iterdir())}
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        addresses = {name: asset.address for name, asset in self.assets.items()}
        self._environment.globals["assets"] = addresses

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """Returns the page made of a template."""
        return self._environment.get_template(name).render(values)


def _shown(value: object) -> object:
    """What stands on the page for an expression; markup that a template made stays."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value


def _asset(path: Path) -> Asset:
    content = path.read_bytes()
    version = hashlib.sha256(content).hexdigest()[:12]
    return Asset(
        content=content,
        media_type=TYPES[path.suffix],
        address=f"/approvals/static/{path.name}?v={version}",
    )
