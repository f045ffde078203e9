"""The version, in one place: images hold the folders without a distribution's metadata."""

from typing import Final

VERSION: Final = "0.1.0"
