"""How a function of the language is declared: signature, one line of help and examples, as data beside its code.

The compiler reads the signature to check arity and types, the tests run the examples, the reference prints all of
it. Not concerned with what any function does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bridge.core.json_text import Json
from bridge.mapping.expressions.runtime import ANY, SPOKEN, Call

EXPREF = "&expression"
_PARAMETER = re.compile(r"(\.\.\.)?(\w+)(\?)?: ([^=]+?)(?: = '(.*)')?")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a function: which types it takes, `items` those of a list's items.

    `nullable` passes null on to one of our functions, which else answers null for it.
    """

    name: str
    types: frozenset[str]
    items: tuple[str, ...] = ()
    nullable: bool = False
    default: str | None = None
    variadic: bool = False

    @property
    def is_expression(self) -> bool:
        """Whether it takes `&…`."""
        return EXPREF in self.types

    @property
    def wanted(self) -> str:
        """What it takes, as a message names it."""
        return " or ".join(words for kind, words in SPOKEN.items() if kind in self.types)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language. `own` ones answer null for null; `examples` are expression and result as JSON.

    A result that begins with `!` is the message of a failure.
    """

    name: str
    signature: str
    help: str
    examples: tuple[tuple[str, str], ...]
    call: Call
    parameters: tuple[Parameter, ...]
    returns: frozenset[str]
    own: bool

    @property
    def fewest(self) -> int:
        """How many arguments it needs."""
        return sum(parameter.default is None for parameter in self.parameters)

    @property
    def most(self) -> int | None:
        """How many arguments it takes; None for any number."""
        return None if self.parameters and self.parameters[-1].variadic else len(self.parameters)

    def parameter(self, position: int) -> Parameter:
        """The parameter of the argument at `position`, from 0."""
        return self.parameters[min(position, len(self.parameters) - 1)]


class Registry(dict[str, Function]):
    """Functions by name."""

    def function(
        self, signature: str, text: str, examples: tuple[tuple[str, str], ...], *, own: bool = True
    ) -> Callable[[Callable[..., Json]], Callable[..., Json]]:
        """Declare the decorated function: `name(parameter: type|type, …) -> type|type`."""

        def declare(call: Callable[..., Json]) -> Callable[..., Json]:
            name, _, rest = signature.partition("(")
            inside, _, returns = rest.rpartition(") -> ")
            parameters = tuple(_parameter(part) for part in inside.split(", ") if part)
            self[name] = Function(name, signature, text, examples, call, parameters, _types(returns), own)
            return call

        return declare


def _parameter(text: str) -> Parameter:
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise ValueError(f"no parameter: {text}")
    variadic, name, nullable, types, default = found.groups()
    items = tuple(re.findall(r"array\[(\w+)\]", types))
    return Parameter(name, _types(re.sub(r"\[\w+\]", "", types)), items, bool(nullable), default, bool(variadic))


def _types(text: str) -> frozenset[str]:
    return ANY if text == "any" else frozenset(text.split("|"))
