"""Every setting as it is listed. No secret is in it, and no address of a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bridge.settings.model import GivenSetting, Settings
from bridge.settings.table import CONFIG, SECRET_SUFFIX, STORE, TABLE, VAR, WEBHOOK_SECRET, Setting
from bridge.status.listed_settings import ListedApiKey, ListedSetting, SettingsListing
from bridge.store.engines import shown_store


def list_settings(configured: Settings) -> SettingsListing:
    """The rows of the table, with each secret and var that is set in the place of their two rows."""
    given = {one.name: one for one in configured.given}
    newest = given if configured.newest_given is None else {one.name: one for one in configured.newest_given}
    config = given.get(CONFIG.name)
    return SettingsListing(
        settings=tuple(_list_rows(given, newest)),
        api_keys=tuple(
            ListedApiKey(one.name, one.rate, one.scope, one.to, one.place.path if one.place else "")
            for one in configured.keys
        ),
        file=config.text if config else None,
    )


def _list_rows(given: Mapping[str, GivenSetting], newest: Mapping[str, GivenSetting]) -> Iterator[ListedSetting]:
    table = {row.name for row in TABLE}
    for row in TABLE:
        names = [row.name]
        if row in {WEBHOOK_SECRET, VAR}:
            own = [name for name in newest if name not in table]
            names = [name for name in own if name.endswith(SECRET_SUFFIX) == (row is WEBHOOK_SECRET)] or names
        for name in names:
            yield _list_row(row, name, given.get(name), newest.get(name))


def _list_row(row: Setting[Any], name: str, given: GivenSetting | None, newest: GivenSetting | None) -> ListedSetting:
    used = newest if row.reloads else given
    texts = [one.text if one else None for one in (given, newest)]
    return ListedSetting(
        name=name,
        meaning=row.meaning,
        default=row.default,
        value=None if used is None or row.is_private else _shown_value(name, used.text),
        place=used.place if used else None,
        reloads=row.reloads,
        is_changed=not row.reloads and texts[0] != texts[1],
    )


def _shown_value(name: str, text: str) -> str:
    """The value as people may see it: the store's URL may hold a password."""
    return shown_store(text) if name == STORE.name else text
