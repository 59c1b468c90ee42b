"""Text from outside, with characters that control, reorder or hide text on a terminal shown as escapes."""

from __future__ import annotations

import codecs
import re

_HIDDEN = (
    "\x7f-\x9f"  # DEL and C1: a terminal obeys them as it does C0
    "\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"  # Cf of single scripts, the Arabic letter mark
    "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # letters and marks without any shape
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, separators of lines, direction
    "\ud800-\udfff\ufeff\ufff0-\ufffb\ufffe\uffff"  # surrogates, the byte order mark, annotations
    "\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"  # tags and variation selectors, which can carry a whole text unseen
)
"""Unicode's categories Cc, Cf, Cs, Zl and Zp, and its other Default_Ignorable_Code_Points except U+180B to U+180F and
U+FE00 to U+FE0F, which choose a glyph (https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point). Joiners
have no exception: two topics that differ by one must not look alike."""
_IN_TEXT = re.compile(f"[\x00-\x1f{_HIDDEN}]")
_IN_LINES = re.compile(f"[\x00-\x09\x0b-\x1f{_HIDDEN}]")
_encode_utf16 = codecs.getencoder("utf-16-be")
"""Looked up here: Python reads this codec from a file, and a process may have no free descriptor later."""
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def make_visible(text: str, *, lines: bool = False) -> str:
    r"""The text with each character that a terminal would obey, reorder or hide as an escape such as `\u001b`.

    With `lines`, a newline stays: it ends a line of the text itself. The escapes are those of JSON strings (RFC 8259,
    section 7), so a JSON text keeps its meaning. A backslash stays as it is, so text without such characters, and
    text that was made visible before, is returned unchanged; where it matters whether an escape was in the text
    already, read the JSON that the commands print.
    """
    if text.isascii() and text.isprintable():
        return text
    return (_IN_LINES if lines else _IN_TEXT).sub(_escape_match, text)


def _escape_match(found: re.Match[str]) -> str:
    character = found[0]
    if character in _SHORT:
        return _SHORT[character]
    units = _encode_utf16(character, "surrogatepass")[0].hex()
    return "".join(rf"\u{units[at : at + 4]}" for at in range(0, len(units), 4))
