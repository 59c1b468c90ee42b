"""What serves: the settings of now, and the sources and destinations that they and the mappings make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bridge.core import log
from bridge.core.errors import SettingsError
from bridge.destinations.reloadable import NOTHING_RELOADED, DestinationReload
from bridge.settings import Settings, secret_strength
from bridge.settings.destinations import make_destinations, make_router
from bridge.settings.sources import LoadedMapping, make_sources


class AppConfig:
    """Settings, and the sources and destinations that they and the mappings make, by their names."""

    def __init__(self, configured: Settings, mappings: Mapping[str, LoadedMapping]) -> None:
        self.settings = configured
        self.mappings = mappings
        self.sources = make_sources(configured, mappings)
        self.destinations = make_destinations(configured)
        self.route = make_router(self.destinations)

    def replace(
        self,
        configured: Settings,
        mappings: Mapping[str, LoadedMapping],
        reloaded: DestinationReload = NOTHING_RELOADED,
        *,
        tell: bool = True,
    ) -> None:
        """Serve other mappings, destination files and sources from the next request on; and tell alerts elsewhere.

        Raises SettingsError, also for a new secret that is too short, and then nothing has changed. Keys, limits and
        the options of destinations stay as they were at the start; `tell` is whether the log mentions other changes.
        """
        for one in configured.sources:
            for name in one.to or ():
                if name not in self.destinations:
                    raise SettingsError(f"source `{one.name}`: the destination `{name}` is new; restart to have it")
        known = {secret for one in self.settings.sources for secret in one.secrets}
        for problem in secret_strength.strength_problems(replace(configured, keys=()), mappings, known=known):
            raise SettingsError(problem.text, place=problem.place)
        self.sources = make_sources(configured, mappings)
        self.mappings = mappings
        before = self.settings
        fixed = replace(configured, sources=before.sources, alerts=before.alerts, warnings=before.warnings)
        if fixed != self.settings and tell:
            log.log_warning(
                "reload.partly", warning="settings other than sources and alerts have changed; restart to have them"
            )
        self.settings = replace(
            before, sources=configured.sources, alerts=configured.alerts, newest_given=configured.given
        )
        reloaded.take()
