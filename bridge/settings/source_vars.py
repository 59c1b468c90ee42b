"""Vars of sources in the environment: `<SOURCE>_<VAR>`, such as `STRIPE_PURCHASE=payment_intent.succeeded`.

Only vars that the source's mapping declares are read; any other name of the environment is somebody else's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from bridge.core.environment_names import environment_name, var_environment_name
from bridge.core.errors import SettingsError
from bridge.core.suggestions import nearest_word
from bridge.settings.model import SourceSettings
from bridge.settings.table import SECRET_SUFFIX

_NEAR = 0.85
"""How alike two names are of which one may be the other, misspelt: two letters of a dozen."""


def with_source_vars(
    environment: Mapping[str, str], sources: Sequence[SourceSettings], declared: Mapping[str, Collection[str]]
) -> tuple[SourceSettings, ...]:
    """The sources with the vars that the environment gives them, and each mapping's own source that it gives any.

    `declared` holds the vars of each mapping by its provider. Where a name fits two sources, the source with the longer
    name counts. Raises SettingsError where both are equally long, and for a var that the settings file gives, too.
    """
    for one in sources:
        if environment_name(one.name) == "BRIDGE":
            raise SettingsError(f"a source cannot be called `{one.name}`: names like BRIDGE_STORE are settings")
    given: dict[str, dict[str, str]] = {}
    for name, (source, var) in _meanings(environment, sources, declared).items():
        if name in environment:
            given.setdefault(source, {})[var] = environment[name]
    known = {one.name for one in sources}
    own = [SourceSettings(name, name) for name in given if name not in known]
    return tuple(_with_vars(one, given.get(one.name, {})) for one in (*sources, *own))


def warn_of_near_names(
    environment: Mapping[str, str], sources: Sequence[SourceSettings], declared: Mapping[str, Collection[str]]
) -> Iterator[str]:
    """A warning for each name of the environment that is nearly one of a var."""
    known = _meanings(environment, sources, declared)
    prefixes = tuple({f"{environment_name(source)}_" for source, _ in known.values()})
    for name in sorted(environment):
        if name in known or name.endswith(SECRET_SUFFIX) or not name.startswith(prefixes):
            continue
        near = nearest_word(name, known, cutoff=_NEAR)
        if near:
            yield f"{name} is set and nothing reads it; did you mean {near}?"


def _meanings(
    environment: Mapping[str, str], sources: Sequence[SourceSettings], declared: Mapping[str, Collection[str]]
) -> dict[str, tuple[str, str]]:
    """The source and var that each name of the environment would set."""
    mappings = {provider: provider for provider in declared} | {one.name: one.mapping for one in sources}
    found: dict[str, tuple[str, str]] = {}
    for source in sorted(mappings, key=lambda name: len(environment_name(name))):
        for var in declared.get(mappings[source], ()):
            name = var_environment_name(source, var)
            other, _ = found.get(name, (source, var))
            if name in environment and other != source and environment_name(other) == environment_name(source):
                raise SettingsError(
                    f"the environment's {name} would be of two sources, `{other}` and `{source}`; rename one"
                )
            found[name] = (source, var)
    return found


def _with_vars(source: SourceSettings, given: Mapping[str, str]) -> SourceSettings:
    names = {var: var_environment_name(source.name, var) for var in given}
    for var, name in names.items():
        if var in source.vars:
            raise SettingsError(
                f"source `{source.name}`: the var `{var}` is set twice, in the file and as {name}; keep one"
            )
    if not given:
        return source
    return replace(source, vars={**source.vars, **given}, var_places={**source.var_places, **names})
