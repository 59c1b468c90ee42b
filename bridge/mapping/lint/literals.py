"""Texts that stand in a mapping as they are, and were probably meant as expressions.

A path without its `=`, a template, JSONPath: the event would hold the text itself, the same for everyone, and nothing
would ever fail.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from bridge.mapping.definition import MappingDefinition, Rule
from bridge.mapping.functions.builtin import FUNCTIONS
from bridge.mapping.language import EARLIER, ROOTS
from bridge.mapping.lint.fields import named_entries
from bridge.mapping.lint.suggestions import Path, format_path
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

_TEMPLATE = re.compile(r"\{\{\s*(.*?)\s*\}\}|\$\{\s*(.*?)\s*\}|<%=?\s*(.*?)\s*%>")
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.\w+|\.\"[^\"]+\"|\[[^\]]*\])+")
_CHAIN = re.compile(rf"\s*(?:{_PATH.pattern}|[A-Za-z_]\w*)\s*(?:\|\||&&|==|!=).+")
_CALL = re.compile(r"([a-z_][a-z0-9_]*)\(.*\)", re.DOTALL)
_JSON_PATH = re.compile(r"\$((?:\.\w+|\[[^\]]*\])+)")
_NAMES = frozenset({("session_id",), ("user_id",), ("properties", "order_id"), ("properties", "subscription_id")})
"""Fields that name something of one webhook's, and so hold no text that is the same in all."""
_EMAIL: Path = ("user_data", "email")
_LONGEST = 60


class LiteralLint:
    """Looks at the texts of one mapping."""

    def __init__(self, parts: MappingDefinition, advice: Problems) -> None:
        self._advice = advice
        self._known = frozenset({*ROOTS, EARLIER, *parts.lets})

    def lint_lets(self, parts: MappingDefinition) -> None:
        """Look at what names of `let` stand for."""
        for _, node in parts.lets.values():
            self._look(node, (), self._known)

    def lint_rule(self, rule: Rule) -> None:
        """Look at the event of a rule."""
        self._look(rule.event, (), self._known | ({rule.loop.name} if rule.loop else set()))

    def _look(self, node: Node, path: Path, known: frozenset[str]) -> None:
        match node:
            case Scalar():
                if isinstance(node.value, str) and not node.value.startswith("="):
                    self._look_at_text(node, path, known)
            case SequenceNode():
                for item in node.items:
                    self._look(item, path, known)
            case MappingNode() if "for_each" in node.entries:
                name, each = node.get_value("for_each"), node.get_value("map")
                if each is not None:
                    self._look(each, path, known | ({name.text} if isinstance(name, Scalar) else set()))
            case MappingNode():
                for key, entry in named_entries(node):
                    self._look(entry.value, (*path, key), known)

    def _look_at_text(self, node: Scalar, path: Path, known: Collection[str]) -> None:
        remedy = _find_remedy(node.text.strip(), path, known)
        if remedy is not None:
            self._advice.add_warning(node.place, remedy)


def _find_remedy(text: str, path: Path, known: Collection[str]) -> str | None:
    """What a text was probably meant as; None where it is probably meant as it stands."""
    template, json_path = _TEMPLATE.search(text), _JSON_PATH.fullmatch(text)
    if template is not None:
        return f"`{_cut(template[0])}` is a template, which nothing fills in; {_instead_of(text, template, known)}"
    if json_path is not None:
        return f"`{_cut(text)}` is JSONPath, which nothing reads; write `=body{json_path[1]}`"
    if _is_expression(text, known):
        return f"`{_cut(text)}` is a text here, the same in every event; for the value write `={_cut(text)}`"
    if path in _NAMES and _PATH.fullmatch(text):
        return f"`{_cut(text)}` is a text here, the same in every event; for the value write `=body.{_cut(text)}`"
    if path == _EMAIL and text and "@" not in text:
        told = f"{format_path(path)} is the text `{_cut(text)}`, which is no address"
        return f"{told}; write an expression, as `=body.email`"
    return None


def _is_expression(text: str, known: Collection[str]) -> bool:
    """Whether a text would be an expression of this mapping's if a `=` stood before it."""
    first = re.match(r"[A-Za-z_]\w*", text)
    call = _CALL.fullmatch(text)
    if call is not None and call[1] in FUNCTIONS:
        return True
    begins = first is not None and first[0] in known
    return begins and (_PATH.fullmatch(text) is not None or _CHAIN.fullmatch(text) is not None)


def _instead_of(text: str, template: re.Match[str], known: Collection[str]) -> str:
    """The expression that a template was meant as."""
    inside = next((part for part in template.groups() if part), "")
    first = re.match(r"\w*", inside)
    path = inside if first is not None and first[0] in known else f"body.{inside}" if inside else "body.id"
    if template[0] == text:
        return f"write `={_cut(path)}`"
    return f"write `=format('{_cut(text.replace(template[0], '{}'))}', {_cut(path)})`"


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LONGEST else f"{flat[: _LONGEST - 1]}…"
