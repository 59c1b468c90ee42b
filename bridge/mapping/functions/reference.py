"""The reference of the language's functions as Markdown, made from their declarations.

A test compares it with `mappings/README.md`.
"""

from __future__ import annotations

from bridge.mapping.functions.builtin import OURS
from bridge.mapping.functions.for_destinations import FOR_DESTINATIONS
from bridge.mapping.functions.identity import RULES
from bridge.mapping.functions.jmespath_builtins import STANDARD
from bridge.mapping.functions.registry import MappingFunction


def destination_tables() -> str:
    """The table of the functions that destination files have besides, and the rules of `hashed` and `normal`."""
    rows = "\n".join(_function_row(function) for function in FOR_DESTINATIONS.values())
    rules = "\n".join(f"| `{name}` | {rule.help} | <{rule.source}> |" for name, rule in RULES.items())
    return (
        f"| function | what it gives | for example |\n|---|---|---|\n{rows}\n\n"
        f"| rule | what it makes | whose page says so |\n|---|---|---|\n{rules}"
    )


def function_tables() -> str:
    """The table of our functions, and the names of JMESPath's own."""
    rows = "\n".join(_function_row(function) for function in OURS.values())
    names = ", ".join(f"`{name}`" for name in STANDARD)
    return (
        "| function | what it gives | for example |\n|---|---|---|\n"
        f"{rows}\n\n"
        f"JMESPath's own (<https://jmespath.org/specification.html#built-in-functions>): {names}."
    )


def _function_row(function: MappingFunction) -> str:
    examples = "<br>".join(f"{_code_text(call)} → {_result_text(result)}" for call, result in function.examples)
    return f"| {_code_text(function.signature)} | {function.help} | {examples} |"


def _result_text(result: str) -> str:
    return f"*{result[1:]}*" if result.startswith("!") else _code_text(result)


def _code_text(text: str) -> str:
    """Text as code in a table's cell, also where it holds backticks or bars."""
    fence = "``" if "`" in text else "`"
    room = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{room}{text}{room}{fence}".replace("|", "\\|")
