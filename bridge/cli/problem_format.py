"""Problems as people and machines read them: lines with the source and a caret, JSON, or GitHub's annotations."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from bridge.core import json_text
from bridge.core.model import Problem
from bridge.core.visible_text import make_visible

FORMATS = ("text", "json", "github")
_WIDEST = 160
_BEFORE = 60


def format_problems(
    problems: Sequence[Problem],
    form: str,
    *,
    texts: Mapping[str, str],
    counts: tuple[int, int, int] = (0, 0, 0),
    unproven: Sequence[str] = (),
) -> str:
    """The problems in one of FORMATS.

    `texts` are the files by path, `counts` how many mappings, destination files and examples were looked at;
    `unproven` the mappings without examples.
    """
    match form:
        case "json":
            return _as_json(problems)
        case "github":
            return "\n".join(_as_github(problem) for problem in problems) or _summary_line(problems, counts)
        case _:
            blocks = [_problem_block(problem, texts.get(problem.place.path, "")) for problem in problems]
            return "\n".join([*blocks, _summary_line(problems, counts) + _unproven_text(unproven, counts[0])])


def _as_json(problems: Sequence[Problem]) -> str:
    documents = [
        {
            "path": problem.place.path,
            "line": problem.place.line,
            "column": problem.place.column,
            "severity": problem.severity,
            "text": "\n".join((problem.text, *problem.details)),
        }
        for problem in problems
    ]
    return json_text.indent_json(json_text.write_json(documents))


# ----------------------------------------------------------------------------------------------------------- GitHub


def _as_github(problem: Problem) -> str:
    """A workflow command: https://docs.github.com/actions/reference/workflow-commands-for-github-actions."""
    place = problem.place
    path = _escape_github(place.path).replace(":", "%3A").replace(",", "%2C")
    text = _escape_github("\n".join(map(make_visible, (problem.text, *problem.details))))
    return f"::{problem.severity} file={path},line={place.line},col={place.column}::{text}"


def _escape_github(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


# ------------------------------------------------------------------------------------------------------------- text


def _problem_block(problem: Problem, text: str) -> str:
    """The problem, the line that it is in, a caret under its column, and what else there is to say."""
    lines = [str(problem)]
    source = _source_line(text, problem.place.line)
    if source.strip():
        lines += _caret_lines(source, problem.place.column, f"{problem.place.line:5} | ")
    return "\n".join([*lines, *(f"    {make_visible(each)}" for each in problem.details)])


def _source_line(text: str, number: int) -> str:
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[number - 1] if number <= len(lines) else ""


def _caret_lines(source: str, column: int, margin: str) -> list[str]:
    """A line, cut where it is very long, and a caret under its column."""
    start = max(0, column - _BEFORE) if len(source) > _WIDEST else 0
    shown = source[start : start + _WIDEST]
    before = "".join(map(_blank_like, make_visible(shown[: column - 1 - start])))
    cut = "…" if start else ""
    return [f"{margin}{cut}{make_visible(shown)}".rstrip(), f"{' ' * (len(margin) - 2)}| {' ' * len(cut)}{before}^"]


def _blank_like(character: str) -> str:
    """White space as wide as a character on a terminal."""
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "


def _summary_line(problems: Sequence[Problem], counts: tuple[int, int, int]) -> str:
    if not problems:
        looked = [
            _count_words(count, word)
            for count, word in zip(counts, ("mapping", "destination", "example"), strict=True)
            if count
        ]
        return ", ".join([*looked, "no problems"])
    errors = sum(problem.severity == "error" for problem in problems)
    found = ((errors, "error"), (len(problems) - errors, "warning"))
    return ", ".join(_count_words(count, word) for count, word in found if count)


def _unproven_text(unproven: Sequence[str], mappings: int) -> str:
    """What no example shows: that a mapping does what it should."""
    if not unproven:
        return ""
    if len(unproven) == mappings:
        return "; no examples: only the form was checked"
    have = "has" if len(unproven) == 1 else "have"
    return f"; {', '.join(unproven)} {have} no examples: only the form was checked"


def _count_words(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"
