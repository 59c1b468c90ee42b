"""GET /ui/mappings and /ui/mappings/NAME: each mapping file, its problems at their lines, its text.

A mapping's text is no secret and has no personal data: secrets are in the settings, data in the webhooks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response

from bridge.core.model import Problem
from bridge.core.visible_text import make_visible
from bridge.http.console.action_pages import read_done
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.kept_drafts import KeptDraft, find_drafts
from bridge.http.console.mapping_files import MappingFile, MappingFiles
from bridge.http.console.render import render_page
from bridge.status.report import count_words
from bridge.store.status_views import TopicCount

_DONE = ("translated", "ignored")


@dataclass(frozen=True, slots=True)
class MappingCounts:
    """What became of the newest webhooks of a mapping's sources, by its state."""

    states: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.states.values())

    @property
    def share(self) -> str:
        """How many of those that were translated made events or were rightly ignored: `99.7%`; empty for none."""
        done = sum(self.states.get(state, 0) for state in _DONE)
        all_done = done + self.states.get("set_aside", 0)
        return f"{done / all_done:.1%}" if all_done else ""


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of a mapping's text, and what is wrong with it."""

    number: int
    depth: int
    text: str
    problems: tuple[Problem, ...] = ()

    @property
    def tone(self) -> str:
        """How it looks: `err` with an error, `note` with a warning."""
        if not self.problems:
            return ""
        return "err" if any(one.severity == "error" for one in self.problems) else "note"


class MappingsPage:
    """The handlers of both pages."""

    def __init__(self, deps: ConsoleDeps, files: MappingFiles) -> None:
        self._deps = deps
        self._files = files

    async def show_mappings(self, request: HttpRequest) -> Response:
        """The list."""
        files, recent = await self._files.read_files(), (await self._deps.store.status_details()).recent
        shown = [(one, use_words(one), problem_words(one), count_states(recent.webhooks, one.sources)) for one in files]
        return render_page(
            self._deps, request, "mappings.html",
            here="mappings", files=shown, folder=self._deps.mappings_folder(), newest=f"{recent.limit:,}",
            drafts=await find_drafts(self._deps, [one for one in files if one.instead is None]),
            done=read_done(dict(request.query_params.items())),
        )  # fmt: skip

    async def mappings_json(self, _request: HttpRequest) -> Response:
        """The same for programs."""
        files, recent = await self._files.read_files(), (await self._deps.store.status_details()).recent
        drafts = await find_drafts(self._deps, [one for one in files if one.instead is None])
        return JSONResponse([
            _file_json(one, count_states(recent.webhooks, one.sources), () if one.instead else drafts[one.name])
            for one in files
        ])  # fmt: skip

    async def show_mapping(self, request: HttpRequest) -> Response:
        """One file with its text; once it is in use, where it was put into use just now."""
        done = request.query_params.get("did") == "use"
        find = self._files.wait_until_used if done else self._files.require_file
        one = await find(request.path_params["name"])
        recent = (await self._deps.store.status_details()).recent
        inside, others = split_problems(one)
        return render_page(
            self._deps, request, "mapping.html",
            here="mappings", file=one, done=done, use=use_words(one),
            problems=problem_words(one), at_lines=inside, others=others,
            counts=count_states(recent.webhooks, one.sources), lines=text_lines(decode_text(one.text.text), inside),
        )  # fmt: skip

    async def download_mapping(self, request: HttpRequest) -> Response:
        """The file as it is."""
        one = await self._files.require_file(request.path_params["name"])
        headers = {"Content-Disposition": f'attachment; filename="{one.name}.yaml"'}
        return Response(one.text.text, media_type="application/yaml", headers=headers)


def use_words(one: MappingFile) -> tuple[str, str]:
    """Whether a file is in use, and the tone of that."""
    if one.instead is not None:
        return f"not in use: {one.instead} is used instead", ""
    if one.is_in_use:
        return "in use", "good"
    if one.used is not None:
        return ("the text from before its errors is in use" if one.errors else "changed since it was loaded"), "wait"
    return ("its webhooks are not translated" if one.errors else "not loaded yet"), "bad"


def problem_words(one: MappingFile) -> str:
    """How many problems a file has; empty for none."""
    counts = ((one.errors, "error"), (one.warnings, "warning"))
    return ", ".join(count_words(len(found), word) for found, word in counts if found)


def count_states(counts: Sequence[TopicCount], sources: Sequence[str]) -> MappingCounts:
    """The newest webhooks of these sources by their states."""
    states: dict[str, int] = {}
    for one in counts:
        if one.source in sources:
            states[one.state] = states.get(one.state, 0) + one.count
    return MappingCounts(states)


def split_problems(one: MappingFile) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """The problems at lines of the file, and those of its examples."""
    problems = one.checked.problems
    inside = tuple(each for each in problems if each.place.path == one.path.name)
    return inside, tuple(each for each in problems if each not in inside)


def decode_text(content: bytes) -> str:
    """A mapping's text with the line ends that its problems count."""
    return content.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def text_lines(text: str, problems: Sequence[Problem]) -> list[TextLine]:
    """Every line, with the problems at it."""
    found: dict[int, list[Problem]] = {}
    lines = text.removesuffix("\n").split("\n")
    for one in problems:
        found.setdefault(min(one.place.line, len(lines)), []).append(one)
    return [
        TextLine(number, _depth_of(line), make_visible(line.strip()), tuple(found.get(number, ())))
        for number, line in enumerate(lines, start=1)
    ]


def _depth_of(line: str) -> int:
    return min((len(line) - len(line.lstrip())) // 2, 11)


def _file_json(one: MappingFile, counts: MappingCounts, drafts: Sequence[KeptDraft]) -> dict[str, object]:
    return {
        "name": one.name, "file": one.path.name, "own": one.is_own, "provider": one.checked.provider,
        "title": one.checked.title, "sources": list(one.sources), "sha256": one.text.digest.hex(),
        "use": use_words(one)[0], "examples": one.checked.examples, "webhooks": dict(counts.states),
        "drafts": [{"who": each.who, "at": each.at} for each in drafts],
        "problems": [
            {
                "path": each.place.path, "line": each.place.line, "column": each.place.column,
                "severity": each.severity, "text": "\n".join((each.text, *each.details)),
            }
            for each in one.checked.problems
        ],
    }  # fmt: skip
