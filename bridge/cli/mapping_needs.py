"""What `status` says of mappings with errors: what the running worker says, and what is in the files now."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.core.source import MappingDefect
from bridge.runtime.defects_file import read_defects
from bridge.runtime.roles import WORKER
from bridge.settings import Settings
from bridge.settings.sources import LoadedMapping, make_sources, mapping_defects
from bridge.status.report import BROKEN_MAPPING_CAUSE, Finding
from bridge.store.engines import beside_store, watch_role

_MEND = "mend it as `trackbridge check` says"


def mapping_needs(configured: Settings, mappings: Mapping[str, LoadedMapping]) -> tuple[Finding, ...]:
    """One for each source whose mapping has errors, in the running worker or in the files here."""
    store = beside_store(configured.store)
    running = watch_role(configured.store, WORKER)()
    loaded = read_defects(store) if running else {}
    needs = [_finding(source, f"{text}; {_MEND}, then reload (SIGHUP)") for source, text in loaded.items()]
    for source, defect in mapping_defects(make_sources(configured, mappings)):
        if not loaded.get(source, "").startswith(defect.reason):
            needs.append(_finding(source, _of_file(defect, running=running)))
    return tuple(needs)


def _finding(source: str, text: str) -> Finding:
    return Finding(BROKEN_MAPPING_CAUSE, f"{source}: {text}", subject=source)


def _of_file(defect: MappingDefect, *, running: bool) -> str:
    if running:
        return f"{defect.reason}; `serve` has not loaded this file: {_MEND} before you reload or restart"
    return f"{defect}; {_MEND}"
