"""What the tests of the gateway's parts share."""

from pathlib import Path

import pytest


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A file with the key that seals the state of stateless requests."""
    file = tmp_path / "key"
    file.write_text("k" * 32)
    return file
