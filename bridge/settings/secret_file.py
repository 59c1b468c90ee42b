"""Where the console may put a source's signing secret: into `.env` beside the settings file that `serve` reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.settings import secret_name, secret_strength
from bridge.settings.env_file import ENV_FILE, read_env_file, write_env_value
from bridge.settings.model import Settings, SourceSettings
from bridge.settings.sources import LoadedMapping
from bridge.settings.table import CONFIG
from bridge.settings.values import split_list
from bridge.status.listed_settings import SecretFile
from bridge.store.engines import is_on_server


def find_secret_file(configured: Settings, source: str) -> SecretFile:
    """The file for the secret of a source. Nothing is written."""
    config = next((one.text for one in configured.given if one.name == CONFIG.name), CONFIG.default)
    path = Path(config).with_name(ENV_FILE).absolute()
    why_not = next(_reasons_against(configured, source, path), None)
    return SecretFile(path) if why_not is None else SecretFile(None, why_not)


def _reasons_against(configured: Settings, source: str, path: Path) -> Iterator[str]:
    name = secret_name(source)
    given = {one.name: one for one in (configured.newest_given or configured.given)}
    if is_on_server(configured.store):
        yield "Every machine that shares the store needs it."
    if name not in given and any(one.name == source and one.secrets for one in configured.sources):
        yield "The secrets of this source are in the settings file."
    if name in given and given[name].place == "the environment":
        yield f"{name} is set in the environment of serve, which comes before .env."
    if CONFIG.name not in given:
        yield f"serve reads .env only beside a settings file, and there is no {CONFIG.default}."
    try:
        read_env_file(path)
    except SettingsError as error:
        yield f"{error}."
    if not os.access(path.resolve().parent, os.W_OK):
        yield f"serve may not write to the folder of {path}."


def save_secret(configured: Settings, mappings: Mapping[str, LoadedMapping], source: str, secret: str) -> None:
    """Put a secret into the file; a reload takes it. Raises SettingsError, and then nothing has changed.

    It is refused, and never repeated, where the mapping cannot read it, or where it is so short that it can be guessed.
    """
    name, file = secret_name(source), find_secret_file(configured, source)
    if file.path is None:
        raise SettingsError(f"{name} cannot be set from here: {file.why_not}")
    if "'" in secret or not secret.isprintable():
        raise SettingsError("this holds a quote or a sign that cannot be printed: copy only the secret, and all of it")
    found = next((one for one in configured.sources if one.name == source), SourceSettings(source, source))
    tried = replace(found, secrets=split_list(name, secret), places=())
    if secret_strength.strength_problems(replace(configured, sources=(tried,), keys=()), mappings):
        raise SettingsError("this is too short for a signing secret: copy all of what the provider shows")
    write_env_value(file.path, name, secret)
