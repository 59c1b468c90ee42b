"""A signed webhook to try a source with, from the examples beside its mapping's file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bridge.core.source import Source
from bridge.mapping import BrokenMapping
from bridge.mapping.files import mapping_files
from bridge.mapping.tools.sample_webhook import SampleWebhook, find_sample, read_samples
from bridge.settings.model import Settings
from bridge.settings.sources import LoadedMapping


def make_source_sample(
    configured: Settings, mappings: Mapping[str, LoadedMapping], source: Source, *, now: datetime, nonce: str
) -> SampleWebhook | None:
    """The sample; None where no example of the mapping becomes events. It reads files. Raises SettingsError."""
    provider = next((one.mapping for one in configured.sources if one.name == source.name), source.name)
    mapping = mappings.get(provider)
    if mapping is None or isinstance(mapping, BrokenMapping):
        return None
    paths = [path for path in mapping_files(configured.mappings) if path.name == mapping.name]
    examples = read_samples(mapping, paths[-1]) if paths else []
    return find_sample(source, mapping, examples, now=now, nonce=nonce)
