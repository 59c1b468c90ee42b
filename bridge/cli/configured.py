"""The settings of this shell as a status knows them, and why `serve` could not start with them, if it could not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bridge import settings
from bridge.app import utc_now
from bridge.cli.mapping_needs import mapping_needs
from bridge.core.errors import BridgeError
from bridge.settings.app_config import AppConfig
from bridge.settings.describe import describe_bridge
from bridge.settings.load import load_configuration
from bridge.status.configured import ConfiguredBridge
from bridge.status.report import Finding, Findings
from bridge.status.spool import find_spool_troubles


def configured_bridge(environment: Mapping[str, str], config: Path | None) -> ConfiguredBridge:
    """What a status needs to know of an environment and its settings file."""
    try:
        configured, mappings = load_configuration(environment, config, tell=False)
        app_config = AppConfig(configured, mappings)
        broken = mapping_needs(configured, mappings)
    except BridgeError as error:
        return ConfiguredBridge(cannot_start=(Finding("settings", f"`trackbridge serve` cannot start: {error}"),))
    filed = {one.name for one in configured.sources if settings.secret_name(one.name) not in environment}
    described = describe_bridge(app_config.settings, mappings, app_config.destinations, filed=filed)
    found = Findings(broken) + described.findings
    if configured.spool is not None:
        found += find_spool_troubles(configured.spool, now=utc_now())
    return replace(described, findings=found)
