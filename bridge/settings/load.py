"""Loads settings and mappings together, as every command does, and logs what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bridge import settings
from bridge.core import log
from bridge.settings import Settings, secret_strength
from bridge.settings.sources import LoadedMapping, load_mappings, log_mapping_errors
from bridge.settings.table import MAPPINGS


def load_configuration(
    environment: Mapping[str, str],
    config: Path | None,
    *,
    tell: bool = True,
    previous: Mapping[str, LoadedMapping] | None = None,
) -> tuple[Settings, dict[str, LoadedMapping]]:
    """The settings and mappings of an environment. Raises SettingsError.

    `tell` is whether warnings go to the log. On a reload `previous` are the mappings in use: those without errors stay,
    where their files have some now.
    """
    mappings = load_mappings(MAPPINGS.read(environment), previous=previous)
    configured = settings.load_settings(
        environment, providers={name: one.vars for name, one in mappings.items()}, config=config
    )
    for warning in configured.warnings if tell else ():
        log.log_warning("settings", warning=warning)
    if tell:
        for one in mappings.values():
            log_mapping_errors(one)
        _tell_weak(configured, mappings)
    return configured, mappings


def _tell_weak(configured: Settings, mappings: Mapping[str, LoadedMapping]) -> None:
    """Log what `check` refuses of the mappings, secrets and keys in use; the bridge runs with them all the same."""
    used = {one.mapping for one in configured.sources} & mappings.keys()
    for problem in (problem for name in sorted(used) for problem in mappings[name].weak):
        log.log_warning("mapping.weak", at=str(problem.place), warning=problem.text)
    for problem in secret_strength.strength_problems(configured, mappings):
        log.log_warning("settings.weak", at=str(problem.place), warning=problem.text)
