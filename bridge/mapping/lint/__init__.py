"""What a mapping says that compiles but is probably a mistake: each at its place, with its remedy.

What cannot come out right is an error, what is suspicious a warning. `lint_mapping` needs the mapping alone,
`lint_unread_paths` its examples too.
"""

from __future__ import annotations

from bridge.mapping.codegen.compiler import CompileInfo
from bridge.mapping.definition import MappingDefinition
from bridge.mapping.lint.constants import ConstantLint
from bridge.mapping.lint.conversions import ConversionLint
from bridge.mapping.lint.duplicates import lint_duplicates
from bridge.mapping.lint.fields import FieldLint
from bridge.mapping.lint.literals import LiteralLint
from bridge.mapping.lint.unread_paths import ExampleWebhook, lint_unread_paths
from bridge.yaml.problems import Problems

__all__ = [
    "ExampleWebhook",
    "lint_mapping",
    "lint_unread_paths",
]


def lint_mapping(parts: MappingDefinition, compile_info: CompileInfo, problems: Problems, advice: Problems) -> None:
    """Hold every event that the rules build to the contract, and to what a conversion needs.

    Errors go to `problems`, warnings to `advice`.
    """
    literals, constants = LiteralLint(parts, advice), ConstantLint(parts, compile_info, advice)
    literals.lint_lets(parts)
    for rule in parts.rules:
        literals.lint_rule(rule)
        constants.lint_rule(rule)
        FieldLint(compile_info, problems, advice).lint_rule(rule)
        ConversionLint(parts, compile_info, advice).lint_rule(rule)
    lint_duplicates(parts, advice)
