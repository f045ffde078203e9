"""Shapes are learned once, and by one thread at a time: two at once crash the process."""

import sys
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import msgspec
import pytest

from worker.cluster import structs

THREADS = 8


class Learning:
    """Stands in for msgspec's decoder and counts who is inside at the same time."""

    inside: ClassVar[int] = 0
    most: ClassVar[int] = 0
    learned: ClassVar[list[object]] = []

    def __init__(self, shape: object) -> None:
        kind = type(self)
        kind.inside += 1
        for _ in range(10_000):  # long enough for other threads to have their turn
            kind.most = max(kind.most, kind.inside)
        kind.learned.append(shape)
        kind.inside -= 1

    def decode(self, body: bytes) -> Any:
        return body


@pytest.fixture
def eager_threads() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
def test_a_shape_is_learned_once_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msgspec.json, "Decoder", Learning)
    structs._learned.cache_clear()
    together = threading.Barrier(THREADS)

    def read() -> None:
        together.wait()
        for shape in (int, str, bool):
            structs.decoded(b"1", shape)

    threads = [threading.Thread(target=read) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    structs._learned.cache_clear()

    assert Learning.most == 1
    assert sorted(map(str, Learning.learned)) == sorted(map(str, (int, str, bool)))
