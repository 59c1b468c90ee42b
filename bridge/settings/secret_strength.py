"""Which secrets and API keys are so short that they could be guessed.

Messages name the source or key and where it is set, never its text. Keys that are set as SHA-256 cannot be measured,
and the keys of destinations are not ours to judge.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from bridge import signature
from bridge.core.model import Problem, SourceLocation
from bridge.http.api_keys import SHORTEST_KEY
from bridge.mapping import BrokenMapping
from bridge.mapping import Mapping as ProviderMapping
from bridge.settings import KeySettings, Settings, SourceSettings
from bridge.signature import Recipe, SigningKeys


def strength_problems(
    configured: Settings, mappings: Mapping[str, ProviderMapping | BrokenMapping], *, known: Collection[str] = ()
) -> tuple[Problem, ...]:
    """What is too short, sources first; secrets that are `known` already are left out.

    A secret is measured as the mapping reads it: decoded bytes where it is base64 or hex, the password alone where it
    is `user:password`, nothing of what `strip_prefix` takes off. Public keys are no secrets. Raises SettingsError for a
    secret that cannot be read.
    """
    found: list[Problem] = []
    for source in configured.sources:
        recipe = mappings[source.mapping].recipe if source.mapping in mappings else None
        if recipe is not None:
            found += _of_source(source, recipe, known)
    return (*found, *(problem for key in configured.keys for problem in _of_key(key)))


def _of_source(source: SourceSettings, recipe: Recipe, known: Collection[str]) -> Iterator[Problem]:
    count = len(source.secrets)
    for number, secret in enumerate(source.secrets, 1):
        if secret not in known and _is_short(recipe, signature.read_keys(recipe, (secret,))):
            which = f"secret {number} of {count}" if count > 1 else "the secret"
            yield Problem(
                source.places[number - 1] if number <= len(source.places) else SourceLocation(source.name, 1, 1),
                "error",
                f"source `{source.name}`: {which} is shorter than {SHORTEST_KEY} characters and could be guessed; "
                "set one that the provider made, or make one with `openssl rand -hex 24` and give it to the provider",
            )


def _is_short(recipe: Recipe, keys: SigningKeys) -> bool:
    [key] = keys.values
    if not isinstance(key, bytes):
        return False
    if recipe.proof.kind is signature.SchemeKind.BASIC:
        key = key.partition(b":")[2]
    return len(key) < SHORTEST_KEY


def _of_key(key: KeySettings) -> Iterator[Problem]:
    if not key.key.startswith("sha256:") and len(key.key) < SHORTEST_KEY:
        yield Problem(
            key.place or SourceLocation(key.name, 1, 1),
            "error",
            f"the API key `{key.name}` is shorter than {SHORTEST_KEY} characters and could be guessed; make one with "
            "`openssl rand -hex 24`",
        )
