"""The mappings in use and the sources that they and the settings make.

A mapping with errors is one of them: it stops its own source only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

from bridge import mapping
from bridge.core import log
from bridge.core.errors import SettingsError
from bridge.core.model import SourceLocation
from bridge.core.source import DefectEffect, MappingDefect, Source
from bridge.core.suggestions import suggest_or_list
from bridge.mapping.files import mapping_files
from bridge.settings.model import Settings, SourceSettings

LoadedMapping: TypeAlias = mapping.Mapping | mapping.BrokenMapping
_MEND = "see trackbridge check; a reload or restart takes the mended file"


def load_mappings(
    extra: Path | None, *, previous: Mapping[str, LoadedMapping] | None = None
) -> dict[str, LoadedMapping]:
    """Every mapping by its provider, those with errors too; the operator's override the shipped ones.

    Where a mapping has errors and `previous` holds it without, that one stays in use.
    """
    loaded: dict[str, LoadedMapping] = {}
    for path in mapping_files(extra):
        one = mapping.read_or_break(path)
        if isinstance(one, mapping.BrokenMapping):
            one = _last_good(one, previous or {})
        loaded[one.provider] = one
    return loaded


def _last_good(broken: mapping.BrokenMapping, previous: Mapping[str, LoadedMapping]) -> LoadedMapping:
    """The mapping that was in use before its file had errors; the broken one where there is none."""
    before = [previous[broken.provider]] if broken.provider in previous else []
    if not broken.is_named:
        before += [one for one in previous.values() if one.name == broken.name]
    good = next((one for one in before if isinstance(one, mapping.Mapping)), None)
    return broken if good is None else replace(good, newer=broken.problems)


def make_sources(configured: Settings, mappings: Mapping[str, LoadedMapping]) -> dict[str, Source]:
    """Every source by its name: those that were set, and each mapping's own, which waits for a secret."""
    sources: dict[str, Source] = {}
    for one in configured.sources:
        public_url = one.public_url or configured.addresses.source_url(one.name)
        try:
            sources[one.name] = _mapping_of(one, mappings).bind_source(
                one.name, secrets=one.secrets, vars=one.vars, to=one.to, public_url=public_url, scope=one.scope
            )
        except mapping.WrongVar as error:
            place = one.var_places.get(error.var)
            if isinstance(place, SourceLocation):
                raise SettingsError(error.text, place=place) from None
            raise SettingsError(f"{place}: {error}" if place else str(error)) from None
    for provider, one_mapping in mappings.items():
        if provider not in sources:
            sources[provider] = one_mapping.bind_source(provider, secrets=(), vars={})
    return sources


def _mapping_of(source: SourceSettings, mappings: Mapping[str, LoadedMapping]) -> LoadedMapping:
    """The mapping of a source. One that says no provider, for its errors, may be of any source that has none."""
    if source.mapping in mappings:
        return mappings[source.mapping]
    for one in mappings.values():
        if isinstance(one, mapping.BrokenMapping) and not one.is_named:
            return one
    hint = suggest_or_list(source.mapping, sorted(mappings))  # not repeated: `${NAME}` may have put a secret there
    raise SettingsError(f"source `{source.name}`: `mapping` names no mapping; {hint}")


def mapping_defects(sources: Mapping[str, Source]) -> tuple[tuple[str, MappingDefect], ...]:
    """The sources, by their names, whose mapping files have errors."""
    return tuple((name, one.defect) for name, one in sorted(sources.items()) if one.defect is not None)


def log_mapping_errors(one: LoadedMapping) -> None:
    """Log every error of a mapping's file, and what comes of them."""
    errors, is_kept = (one.newer, True) if isinstance(one, mapping.Mapping) else (one.problems, False)
    for problem in errors:
        log.log_warning("reload.problem" if is_kept else "mapping.problem", at=str(problem.place), error=problem.text)
    if is_kept and errors:
        log.log_warning("reload.refused", mapping=one.name, problems=len(errors), kept="the mapping from before")
    elif isinstance(one, mapping.BrokenMapping):
        effect = DefectEffect.REFUSED if one.recipe is None else DefectEffect.SET_ASIDE
        log.log_warning("mapping.broken", mapping=one.name, problems=len(errors), why=effect.value, mend=_MEND)
