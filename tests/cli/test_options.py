"""The options of a command arrive as its class declares them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Literal

import pytest

from bridge.cli.options import (
    add_options,
    argument,
    argument_of,
    arguments,
    command_options,
    flag_option,
    included_options,
    option,
    option_of,
    optional_argument,
    read_count,
    read_options,
    repeated_option,
    required_option,
)


@command_options
class Shared:
    since: str | None = option(str, "SPAN", meaning="x")


@command_options
class Every:
    what: Literal["cats", "dogs"] = argument_of(("cats", "dogs"))
    file: Path = argument(Path, "FILE", meaning="x")
    other: Path | None = optional_argument(Path, "OTHER", meaning="x")
    to: str = required_option(str, "URL", meaning="x")
    limit: int | None = option(read_count, "N", meaning="x")
    port: int = option(read_count, preset=8000, meaning="x")
    header: Sequence[str] = repeated_option(str, "H", meaning="x")
    format: Literal["text", "json"] = option_of(("text", "json"), preset="text", meaning="x")
    role: Literal["web", "worker"] | None = option_of(("web", "worker"), meaning="x")
    dry_run: bool = flag_option("x")
    shared: Shared = included_options(Shared)


@command_options
class Words:
    ids: Sequence[str] = arguments(str, "ID", meaning="x")


def parsed(*words: str) -> Every:
    parser = argparse.ArgumentParser()
    add_options(parser, Every)
    return read_options(Every, parser.parse_args(words))


def test_what_was_not_typed_is_none_nothing_or_the_preset() -> None:
    assert parsed("cats", "a.json", "--to", "x") == Every(
        what="cats",
        file=Path("a.json"),
        other=None,
        to="x",
        limit=None,
        port=8000,
        header=[],
        format="text",
        role=None,
        dry_run=False,
        shared=Shared(since=None),
    )


def test_what_was_typed_has_the_type_of_its_field() -> None:
    words = "dogs a b --to x --limit 3 --port 4 --header h --header i --format json --role web --dry-run --since 7d"
    assert parsed(*words.split()) == Every(
        what="dogs",
        file=Path("a"),
        other=Path("b"),
        to="x",
        limit=3,
        port=4,
        header=["h", "i"],
        format="json",
        role="web",
        dry_run=True,
        shared=Shared(since="7d"),
    )


def test_any_number_of_words_is_taken_where_a_class_says_so() -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, Words)
    for typed in ([], ["a"], ["a", "b"]):
        assert read_options(Words, parser.parse_args(typed)) == Words(ids=typed)


def test_options_do_not_change_once_they_were_read() -> None:
    options = parsed("cats", "a.json", "--to", "x")
    with pytest.raises(FrozenInstanceError):
        options.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "words", [("birds", "a", "--to", "x"), ("cats", "a"), ("cats", "a", "--to", "x", "--port", "y")]
)
def test_what_does_not_fit_a_declaration_ends_with_2(words: Sequence[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parsed(*words)
    assert left.value.code == 2
