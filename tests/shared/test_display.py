"""What agents and people get to see of characters that hide or deceive."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.display import conceals, skeleton, stripped, visible

ESC = "\x1b"

nasty = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "\x1b[]\x07\x9b\x9d\\;m8 \r\n\t\x00\u200b\u202e\u2066\ufeff\ud800\U000e0041a\u0430"
        ),
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{ESC}[31;1mred{ESC}[0m", "red"),
        (f"{ESC}]8;;https://evil.example/{ESC}\\label{ESC}]8;;{ESC}\\", "label"),
        (f"{ESC}]0;window title\x07text", "text"),
        (f"{ESC}]52;c;aGk=never terminated\nnext line", "\nnext line"),
        (f"{ESC}Pq#0;2;0;0;0{ESC}\\after", "after"),
        ("\x9b31mred", "red"),
        (f"{ESC}(Bplain{ESC}", "plain"),
        ("one\r\ntwo\rthree\u2028four\x85five", "one\ntwo\nthree\nfour\nfive"),
        ("tab\tstays\x00\x08\x7f", "tab\tstays"),
        ("zero\u200b\u200d\ufeffwidth", "zerowidth"),
        ("bidi\u202e\u2066\u2069\u061c", "bidi"),
        ("tags" + "".join(chr(0xE0000 + ord(c)) for c in "ignore"), "tags"),
        ("smuggled\ufe0f\U000e0100\U000e01ef", "smuggled"),
        ("note\ufff9under\ufffaover\ufffb", "noteunderover"),
        ("lone\ud800surrogate\udfff", "lonesurrogate"),
        ("filler\u3164\u115f", "filler"),
        ("nonchar\ufffe\ufdd0\U0010ffff", "nonchar"),
        ("Ελλάδα, Россия, 日本, عربي ٣", "Ελλάδα, Россия, 日本, عربي ٣"),
    ],
)
def test_agents_get_text_without_escapes_and_invisible_characters(text: str, expected: str) -> None:
    assert stripped(text) == expected


@given(nasty)
@settings(max_examples=300)
def test_stripping_twice_changes_nothing_more(text: str) -> None:
    once = stripped(text)

    assert stripped(once) == once
    assert not any(conceals(char) for char in once)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("safe\u202eexe.txt", "safe<U+202E>exe.txt"),
        ("nul\x00", "nul<U+0000>"),
        (f"{ESC}[2K", "<U+001B>[2K"),
        ("carriage\rreturn", "carriage<U+000D>return"),
        ("zero\u200bwidth", "zero<U+200B>width"),
        ("tag\U000e0041", "tag<U+E0041>"),
        ("lone\ud800", "lone<U+D800>"),
        ("not\uffff", "not<U+FFFF>"),
        ("private\ue000", "private<U+E000>"),
        ("no\u00a0break", "no<U+00A0>break"),
        ("line\u2028separator", "line<U+2028>separator"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_pages_write_a_concealing_character_as_its_code_point(text: str, expected: str) -> None:
    assert visible(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p\u0430ypal", "p\u0430<U+0430>ypal"),
        ("kube-\u0430pi", "kube-\u0430<U+0430>pi"),
        ("registry.\u0441\u043e.io", "registry.\u0441<U+0441>\u043e<U+043E>.io"),
        ("\u0441\u043e\u0440\u0435", "\u0441<U+0441>\u043e<U+043E>\u0440<U+0440>\u0435<U+0435>"),
        ("ng\u0131nx", "ng\u0131<U+0131>nx"),
        ("\uff4eginx", "\uff4e<U+FF4E>ginx"),
        ("a\u2010b", "a\u2010<U+2010>b"),
        ("привет, p\u0430ypal", "привет, p\u0430<U+0430>ypal"),
    ],
)
def test_a_look_alike_among_ascii_letters_is_marked(text: str, expected: str) -> None:
    assert visible(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Доступ запрещён: проверьте права",
        "Δεν βρέθηκε το αρχείο",
        "kırmızı değil",  # noqa: RUF001 - Turkish
        "使用nginx部署，共３个副本",  # noqa: RUF001 - full-width
        "naïve café, Größe 5µs",
        "שלום עולם",
        "привет-nginx готов",
    ],
)
def test_ordinary_text_of_other_scripts_stays_readable(text: str) -> None:
    assert visible(text) == text


SEEN = "\n\t\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
"""Of the categories of what is not seen, but seen: line breaks, tabs, signs around numbers."""


@given(nasty)
@example("\u0600")
@settings(max_examples=300)
def test_nothing_that_conceals_reaches_a_page(text: str) -> None:
    shown = visible(text)

    assert not any(conceals(char) for char in shown)
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in shown if c not in SEEN)
    assert shown.encode("utf-8").decode("utf-8") == shown


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=80))
@settings(max_examples=100)
def test_printable_ascii_is_never_touched(text: str) -> None:
    assert stripped(text) == visible(text) == skeleton(text) == text


def test_the_skeleton_of_a_disguised_word_is_the_word() -> None:
    assert skeleton("\uff29gn\u043er\u00e9 \u0440\u200brevious") == "Ignore previous"
