"""How a function of the language is declared: signature, one line of help and examples, as data beside its code.

The compiler reads the signature to check arity and types, the tests run the examples, the reference prints all of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from bridge.core.json_text import Json
from bridge.mapping.expressions.runtime import ANY, SPOKEN, Call

EXPREF = "&expression"
NO_WORDS: Mapping[str, Iterable[str]] = MappingProxyType({})
_PARAMETER = re.compile(r"(\.\.\.)?(\w+)(\?)?: ([^=]+?)(?: = '(.*)')?")


@dataclass(frozen=True, slots=True)
class FunctionParameter:
    """One argument of a function: which types it takes, `items` those of a list's items.

    `nullable` passes null on to one of our functions, which else answers null for it. Where there are `words`, the
    argument is one of them, written as a text: it is known, and checked, before any value is.
    """

    name: str
    types: frozenset[str]
    items: tuple[str, ...] = ()
    nullable: bool = False
    default: str | None = None
    variadic: bool = False
    words: tuple[str, ...] = ()

    @property
    def is_expression(self) -> bool:
        """Whether it takes `&…`."""
        return EXPREF in self.types

    @property
    def wanted_types(self) -> str:
        """What it takes, as a message names it."""
        return " or ".join(words for kind, words in SPOKEN.items() if kind in self.types)


@dataclass(frozen=True, slots=True)
class MappingFunction:
    """A function of the language. `own` ones answer null for null; `examples` are expression and result as JSON.

    A result that begins with `!` is the message of a failure.
    """

    name: str
    signature: str
    help: str
    examples: tuple[tuple[str, str], ...]
    call: Call
    parameters: tuple[FunctionParameter, ...]
    returns: frozenset[str]
    own: bool

    @property
    def least_arguments(self) -> int:
        """How many arguments it needs."""
        return sum(parameter.default is None for parameter in self.parameters)

    @property
    def most_arguments(self) -> int | None:
        """How many arguments it takes; None for any number."""
        return None if self.parameters and self.parameters[-1].variadic else len(self.parameters)

    def parameter_at(self, position: int) -> FunctionParameter:
        """The parameter of the argument at `position`, from 0."""
        return self.parameters[min(position, len(self.parameters) - 1)]


class FunctionRegistry(dict[str, MappingFunction]):
    """Functions by name."""

    def register(
        self,
        signature: str,
        text: str,
        examples: tuple[tuple[str, str], ...],
        *,
        own: bool = True,
        words: Mapping[str, Iterable[str]] = NO_WORDS,
    ) -> Callable[[Callable[..., Json]], Callable[..., Json]]:
        """Declare the decorated function: `name(parameter: type|type, …) -> type|type`.

        `words` are, by a parameter's name, the texts that it may be.
        """

        def declare(call: Callable[..., Json]) -> Callable[..., Json]:
            name, _, rest = signature.partition("(")
            inside, _, returns = rest.rpartition(") -> ")
            parsed = (_parse_parameter(part) for part in inside.split(", ") if part)
            parameters = tuple(replace(each, words=tuple(words.get(each.name, ()))) for each in parsed)
            self[name] = MappingFunction(name, signature, text, examples, call, parameters, _parse_types(returns), own)
            return call

        return declare


def _parse_parameter(text: str) -> FunctionParameter:
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise ValueError(f"no parameter: {text}")
    variadic, name, nullable, types, default = found.groups()
    items = tuple(re.findall(r"array\[(\w+)\]", types))
    return FunctionParameter(
        name, _parse_types(re.sub(r"\[\w+\]", "", types)), items, bool(nullable), default, bool(variadic)
    )


def _parse_types(text: str) -> frozenset[str]:
    return ANY if text == "any" else frozenset(text.split("|"))
