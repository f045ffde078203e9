import json

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.documents import (
    MAX_DOCUMENTS,
)
from shared.errors import Refusal
from shared.manifests import (
    JSON,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_NODES,
)
from worker.loading import load, read

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"


def value_of(text: str) -> JSON:
    values = read(text)
    assert not isinstance(values, Refusal), values.message
    (value,) = values
    return value


def refused(text: str) -> Refusal:
    refusal = read(text)
    assert isinstance(refusal, Refusal)
    return refusal


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("TRUE", True),
        ("null", None),
        ("~", None),
        ("Null", None),
        ("12", 12),
        ("-12", -12),
        ("+12", 12),
        ("0", 0),
        ("0o10", 8),
        ("0x1F", 31),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("'12'", "12"),
        ('"no"', "no"),
        ('"true"', "true"),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("64Mi", "64Mi"),
        (str(MAX_INTEGER), MAX_INTEGER),
        (str(-MAX_INTEGER), -MAX_INTEGER),
    ],
)
def test_scalars_are_those_of_yaml_1_2(scalar: str, value: JSON) -> None:
    result = value_of(f"a: {scalar}")

    assert result == {"a": value}
    assert isinstance(result, dict)
    assert type(result["a"]) is type(value)


@pytest.mark.parametrize("scalar", ["010", "08", "-010", "00"])
def test_a_leading_zero_is_refused_because_readers_disagree(scalar: str) -> None:
    refusal = refused(f"a: {scalar}")

    assert "leading zero" in refusal.message
    assert refusal.details == {"document": "1", "path": "a"}


@pytest.mark.parametrize("scalar", ["1.5", "1.", ".5", "1e3", "-1.0", ".inf", "-.INF", ".nan"])
def test_fractions_and_exponents_are_refused_with_a_way_out(scalar: str) -> None:
    assert "quote it" in refused(f"a: {scalar}").message


@pytest.mark.parametrize("number", [str(MAX_INTEGER + 1), str(-MAX_INTEGER - 1), "9" * 5000])
def test_integers_beyond_what_json_holds_exactly_are_refused(number: str) -> None:
    assert "beyond" in refused(f"a: {number}").message
    assert "beyond" in refused(f'{{"a": {number}}}').message


@pytest.mark.promise("manifests-read-strictly")
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a: &x 1", "anchors"),
        ("a: &x {b: 1}", "anchors"),
        ("&x a: 1", "anchors"),
        ("a: *x", "aliases"),
        ("a: [1, *x]", "aliases"),
        ("a: !!str 1", "tags"),
        ("a: !!python/object/apply:os.system [id]", "tags"),
        ("a: ! 1", "tags"),
        ("!!map {a: 1}", "tags"),
        ("!x a: 1", "tags"),
        ("%YAML 1.1\n---\na: 1", "directives"),
        ("%TAG ! tag:x,2026:\n---\na: 1", "directives"),
        ("<<: {a: 1}", "Merge keys"),
        ("a:\n  <<: [{b: 1}]", "Merge keys"),
    ],
)
def test_references_tags_and_merge_keys_are_refused_by_name(text: str, word: str) -> None:
    refusal = refused(text)

    assert word in refusal.message
    assert "(line" in refusal.message


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )

    assert "anchors" in refused(bomb).message


@pytest.mark.promise("manifests-read-strictly")
@pytest.mark.parametrize(
    "text",
    [
        "a: 1\na: 2",
        "{a: 1, a: 2}",
        '{"a": 1, "a": 2}',
        '{"a": 1, "\\u0061": 2}',
        'a: 1\n"a": 1',
        "? a\n? a",
    ],
)
def test_a_duplicate_key_is_refused_with_its_path(text: str) -> None:
    refusal = refused(text)

    assert "given twice" in refusal.message
    assert refusal.details["path"] == "a"


@pytest.mark.parametrize(
    "text", ["1: a", "true: a", "~: a", "? [a]\n: b", "? {a: b}\n: c", "1.5: a"]
)
def test_a_key_that_is_no_string_is_refused(text: str) -> None:
    assert "quote the key" in refused(text).message


@pytest.mark.parametrize(
    "text",
    [
        "a: b\x00",
        "a: b\x1b[31m",
        "a: b\x7f",
        "a: b\x85c",
        "a: b\u2028c",
        "a: b\ud800",
        'a: "\\0"',
        'a: "\\e[0m"',
        'a: "\\r"',
        'a: "\\x85"',
        '{"a": "\\u0000"}',
        '{"a": "\\ud800"}',
        '{"a\\u0007": 1}',
    ],
)
def test_control_characters_and_lone_surrogates_are_refused(text: str) -> None:
    assert "control characters" in refused(text).message


def test_newlines_tabs_and_any_script_are_text() -> None:
    assert value_of('{"a": "\\ud83d\\ude00 \\t\\n ü"}') == {"a": "😀 \t\n ü"}
    assert value_of("\ufeffa: |\r\n  x\r\n  y\r\n") == {"a": "x\ny\n"}


@pytest.mark.promise("manifests-read-strictly")
def test_two_megabytes_are_refused_before_they_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(yaml, "parse", parse)
    monkeypatch.setattr(json, "loads", parse)

    for text in ("a" * 2_000_000, "{" * 2_000_000, "ü" * (MAX_BYTES // 2 + 1)):
        assert refused(text).code == "manifest_too_large"


def test_a_manifest_of_just_the_size_is_read() -> None:
    text = f"a: {'x' * (MAX_BYTES - 3)}"

    assert not isinstance(read(text), Refusal)
    assert refused(text + "x").code == "manifest_too_large"


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("text", [nested(MAX_DEPTH + 1), nested(50_000), "[a, " * 1000])
def test_deep_nesting_is_refused_in_json_and_yaml(text: str) -> None:
    assert "nested deeper" in refused(text).message


def test_the_greatest_depth_is_read_in_json_and_yaml() -> None:
    assert not isinstance(read(nested(MAX_DEPTH)), Refusal)
    inner = nested(MAX_DEPTH - 1).replace("[]", "[x]")
    assert not isinstance(read(f"a: {inner}"), Refusal)
    assert "nested deeper" in refused(f"a: {nested(MAX_DEPTH)}").message


def test_too_many_values_are_refused_over_all_documents() -> None:
    document = "a: [" + "1," * (MAX_NODES // 2) + "]\n"

    assert not isinstance(read(document), Refusal)
    assert f"more than {MAX_NODES}" in refused(f"{document}---\n{document}").message


def test_empty_documents_are_skipped() -> None:
    assert read("---\n# nothing\n---\na: 1\n---\n---\nb: 2\n...\n") == [{"a": 1}, {"b": 2}]
    assert read("") == []
    assert read("# only a comment") == []


def test_documents_beyond_the_bound_are_refused() -> None:
    text = "---\n".join(f"{CONFIG.replace('settings', f'c{n}')}" for n in range(MAX_DOCUMENTS + 1))

    refusal = load(text, namespace="demo")

    assert isinstance(refusal, Refusal)
    assert refusal.code == "manifest_too_large"


def test_a_fault_names_its_document_and_path() -> None:
    refusal = refused("a: 1\n---\nspec:\n  containers:\n  - cpu: 0.5\n")

    assert refusal.details == {"document": "2", "path": "spec.containers[0].cpu"}
    assert refusal.message.startswith("Document 2: The value at spec.containers[0].cpu ")


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "\ta: 1", "a: 'x", "- a\nb: 1", "{,}", "@a", ": a"]
)
def test_what_is_not_yaml_is_refused_naming_the_line(text: str) -> None:
    refusal = refused(text)

    assert refusal.code == "invalid_manifest"
    assert "not valid YAML" in refusal.message


def test_a_manifest_is_loaded_with_its_namespace() -> None:
    manifests = load(f"{CONFIG}---\n{json.dumps(service())}", namespace="demo")

    assert not isinstance(manifests, Refusal)
    assert [str(m.ref) for m in manifests] == ["ConfigMap demo/settings", "Service demo/web"]


def service() -> JSON:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}


def test_nothing_is_no_manifest() -> None:
    refusal = load("---\n", namespace="demo")

    assert isinstance(refusal, Refusal)
    assert refusal.code == "empty_manifest"


TEXTS = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), max_size=8)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)
MAPPINGS = st.dictionaries(TEXTS, JSONS, max_size=4)


@given(MAPPINGS)
@settings(max_examples=150)
def test_json_text_is_read_as_the_value_it_writes(value: JSON) -> None:
    assert value_of(json.dumps(value)) == value
    assert value_of(json.dumps(value, ensure_ascii=False)) == value


STRINGS = st.recursive(
    TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(TEXTS, STRINGS, max_size=4))
@settings(max_examples=150)
def test_yaml_text_with_quoted_strings_is_read_as_the_value_it_writes(value: JSON) -> None:
    text = yaml.safe_dump(value, default_style='"', width=10_000, allow_unicode=True)

    assert value_of(text) == value


@given(MAPPINGS)
@settings(max_examples=150)
def test_yaml_that_a_1_1_writer_wrote_is_read_as_it_was_meant(value: JSON) -> None:
    """What a 1.1 writer leaves unquoted means the same in 1.2, or is refused; but octal 0o7."""
    text = yaml.safe_dump(value, width=10_000)
    assume("0o" not in text)

    result = read(text)

    assert isinstance(result, Refusal) or result == [value]


@given(st.text(max_size=60))
@settings(max_examples=300)
def test_any_text_is_read_or_refused_without_a_crash(text: str) -> None:
    result = read(text)

    assert isinstance(result, list | Refusal)


@given(st.text(alphabet="{}[]:,-?&*!|>'\"%@`#~<= \n0123abn", max_size=40))
@settings(max_examples=300)
def test_any_yaml_like_text_is_read_or_refused_without_a_crash(text: str) -> None:
    result = read(text)

    if not isinstance(result, Refusal):
        assert json.loads(json.dumps(result)) == result
