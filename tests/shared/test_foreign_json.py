import sys
from collections.abc import Callable
from inspect import stack
from typing import Any

import pytest

from shared.foreign_json import foreign_json, foreign_object


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_json_is_read() -> None:
    text = '{"a": [1, -2.5, true, null, "\\u00fc\\ud83d\\ude00"], "b": {}}'

    assert foreign_json(text) == {"a": [1, -2.5, True, None, "ü😀"], "b": {}}
    assert foreign_json(text.encode()) == foreign_json(text)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"\xef\xbb\xbf1",
        b"NaN",
        b"[Infinity]",
        b'"\\ud800"',
        b"1" * 5000,
        nested(220).encode(),
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=range(11),
)
def test_what_is_none_is_told_as_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match="at line 1"):
        foreign_json(text)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"a"', '{"a":' * 5000])
def test_where_there_is_no_object_there_is_an_empty_one(text: str) -> None:
    assert foreign_object('{"a": [1]}') == {"a": [1]}
    assert foreign_object(text) == {}


def below(frames: int, do: Callable[[], Any]) -> Any:
    return below(frames - 1, do) if frames else do()


def test_the_reader_takes_nothing_from_the_depth_that_python_allows() -> None:
    left_over = 30
    frames = sys.getrecursionlimit() - len(stack()) - left_over

    assert below(frames, lambda: foreign_json(nested(150))) == foreign_json(nested(150))
    with pytest.raises(ValueError, match="recursion limit exceeded"):
        below(frames, lambda: foreign_json(nested(100_000)))
