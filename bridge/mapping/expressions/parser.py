"""Parses the text of an expression into a tree whose parts know their positions.

The grammar is JMESPath's, read by the `jmespath` package's own parser; this subclass notes positions, keeps the digits
of numbers and refuses two mistakes that the package accepts (a missing comma between arguments or fields).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jmespath import ast
from jmespath.exceptions import EmptyExpressionError, IncompleteExpressionError, LexerError, ParseError
from jmespath.lexer import Lexer
from jmespath.parser import Parser

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.mapping.expressions.habits import suggest_remedy

LONGEST = 20_000
"""Characters an expression may have."""
DEEPEST = 250
"""Levels its tree may have; `a || b || c` has one for each `||`."""
INNERMOST = 120
"""How often a part may be within another's brackets."""

Token = dict[str, Any]
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExpressionNode:
    """One part of an expression. `at` is the offset of its first character; `kind` and `value` are jmespath's words.

    `quoted` marks a field whose name was in double quotes, `loose` a literal in backticks that is no JSON, `after_dot`
    a function that is called as other languages call a method.
    """

    kind: str
    at: int
    value: Json = None
    children: tuple[ExpressionNode, ...] = ()
    quoted: bool = False
    loose: bool = False
    after_dot: bool = False


PATHS = frozenset(
    {"subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten", "pipe"}
)
"""Kinds whose first child is read at the level of the whole, and whose others are read of what the first became."""


def child_parts(node: ExpressionNode) -> Iterator[tuple[ExpressionNode, bool]]:
    """The children of a node, and whether each is read at the node's own level: its names are the same ones."""
    for place, child in enumerate(node.children):
        yield child, node.kind != "expref" and (place == 0 or node.kind not in PATHS)


class ExpressionError(ValueError):
    """An expression that cannot be compiled; `kind` is the word of JMESPath's compliance suite."""

    def __init__(self, text: str, *, at: int, kind: str = "syntax") -> None:
        super().__init__(text)
        self.text = text
        self.at = at
        self.kind = kind


def parse_expression(expression: str) -> ExpressionNode:
    """The tree of an expression. Raises ExpressionError at the character that is wrong."""
    if len(expression) > LONGEST:
        raise ExpressionError(f"an expression of over {LONGEST:,} characters", at=0)
    try:
        return _make_node(_LocatedParser().parse_tree(expression), 0)
    except EmptyExpressionError:
        raise ExpressionError("an empty expression: write one after the `=`", at=0) from None
    except LexerError as error:
        remedy = suggest_remedy(expression, error.lexer_position)
        raise ExpressionError(_lexer_error(error) + remedy, at=error.lexer_position) from None
    except IncompleteExpressionError as error:
        raise ExpressionError("the expression ends too early", at=min(error.lex_position, len(expression))) from None
    except ParseError as error:
        remedy = suggest_remedy(expression, error.lex_position)
        raise ExpressionError(_parser_error(error) + remedy, at=error.lex_position) from None
    except RecursionError:
        raise ExpressionError("nested too deep", at=0) from None


class _LocatedLexer(Lexer):
    """The package's lexer, with literals read as the project reads JSON."""

    def tokenize(self, expression: str) -> Iterator[Any]:
        try:
            yield from super().tokenize(expression)
        except ExpressionError:
            raise
        except ValueError as error:
            if isinstance(error, LexerError | EmptyExpressionError):
                raise
            raise ExpressionError("a number too long to read", at=self._position) from None  # type: ignore[attr-defined]

    def _consume_literal(self) -> Token:
        start: int = self._position  # type: ignore[attr-defined]
        text: str = self._consume_until("`").replace("\\`", "`")  # type: ignore[attr-defined]
        token: Token = {"type": "literal", "start": start, "end": start + len(text) + 2}
        try:
            json.loads(text)
        except ValueError:
            return token | {"value": _loose_literal(text, start), "loose": True}
        except RecursionError:
            raise ExpressionError("nested too deep", at=start) from None
        try:
            return token | {"value": json_text.parse_json(text.strip(" \t\r\n"))}
        except ValueError as error:
            raise ExpressionError(f"the literal in backticks {error}", at=start) from None


def _loose_literal(text: str, start: int) -> str:
    """A literal in backticks that is no JSON is text: JMESPath's older grammar, still in its compliance suite."""
    try:
        return str(json.loads(f'"{text.lstrip()}"'))
    except ValueError:
        raise ExpressionError("a literal in backticks must be JSON; text is written '…'", at=start) from None


class _LocatedParser(Parser):
    """The package's parser, noting in every tree node where it begins."""

    _tokens: list[Token]
    _index: int
    _within: int

    def parse_tree(self, expression: str) -> Tree:
        self._tokens = list(_LocatedLexer().tokenize(expression))
        self._index = 0
        self._within = 0
        tree = self._expression()
        if self._current_token() != "eof":  # type: ignore[attr-defined]
            self._refuse(self._tokens[self._index])
        return tree

    def _expression(self, binding_power: int = 0) -> Tree:
        token = self._tokens[self._index]
        if self._within > INNERMOST:
            raise ExpressionError(f"nested over {INNERMOST} deep", at=token["start"])
        self._within += 1
        left = self._led(binding_power, token)
        self._within -= 1
        return left

    def _led(self, binding_power: int, token: Token) -> Tree:
        self._index += 1
        left = self._begin(token)
        left.setdefault("at", token["start"])
        start = token["start"]
        while binding_power < self.BINDING_POWER[self._tokens[self._index]["type"]]:
            token = self._tokens[self._index]
            led = getattr(self, f"_token_led_{token['type']}", None)
            if led is None:
                self._refuse(token)
            else:
                self._index += 1
                left = led(left)
                left.setdefault("at", start)
        return left

    def _begin(self, token: Token) -> Tree:
        nud: Callable[[Token], Tree] | None = getattr(self, f"_token_nud_{token['type']}", None)
        if nud is None:
            raise ParseError(token["start"], str(token["value"]), token["type"])
        return nud(token)

    def _token_nud_literal(self, token: Token) -> Tree:
        return {**ast.literal(token["value"]), "loose": token.get("loose", False)}

    def _token_nud_quoted_identifier(self, token: Token) -> Tree:
        if self._tokens[self._index]["type"] == "lparen":
            raise ExpressionError("a function's name stands without quotes", at=token["start"])
        return {**ast.field(token["value"]), "quoted": True}

    def _token_led_lparen(self, left: Tree) -> Tree:
        name = self._tokens[self._index - 2]
        if left["type"] != "field" or name["type"] != "unquoted_identifier":
            raise ExpressionError("only a function's name may stand before `(`", at=name["start"])
        arguments: list[Any] = []
        while self._tokens[self._index]["type"] != "rparen":
            arguments.append(self._expression())
            self._separator("rparen")
        self._index += 1
        after_dot = self._is_after_dot(name)
        return {**ast.function_expression(left["value"], arguments), "at": left["at"], "after_dot": after_dot}

    def _is_after_dot(self, name: Token) -> bool:
        place = self._tokens.index(name)
        return place > 0 and self._tokens[place - 1]["type"] == "dot"

    def _parse_multi_select_hash(self) -> Tree:
        pairs: list[Any] = []
        while True:
            key = self._tokens[self._index]
            self._match_multiple_tokens(token_types=["quoted_identifier", "unquoted_identifier"])  # type: ignore[attr-defined]
            self._match("colon")  # type: ignore[attr-defined]
            pair: Any = ast.key_val_pair(key["value"], self._expression())  # type: ignore[arg-type]
            pairs.append({**pair, "at": key["start"]})
            if self._separator("rbrace"):
                self._index += 1
                return {**ast.multi_select_dict(pairs)}

    def _separator(self, closing: str) -> bool:
        """Step over the comma between two parts; True where the list closes here instead."""
        kind = self._tokens[self._index]["type"]
        if kind == closing:
            return True
        self._match("comma")  # type: ignore[attr-defined]
        if self._tokens[self._index]["type"] == closing:
            self._refuse(self._tokens[self._index])
        return False

    def _refuse(self, token: Token) -> None:
        raise ParseError(token["start"], str(token["value"]), token["type"])


def _make_node(tree: Tree, at: int, level: int = 0) -> ExpressionNode:
    here = tree.get("at", at)
    if level > DEEPEST:
        raise ExpressionError(f"nested over {DEEPEST} deep", at=here)
    children = tree.get("children") or []
    if tree["type"] == "slice":
        return ExpressionNode("slice", here, value=tuple(children))
    return ExpressionNode(
        kind=tree["type"],
        at=here,
        value=tree.get("value"),
        children=tuple(_make_node(child, here, level + 1) for child in children),
        quoted=tree.get("quoted", False),
        loose=tree.get("loose", False),
        after_dot=tree.get("after_dot", False),
    )


def _lexer_error(error: LexerError) -> str:
    match error.message.split():
        case ["Unclosed", *_]:
            return f"what opens with {error.lexer_value[:1]} is never closed"
        case ["Unknown", "token", "'='"]:
            return "one `=` compares nothing; write `==`"
        case ["Unknown", *_]:
            return f"{error.lexer_value!r} has no meaning in an expression"
        case _:
            return f"this text in quotes cannot be read: {error.message}"


def _parser_error(error: ParseError) -> str:
    if error.token_type == "EOF":  # noqa: S105  a kind of token of the grammar
        return "the expression ends too early"
    return f"{error.token_value!r} cannot stand here"
