"""What a terminal would obey, reorder or hide is shown as an escape, and nothing else is changed."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.core.visible_text import make_visible

EVERY = [chr(number) for number in range(sys.maxunicode + 1)]
OBEYED = [one for one in EVERY if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
HIDDEN_LETTERS = [*"\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\U000e0100\U000e01ef"]
ANY_TEXT = st.text(st.one_of(st.characters(), st.sampled_from(OBEYED)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\u001b[31mred\u001b[0m"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x9b31m \x7f", r"\u009b31m \u007f"),
        ("gpj.\u202eexe", r"gpj.\u202eexe"),
        ("\u200b\ufeff\u2028\u2066", r"\u200b\ufeff\u2028\u2066"),
        ("\U000e0041", r"\udb40\udc41"),
        ("\ud800", r"\ud800"),
        ("👩\u200d👧", r"👩\u200d👧"),
        ("Grüße, 世界 ❤️ \\x1b", "Grüße, 世界 ❤️ \\x1b"),
    ],
)
def test_what_a_terminal_obeys_or_hides_is_an_escape_and_the_rest_stays(text: str, shown: str) -> None:
    assert make_visible(text) == shown


def test_every_control_format_and_separator_character_of_unicode_is_escaped() -> None:
    assert [one for one in OBEYED + HIDDEN_LETTERS if make_visible(one) == one] == []


def test_every_letter_mark_number_and_symbol_stays() -> None:
    changed = [one for one in EVERY if unicodedata.category(one)[0] in "LMNPS" and make_visible(one) != one]
    assert {one for one in changed if one not in HIDDEN_LETTERS and not 0xE0100 <= ord(one) <= 0xE01EF} == set()


@given(ANY_TEXT)
@example("\n\x0b\x0c\x85\u2028")
def test_with_lines_a_newline_and_nothing_else_ends_a_line(text: str) -> None:
    shown = make_visible(text, lines=True)
    assert shown.split("\n") == [make_visible(line) for line in text.split("\n")]
    assert not set(shown) & (set(OBEYED) - {"\n"})


@given(ANY_TEXT)
def test_what_was_made_visible_comes_back_unchanged(text: str) -> None:
    once = make_visible(text)
    assert not set(once) & set(OBEYED)
    assert make_visible(once) == once


@given(st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from([*"\u202e\x7f\x9b\U000e0041"]))))
def test_a_json_text_still_says_the_same(text: str) -> None:
    document = {text: [text]}
    assert json.loads(make_visible(json.dumps(document, ensure_ascii=False))) == document


@given(ANY_TEXT, ANY_TEXT)
def test_texts_without_a_backslash_that_differ_are_shown_as_different(one: str, other: str) -> None:
    one, other = one.replace("\\", ""), other.replace("\\", "")
    assert (make_visible(one) == make_visible(other)) is (one == other)
