"""State on disk: small JSON files that only their owner can read, replaced in one step."""

import contextlib
import json
import os
import secrets
from pathlib import Path
from typing import Any

from shared.errors import BadConfiguration

JSON = Any
"""What `json` reads and writes; each owner of a file checks its own shape."""


def own_folder(folder: Path) -> None:
    """Makes `folder` exist and be accessible to its owner alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def read_json(path: Path, default: JSON) -> JSON:
    """The content of `path`, or `default` when there is no such file.

    Raises:
        BadConfiguration: the file is there and cannot be read as JSON.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return default
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"Cannot read {path}: {error}") from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadConfiguration(f"{path} is not JSON; delete it to start afresh") from error


def write_json(path: Path, value: JSON) -> None:
    """Replaces `path` with `value`, mode 0600; a crash leaves the old file or the new one."""
    write_text(path, json.dumps(value, separators=(",", ":")))


def write_text(path: Path, text: str) -> None:
    """Replaces `path` with `text`, mode 0600, in one step."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        raise
