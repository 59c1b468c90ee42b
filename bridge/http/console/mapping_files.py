"""The mapping files that serve loads, as the console shows them: their problems, and whether they are in use."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bridge.core.errors import NotFound
from bridge.core.mapping_text import MappingText
from bridge.core.model import Problem, SourceLocation
from bridge.core.regular_file import read_regular_file
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.mapping_process import MappingProcess, TrialFailed
from bridge.http.console.mapping_trial import CheckedMapping, CheckQuestion
from bridge.mapping import Mapping as UsableMapping
from bridge.mapping.broken import guess_provider
from bridge.mapping.files import example_files, mapping_files

_LOOKS, _LOOK = 60, 0.05
"""How often, and after how many seconds, it is looked whether a reload was taken; it usually takes 0.2 s."""
Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class MappingFile:
    """A file, its text, and what `check` says of it. `sources` are those that it would serve.

    `used` is the text that is in use for its provider, None where none is. `is_own` is whether it is in the operator's
    folder; `instead` names the file that is used instead of it.
    """

    path: Path
    text: MappingText
    is_own: bool
    checked: CheckedMapping
    sources: tuple[str, ...] = ()
    used: MappingText | None = None
    instead: str | None = None

    @property
    def name(self) -> str:
        """What addresses call it: its name without `.yaml`."""
        return self.path.stem

    @property
    def is_in_use(self) -> bool:
        """Whether this very text is in use."""
        return self.used is not None and self.used.text == self.text.text

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Its errors."""
        return tuple(one for one in self.checked.problems if one.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Its warnings."""
        return tuple(one for one in self.checked.problems if one.severity == "warning")


@dataclass(slots=True)
class MappingFiles:
    """Reads them. What the child said of a file is remembered until it or an example beside it changes."""

    deps: ConsoleDeps
    process: MappingProcess
    _checked: dict[Path, tuple[Stamp, CheckedMapping]] = field(default_factory=dict)

    async def read_files(self) -> list[MappingFile]:
        """Every file, those in use first. One that the child cannot check has a problem that says so."""
        found = await self._find_texts()
        files = [await self._describe(one, found) for one in found]
        return sorted(files, key=lambda one: (one.instead is not None, one.name))

    async def require_file(self, name: str) -> MappingFile:
        """The file of that name; of two the one in use. Raises NotFound."""
        found = await self._find_texts()
        for one in sorted(found, key=lambda one: _last_of(one.provider, found) is not one):
            if one.path.stem == name:
                return await self._describe(one, found)
        raise NotFound("there is no such mapping")

    async def wait_until_used(self, name: str) -> MappingFile:
        """The same once this process uses its text, or after as long as a reload may take."""
        for _ in range(_LOOKS):
            if (one := await self.require_file(name)).is_in_use:
                break
            await asyncio.sleep(_LOOK)  # the reload is the supervisor's, which tells nobody here
        return one

    async def _find_texts(self) -> Sequence[_FoundFile]:
        return await asyncio.to_thread(_read_all, self.deps.mappings_folder())

    async def _describe(self, one: _FoundFile, found: Sequence[_FoundFile]) -> MappingFile:
        is_own, checked = one.path.parent == self.deps.mappings_folder(), await self._check(one)
        if (last := _last_of(one.provider, found)) is not one:
            return MappingFile(one.path, one.text, is_own, checked, instead=last.path.name)
        loaded = self.deps.mappings().get(one.provider)
        used = loaded.file_text if isinstance(loaded, UsableMapping) else None
        sources = tuple(each.name for each in self.deps.list_sources({}) if each.mapping == one.provider)
        return MappingFile(one.path, one.text, is_own, checked, sources, used)

    async def _check(self, one: _FoundFile) -> CheckedMapping:
        path, known = one.path, self._checked.get(one.path)
        providers = {one.provider, path.stem, *([known[1].provider] if known else ())}
        stamp = await asyncio.to_thread(_stamp_of, path, providers)
        if known is None or known[0] != stamp:
            try:
                known = stamp, await self.process.ask(CheckQuestion(path), CheckedMapping)
            except TrialFailed as error:
                place = SourceLocation(path.name, 1, 1)
                return CheckedMapping(path.stem, "", (Problem(place, "error", f"cannot be checked: {error}"),), 0)
            if known[1].provider in providers:  # else its examples were not looked at
                self._checked[path] = known
        return known[1]


@dataclass(frozen=True, slots=True)
class _FoundFile:
    """A file as it lies there; one that cannot be read has no text. The last one of a provider is the one in use."""

    path: Path
    text: MappingText
    provider: str


def _last_of(provider: str, found: Sequence[_FoundFile]) -> _FoundFile:
    return next(one for one in reversed(found) if one.provider == provider)


def _read_all(own: Path | None) -> Sequence[_FoundFile]:
    """Every file that serve loads, in its order. Runs in a thread."""
    found: list[_FoundFile] = []
    for path in mapping_files(own):
        try:
            content = read_regular_file(path)
        except OSError:
            content = b""
        provider = guess_provider(content.decode("utf-8", "replace")) or path.stem
        found.append(_FoundFile(path, MappingText(path.name, content), provider))
    return found


def _stamp_of(path: Path, providers: Collection[str]) -> Stamp:
    """Names, times and sizes of a file and of the examples of these providers beside it. Runs in a thread."""
    beside = [each for provider in sorted(providers) for each in example_files(path, provider)]
    states: list[tuple[str, int, int]] = []
    for each in (path, *beside):
        try:
            status = each.stat()
        except OSError:
            continue
        states.append((str(each), status.st_mtime_ns, status.st_size))
    return tuple(states)
