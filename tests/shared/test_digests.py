"""Canonical bytes: one document, one digest; another document or purpose, another digest."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mnemonic import Mnemonic

from shared.digests import (
    approval_nonce,
    base64url,
    canonical,
    from_base64url,
    object_digest,
    plan_digest,
    words,
)

NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
DOCUMENTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, DOCUMENTS, min_size=1, max_size=3)
SHA256 = st.binary(min_size=32, max_size=32).map(lambda raw: "sha256:" + raw.hex())
FEW = settings(max_examples=50)


def _reversed(value: Any) -> Any:
    """The same document with every object's keys in the opposite order."""
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [_reversed(item) for item in value]
    return value


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every leaf and empty container."""
    if isinstance(value, dict | list) and value:
        steps = value.items() if isinstance(value, dict) else enumerate(value)
        return [place for step, item in steps for place in _places(item, (*path, step))]
    return [path]


@given(OBJECTS)
@FEW
def test_the_order_of_keys_makes_no_difference(document: dict[str, Any]) -> None:
    assert object_digest(_reversed(document)) == object_digest(document)


@given(OBJECTS, st.data())
@FEW
def test_another_value_anywhere_is_another_digest(
    document: dict[str, Any], data: st.DataObject
) -> None:
    *way, last = data.draw(st.sampled_from(_places(document)))
    changed = deepcopy(document)
    parent = changed
    for step in way:
        parent = parent[step]
    old = parent[last]
    parent[last] = data.draw(LEAVES.filter(lambda new: json.dumps(new) != json.dumps(old)))

    assert object_digest(changed) != object_digest(document)


@given(OBJECTS)
@FEW
def test_canonical_bytes_read_back_as_the_same_document(document: dict[str, Any]) -> None:
    assert json.loads(canonical(document)) == document


@pytest.mark.parametrize(
    "value", [1.5, 1.0, float("nan"), float("inf"), {"a": [{"b": 0.1}]}, ({"a": 2.0},)]
)
def test_floats_are_refused_wherever_they_are(value: Any) -> None:
    with pytest.raises(ValueError, match="no floats"):
        canonical(value)


@pytest.mark.parametrize("value", [2**53, -(2**53), {"a": 2**64}, {1: "a"}])
def test_what_two_parsers_would_read_differently_is_refused(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the library's words, not ours
        canonical(value)


@given(OBJECTS)
@FEW
def test_a_digest_for_one_purpose_is_none_for_another(document: dict[str, Any]) -> None:
    raw = canonical(document)
    made = {
        plan_digest(raw).removeprefix("sha256:"),
        object_digest(document).removeprefix("sha256:"),
        from_base64url(approval_nonce(raw)).hex(),
    }

    assert len(made) == 3


def test_digests_and_words_are_the_same_tomorrow() -> None:
    assert canonical({"b": 1, "a": "ü"}) == '{"a":"ü","b":1}'.encode()
    digest = plan_digest(b"{}")
    assert digest == "sha256:dc50adec5606ff6e632ce3740d7af54ef69f395ebac244855fcd899f6835f951"
    assert words(digest) == "sword lyrics kitchen project husband rescue"


@given(SHA256)
@FEW
def test_a_digest_has_six_words_of_the_list(digest: str) -> None:
    listed = Mnemonic("english").wordlist

    spoken = words(digest).split(" ")

    assert len(spoken) == 6
    assert set(spoken) <= set(listed)
    bits = "".join(f"{listed.index(word):011b}" for word in spoken)
    assert f"{int(digest[7:], 16):0256b}".startswith(bits)


@given(st.binary(max_size=40))
@FEW
def test_base64url_has_one_spelling(raw: bytes) -> None:
    text = base64url(raw)

    assert from_base64url(text) == raw
    assert "=" not in text


@pytest.mark.parametrize("text", ["QQ==", "QR", "Q Q", "Q+/=", "Q", "QQ\n", "ü"])
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the library's words or ours
        from_base64url(text)
