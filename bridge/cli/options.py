"""How a command's file declares its options: as the fields of a class, which argparse fills.

    @command_options
    class SendOptions:
        file: Path = argument(Path, "FILE", meaning="the body, sent byte for byte")
        topic: str | None = option(str, "T", meaning="the topic, where the provider sends it in a header")

To the type checker each function returns what its field will hold, so that mypy compares the field's type with how it
is read. An option has the name of its field: `dry_run` is `--dry-run`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, dataclass_transform, overload

T = TypeVar("T")
AddField = Callable[[argparse.ArgumentParser, str], object]
"""Gives a parser the argument of the field of that name."""


@dataclass(frozen=True, slots=True)
class _Declaration:
    """What a field is to argparse."""

    add: AddField
    includes: type[object] | None = None


def _declare_field(add: AddField, includes: type[object] | None = None) -> object:
    return field(metadata={"declaration": _Declaration(add, includes)})


# ----------------------------------------------------------------------------------------------------- what is typed


def argument(read: Callable[[str], T], metavar: str, *, meaning: str) -> T:
    """A word that must be there."""
    return cast(
        "T", _declare_field(lambda parser, name: parser.add_argument(name, type=read, metavar=metavar, help=meaning))
    )


def optional_argument(read: Callable[[str], T], metavar: str, *, meaning: str) -> T | None:
    """A word that may be missing."""

    def add(parser: argparse.ArgumentParser, name: str) -> None:
        parser.add_argument(name, nargs="?", type=read, metavar=metavar, help=meaning)

    return cast("T | None", _declare_field(add))


def arguments(read: Callable[[str], T], metavar: str, *, meaning: str) -> Sequence[T]:
    """Any number of words."""

    def add(parser: argparse.ArgumentParser, name: str) -> None:
        parser.add_argument(name, nargs="*", type=read, metavar=metavar, help=meaning)

    return cast("Sequence[T]", _declare_field(add))


def argument_of(choices: Sequence[T], *, meaning: str | None = None) -> T:
    """A word of a list."""
    return cast("T", _declare_field(lambda parser, name: parser.add_argument(name, choices=choices, help=meaning)))


def optional_argument_of(choices: Sequence[T], *, meaning: str) -> T | None:
    """A word of a list that may be missing."""

    def add(parser: argparse.ArgumentParser, name: str) -> None:
        parser.add_argument(name, nargs="?", choices=choices, help=meaning)

    return cast("T | None", _declare_field(add))


@overload
def option(read: Callable[[str], T], metavar: str | None = None, *, meaning: str) -> T | None: ...
@overload
def option(read: Callable[[str], T], metavar: str | None = None, *, meaning: str, preset: T) -> T: ...
def option(read: Callable[[str], T], metavar: str | None = None, *, meaning: str, preset: T | None = None) -> T | None:
    """An option with a value; the `preset`, or else None, where it is not typed."""

    def add(parser: argparse.ArgumentParser, name: str) -> None:
        parser.add_argument(_flag_name(name), type=read, default=preset, metavar=metavar, help=meaning)

    return cast("T | None", _declare_field(add))


def required_option(read: Callable[[str], T], metavar: str, *, meaning: str) -> T:
    """An option with a value that must be typed."""

    def add(parser: argparse.ArgumentParser, name: str) -> None:
        parser.add_argument(_flag_name(name), type=read, required=True, metavar=metavar, help=meaning)

    return cast("T", _declare_field(add))


def repeated_option(read: Callable[[str], T], metavar: str, *, meaning: str) -> Sequence[T]:
    """An option that may be typed several times, each time with a value."""

    def add(parser: argparse.ArgumentParser, name: str) -> None:
        parser.add_argument(_flag_name(name), action="append", default=[], type=read, metavar=metavar, help=meaning)

    return cast("Sequence[T]", _declare_field(add))


@overload
def option_of(choices: Sequence[T], *, meaning: str) -> T | None: ...
@overload
def option_of(choices: Sequence[T], *, meaning: str, preset: T) -> T: ...
def option_of(choices: Sequence[T], *, meaning: str, preset: T | None = None) -> T | None:
    """An option with a value of a list; the `preset`, or else None, where it is not typed."""

    def add(parser: argparse.ArgumentParser, name: str) -> None:
        parser.add_argument(_flag_name(name), choices=choices, default=preset, help=meaning)

    return cast("T | None", _declare_field(add))


def flag_option(meaning: str) -> bool:
    """An option without a value."""

    def add(parser: argparse.ArgumentParser, name: str) -> None:
        parser.add_argument(_flag_name(name), action="store_true", help=meaning)

    return cast("bool", _declare_field(add))


def included_options(kind: type[T]) -> T:
    """All options of another class."""
    return cast("T", _declare_field(lambda parser, _name: add_options(parser, kind), includes=kind))


def _flag_name(name: str) -> str:
    return f"--{name.replace('_', '-')}"


# ------------------------------------------------------------------------------------------- what many commands take


def config_option() -> Path | None:
    """The settings file."""
    return option(Path, "FILE", meaning="settings file (default: $BRIDGE_CONFIG)")


def topic_option() -> str | None:
    """The topic of a body."""
    return option(str, "T", meaning="the topic, where the provider sends it in a header")


def format_option() -> Literal["text", "json"]:
    """How a command prints."""
    return option_of(("text", "json"), preset="text", meaning="for people, or for machines")


def read_count(text: str) -> int:
    """A whole number. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("must be a whole number")
    return int(text)


# --------------------------------------------------------------------------------------------------------- the class


@dataclass_transform(
    frozen_default=True,
    kw_only_default=True,
    field_specifiers=(
        argument,
        optional_argument,
        arguments,
        argument_of,
        optional_argument_of,
        option,
        required_option,
        repeated_option,
        option_of,
        flag_option,
        included_options,
        config_option,
        topic_option,
        format_option,
    ),
)
def command_options(kind: type[T]) -> type[T]:
    """Make a class a frozen dataclass, whose fields are declared by the functions above."""
    return dataclass(frozen=True, kw_only=True)(kind)


def add_options(parser: argparse.ArgumentParser, kind: type[object]) -> None:
    """Let a parser take the options of a class, in the order of its fields."""
    for name, declared in _declarations(kind):
        declared.add(parser, name)


def read_options(kind: type[T], typed: argparse.Namespace) -> T:
    """What was typed, as a value of the class."""
    values = {
        name: read_options(declared.includes, typed) if declared.includes else getattr(typed, name)
        for name, declared in _declarations(kind)
    }
    return kind(**values)


def _declarations(kind: type[object]) -> list[tuple[str, _Declaration]]:
    found: tuple[Field[Any], ...] = fields(kind) if is_dataclass(kind) else ()
    return [(each.name, each.metadata["declaration"]) for each in found]
