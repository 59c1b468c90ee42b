"""Which settings the environment holds, each with its text and its place, as they were read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bridge.core.environment_names import environment_name, var_environment_name
from bridge.settings.env_file import Environment
from bridge.settings.model import GivenSetting, SourceSettings
from bridge.settings.table import CONFIG, SECRET_SUFFIX, TABLE


def find_given(
    environment: Mapping[str, str], sources: Sequence[SourceSettings], config: Path | None
) -> tuple[GivenSetting, ...]:
    """Every setting that is not blank, those of the table first; `config` is the settings file that was read."""
    names = [row.name for row in TABLE]
    for one in sources:
        names += [f"{environment_name(one.name)}{SECRET_SUFFIX}"]
        names += [name for var in one.vars if (name := var_environment_name(one.name, var)) in environment]
    return tuple(_each_given(environment, names, config))


def _each_given(environment: Mapping[str, str], names: Sequence[str], config: Path | None) -> Iterator[GivenSetting]:
    for name in dict.fromkeys(names):
        text = environment.get(name, "")
        if name == CONFIG.name and config is not None and text != str(config):
            yield GivenSetting(name, str(config), "--config")
        elif text.strip():
            yield GivenSetting(name, text, _place_words(environment, name))


def _place_words(environment: Mapping[str, str], name: str) -> str:
    if not isinstance(environment, Environment):
        return "the environment"
    if name == CONFIG.name and environment.has_found_config:
        return f"the working folder, which has a {CONFIG.default}"
    place = environment.place_of(name)
    return f"{place.path}, line {place.line}" if place else "the environment"
