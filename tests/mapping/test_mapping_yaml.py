"""YAML is read as YAML 1.2 core, with places, and bounded before anything is built."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bridge.core.json_text import Json
from bridge.yaml.document import MappingNode, Scalar, plain_value, read_document
from bridge.yaml.problems import Problems


def value_of(text: str) -> Json:
    problems = Problems()
    root = read_document(text, name="m.yaml", problems=problems)
    assert problems.all_problems == ()
    assert root is not None
    return plain_value(root)


def told(text: str | bytes) -> list[str]:
    problems = Problems()
    read_document(text, name="m.yaml", problems=problems)
    return [str(problem) for problem in problems.all_problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("NO", "NO"),
        ("on", "on"),
        ("yes", "yes"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("2024-01-15", "2024-01-15"),
        ("2024-01-15T14:30:45Z", "2024-01-15T14:30:45Z"),
        ("0b11", "0b11"),
        ("1.2.3", "1.2.3"),
        ("1,5", "1,5"),
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("tRUE", "tRUE"),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("nan", "nan"),
        ("0", 0),
        ("-0", 0),
        ("12345678901234567890", 12345678901234567890),
        ("19.90", Decimal("19.90")),
        ("-1.5e3", Decimal("-1.5e3")),
        (".5", Decimal("0.5")),
        ("5.", 5),
        ("'007'", "007"),
        ('"no"', "no"),
        ("=", "="),
    ],
)
def test_a_plain_scalar_is_what_yaml_12_says(written: str, value: Json) -> None:
    found = value_of(f"a: {written}\n")["a"]
    assert type(found) is type(value)
    assert str(found) == str(value)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("007", "a number with a leading zero; quote it if it is text"),
        ("-01", "a number with a leading zero; quote it if it is text"),
        ("00.5", "a number with a leading zero; quote it if it is text"),
        ("+4912345", "a number with a plus sign would lose it; quote it if it is text"),
        (".inf", ".inf is no number of JSON; quote it if it is text"),
        ("-.INF", "-.INF is no number of JSON; quote it if it is text"),
        (".nan", ".nan is no number of JSON; quote it if it is text"),
        ("0x1F", "0x1F is a number in another base; write it in decimal, or quote it if it is text"),
        ("0o17", "0o17 is a number in another base; write it in decimal, or quote it if it is text"),
        ("1e999", "holds a number beyond 1e400"),
        ("9" * 401, "holds a number of over 400 digits"),
        ("!!str 5", "a tag has no meaning here; write the value plain, or in quotes"),
    ],
)
def test_a_number_that_would_lose_something_is_refused(written: str, text: str) -> None:
    column = 10 if written.startswith("!!") else 4
    assert told(f"a: {written}\n") == [f"m.yaml:1:{column}: error: {text}"]


def test_a_key_is_its_text_whatever_it_looks_like() -> None:
    assert value_of("no: 1\n007: 2\n<<: 3\n12:30: 4\nnull: 5\n=: 6\n") == {
        "no": 1, "007": 2, "<<": 3, "12:30": 4, "null": 5, "=": 6,
    }  # fmt: skip


def test_a_merge_key_is_a_key_like_any_other() -> None:
    assert value_of("a: &x {b: 1}\nc:\n  <<: *x\n") == {"a": {"b": 1}, "c": {"<<": {"b": 1}}}


def test_every_duplicate_key_is_told() -> None:
    assert told("a: 1\nb:\n  c: 1\n  'c': 2\na: 3\n") == [
        "m.yaml:4:3: error: the key 'c' stands twice, first in line 3",
        "m.yaml:5:1: error: the key 'a' stands twice, first in line 1",
    ]


def test_an_alias_repeats_what_its_anchor_names() -> None:
    assert value_of("a: &x [1, {b: 2}]\nc: *x\n") == {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a: *x\n",
            "1:4: error: the alias repeats nothing that stands before it; a text that begins with `*` needs quotes",
        ),
        ("a: &x [*x]\n", "1:8: error: the alias stands inside what it repeats"),
        ("- &x 1\n" + "- *x\n" * 21, "22:3: error: over 20 aliases; write the values out"),
        ("[" * 65 + "]" * 65, "1:65: error: nested over 64 deep"),
        ("{a: " * 65 + "}" * 65, "1:257: error: nested over 64 deep"),
        ("\n".join(" " * depth + "a:" for depth in range(70)), "65:65: error: nested over 64 deep"),
        ("? {a: b}\n: c\n", "1:3: error: a key must be text"),
        ("a: b\n---\nc: d\n", "2:1: error: a second document; a file is one"),
        ("%YAML 1.1\n---\na: b\n", "1:1: error: the file is read as YAML 1.2; leave `%YAML` out"),
        ("", "1:1: error: the file is empty"),
        ("# only a comment\n", "1:1: error: the file is empty"),
        ("a: b\x07\n", "1:5: error: the character U+0007 must be escaped in double quotes"),
        ("a: b\u2028c\n", "1:5: error: the character U+2028 must be escaped in double quotes"),
        ("a: " + "x" * (1 << 20), "1:1: error: the file is over 1 MiB"),
        (b"a: \xff\n", "1:1: error: not UTF-8: the byte at offset 3 fits no character"),
        (
            "a: [1, 2\nb: 3\n",
            "2:2: error: not YAML: did not find expected ',' or ']'; what opens in line 1 is not closed",
        ),
    ],
    ids=range(16),
)
def test_what_is_no_mapping_file_is_refused_at_its_place(text: str | bytes, problem: str) -> None:
    assert told(text) == [f"m.yaml:{problem}"]


def test_laughs_are_counted_before_they_are_built() -> None:
    lines = ["a: &a [" + ", ".join("lol" for _ in range(900)) + "]"]
    for one, other in zip("abc", "bcd", strict=True):
        lines.append(f"{other}: &{other} [" + ", ".join([f"*{one}"] * 5) + "]")
    assert told("\n".join(lines)) == [
        "m.yaml:4:20: error: holds over 100,000 values, repeated ones counted each time",
    ]


def test_a_mebibyte_of_brackets_is_refused_at_the_sixty_fifth() -> None:
    assert told("[" * (1 << 20)) == ["m.yaml:1:65: error: nested over 64 deep"]


def test_a_byte_order_mark_is_passed_over() -> None:
    problems = Problems()
    root = read_document("\ufeffa: =b\n".encode(), name="m.yaml", problems=problems)
    assert isinstance(root, MappingNode)
    node = root.get_value("a")
    assert isinstance(node, Scalar)
    assert str(node.place) == "m.yaml:1:4"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a: =b[?c == 'x: y']\n",
            "1:15: error: not YAML: mapping values are not allowed in this context; put the expression in quotes",
        ),
        (
            "a: =b.{c: d}\n",
            "1:9: error: not YAML: mapping values are not allowed in this context; put the expression in quotes",
        ),
        (
            "a: {b: =c[0]}\n",
            "1:10: error: not YAML: did not find expected ',' or '}'; put the expression in quotes",
        ),
        (
            "a: {b: =c.{d: e}}\n",
            "1:11: error: not YAML: did not find expected ',' or '}'; put the expression in quotes",
        ),
        (
            "- a\n - =b: c\n",
            "2:6: error: not YAML: mapping values are not allowed in this context; put the expression in quotes",
        ),
    ],
)
def test_an_expression_that_yaml_refuses_is_to_be_put_in_quotes(text: str, problem: str) -> None:
    assert told(text) == [f"m.yaml:{problem}"]


def test_a_text_with_two_equals_signs_is_a_text_with_one() -> None:
    root = read_document("a: ==x\nb: '=y'\nc: '==z'\n", name="m.yaml", problems=Problems())
    assert isinstance(root, MappingNode)
    a, b, c = (root.get_value(key) for key in "abc")
    assert isinstance(a, Scalar)
    assert isinstance(b, Scalar)
    assert isinstance(c, Scalar)
    assert (a.is_expression, a.literal) == (False, "=x")
    assert (b.is_expression, b.expression) == (True, "y")
    assert (c.is_expression, c.literal) == (False, "=z")
