"""JSON is read with its digits, by two readers that must agree.

A quick one for webhooks, a strict one for /v1/track.
"""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.core import json_text
from bridge.core.json_text import Json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = (
    st.integers()
    | st.integers(-(10**30), 10**30)
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20)
)
DOCUMENTS: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def typed(document: Json) -> Json:
    """A document in which `1`, `1.0`, `1.00` and `true` are four things, and the order of keys counts."""
    match document:
        case dict():
            return [(key, typed(value)) for key, value in document.items()]
        case list():
            return [typed(item) for item in document]
        case _:
            return type(document).__name__, repr(document)


@given(DOCUMENTS, st.sampled_from([None, 1]), st.booleans())
def test_both_readers_read_the_same(document: Json, indent: int | None, ascii_only: bool) -> None:  # noqa: FBT001  hypothesis gives it
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only, default=float).encode()
    slowly = typed(json_text.parse_json(text.decode()))
    assert typed(json_text.parse_json(text)) == slowly
    assert typed(json_text.parse_json(text, strict=False)) == slowly


class Pairs(list[tuple[str, Json]]):
    """An object as it is written, in which a key may stand twice."""


KEYS = st.sampled_from(["a", "b", ":", 'a":', "\\", ""])
LEAVES = st.none() | st.integers(0, 9) | st.sampled_from(["", ":", '":', "a:", '"', "\\", "ü:"])
WRITTEN: st.SearchStrategy[Json] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(KEYS, inner), max_size=3).map(Pairs)
)


def spelt(written: Json, colon: str, space: str) -> str:
    """JSON text, in which a colon within a text is spelt as it is given, and space stands before each that parts."""
    match written:
        case Pairs():
            pairs = [f"{spelt(key, colon, space)}{space}:{spelt(part, colon, space)}" for key, part in written]
            return f"{{{','.join(pairs)}}}"
        case list():
            return f"[{','.join([spelt(part, colon, space) for part in written])}]"
        case _:
            return json.dumps(written).replace(":", colon)


def doubled(written: Json) -> bool:
    match written:
        case Pairs():
            keys = [key for key, _ in written]
            return len(set(keys)) < len(keys) or any(doubled(part) for _, part in written)
        case list():
            return any(doubled(part) for part in written)
        case _:
            return False


@given(WRITTEN, st.sampled_from([":", "\\u003a", "\\u003A"]), st.sampled_from(["", " ", "\n\t"]))
@example(Pairs([("a", 1), ("a", ":")]), "\\u003a", "")
def test_a_key_that_stands_twice_is_seen_whatever_stands_beside_it(written: Json, colon: str, space: str) -> None:
    text = spelt(written, colon, space).encode()
    if doubled(written):
        with pytest.raises(ValueError, match="is twice in one object"):
            json_text.parse_json(text)
    else:
        assert typed(json_text.parse_json(text)) == typed(json.loads(text))


@given(st.binary(max_size=12) | st.text('{}[]":,\\u0123456789.eE+-dDnaulN \n\x00\ud800', max_size=12))
def test_what_one_reader_refuses_the_other_refuses(text: bytes | str) -> None:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")

    def read(*, strict: bool) -> Json:
        try:
            return typed(json_text.parse_json(data, strict=strict))
        except ValueError as error:
            return str(error)

    strict = read(strict=True)
    assert read(strict=False) == strict or "is twice" in strict


@pytest.mark.parametrize(
    "digits", ["19.90", "0.10", "-0.0", "1E+2", "9007199254740993", "123456789012345678901234567890"]
)
@pytest.mark.parametrize("strict", [True, False])
def test_a_number_keeps_its_digits(digits: str, strict: bool) -> None:  # noqa: FBT001  pytest gives it
    number = json_text.parse_json(f"[{digits}]".encode(), strict=strict)[0]
    assert str(number) == digits
    assert isinstance(number, Decimal | int)


@pytest.mark.parametrize("before", range(0, 110, 7))
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_number_of_over_400_characters_is_refused_wherever_it_stands(before: int, sign: str) -> None:
    room, digits = " " * before, "9" * (400 - len(sign))
    assert json_text.parse_json(f"[{room}{sign}{digits}]".encode(), strict=False) == [int(sign + digits)]
    with pytest.raises(ValueError, match="over 400 digits"):
        json_text.parse_json(f"[{room}{sign}{digits}9]".encode(), strict=False)


def test_of_a_key_that_stands_twice_a_provider_means_the_last() -> None:
    assert json_text.parse_json(b'{"a": 1, "b": 2, "a": 3}', strict=False) == {"a": 3, "b": 2}
    with pytest.raises(ValueError, match="is twice"):
        json_text.parse_json(b'{"a": 1, "b": 2, "a": 3}')


def test_a_byte_order_mark_is_ignored_where_a_provider_signed_it_and_refused_else() -> None:
    assert json_text.parse_json(b'\xef\xbb\xbf{"a": 1}', strict=False) == {"a": 1}
    with pytest.raises(ValueError, match="starts with a byte order mark; send it without"):
        json_text.parse_json(b'\xef\xbb\xbf{"a": 1}')
    assert json_text.indent_json(b'\xef\xbb\xbf{"a": 1}') == '{\n  "a": 1\n}'


def test_what_is_nested_too_deep_is_shown_as_it_was() -> None:
    assert json_text.indent_json(b"[" * 100_000) == "[" * 100_000


def test_half_a_character_is_read_as_it_came() -> None:
    assert json_text.parse_json(b'{"a": "\\ud83d"}', strict=False) == {"a": "\ud83d"}


def test_half_a_character_is_written_as_its_escape_where_that_is_asked_for() -> None:
    document = {"a": Decimal("19.90"), "\ud83d": [1, "\ud800", "é"]}
    assert json_text.write_escaped_json(document) == r'{"a":19.90,"\ud83d":[1,"\ud800","é"]}'.encode()
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        json_text.write_escaped_json({"a": object()})
