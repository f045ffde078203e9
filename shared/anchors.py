"""Literal anchors: where a pattern is worth trying. What it then finds is its owner's business."""

from collections.abc import Iterator


def positions(text: str, anchor: str) -> Iterator[int]:
    """Yield where `anchor` begins, left to right, without overlaps."""
    at = text.find(anchor)
    while at >= 0:
        yield at
        at = text.find(anchor, at + len(anchor))
