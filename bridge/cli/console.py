"""`trackbridge console`: print a link that opens the web console, once, within five minutes.

Whoever may read the store may open the console: the code of the link is kept there, by its SHA-256.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from bridge import settings
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store
from bridge.cli.options import command_options, config_option, option
from bridge.cli.terminal import print_text
from bridge.core.errors import SettingsError
from bridge.http.console_keys import ConsoleKey, keep_console_key
from bridge.http.login_codes import CODE_LASTS, CODE_SIZE, code_digest, format_code
from bridge.runtime.console_address_file import read_console_address
from bridge.runtime.roles import WEB
from bridge.settings.addresses import read_addresses
from bridge.settings.console import ConsoleSettings, console_address
from bridge.settings.table import ADMIN
from bridge.store.engines import beside_store, watch_role


@command_options
class ConsoleOptions:
    """The options of `console`."""

    key: str | None = option(str, "NAME", meaning="the key of BRIDGE_CONSOLE_KEYS to log in as (default: the first)")
    config: Path | None = config_option()


def run_console(options: ConsoleOptions) -> int:
    """Print the link. `trackbridge serve` may run on the store or not."""
    environment = read_environment(options.config)
    console = settings.console_settings(environment)
    if not console.is_on:
        raise SettingsError("the console is off: BRIDGE_CONSOLE is 0; set it to 1 and restart serve")
    key = _chosen_key(console, options.key, settings.store_url(environment))
    code = asyncio.run(_keep_code(key))
    print_text(f"{_console_address(console, environment)}/login#code={code}")
    print_text(f"opens the console as {key.name} ({key.role}), once, until {CODE_LASTS.seconds // 60} minutes from now")
    return 0


def _chosen_key(console: ConsoleSettings, name: str | None, store: str) -> ConsoleKey:
    if not console.keys:
        if name is not None:
            raise SettingsError("--key names a key of BRIDGE_CONSOLE_KEYS, and that is not set")
        return keep_console_key(beside_store(store))
    for one in console.keys:
        if name in {None, one.name}:
            return one
    raise SettingsError(f"--key: there is no such key; known are {', '.join(one.name for one in console.keys)}")


async def _keep_code(key: ConsoleKey) -> str:
    code, now = format_code(secrets.token_bytes(CODE_SIZE)), datetime.now(UTC)
    store = existing_store()
    try:
        await store.add_login_code(code_digest(code), key=key.digest, until=now + CODE_LASTS, now=now)
    finally:
        await store.close()
    return code


def _console_address(console: ConsoleSettings, environment: Mapping[str, str]) -> str:
    """Where it stands by the settings; where `serve` runs on this store, as it says itself (it may have a `--port`)."""
    store = settings.store_url(environment)
    if not console.url and watch_role(store, WEB)():
        running = read_console_address(beside_store(store))
        if running is not None:
            return running
    admin, at = ADMIN.read(environment), read_addresses(environment)
    return console_address(console, admin or (at.host, at.port), prefix="" if admin else at.prefix)
