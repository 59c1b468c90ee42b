"""`trackbridge connect NAME`: a person authorises trackbridge in a browser, and the first refresh token is kept.

That of a destination is kept in the store, sealed; Google's becomes a setting, in `.env`.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from pathlib import Path

from bridge.app import utc_now
from bridge.cli.acting_person import name_of_person
from bridge.cli.argument_parser import quote_argument
from bridge.cli.environment import read_environment
from bridge.cli.google_client import GOOGLE, find_env_file, read_google_client, tell_google_setting
from bridge.cli.options import argument, command_options, config_option, flag_option, option
from bridge.cli.redirect_listener import RedirectListener, TypedLines, open_listener
from bridge.cli.terminal import print_text
from bridge.core import json_text
from bridge.core.access_token import AccessToken, TokenDenied
from bridge.core.delivery import Outgoing
from bridge.core.errors import SettingsError
from bridge.core.json_text import Json
from bridge.core.suggestions import suggest_or_list
from bridge.destinations.engine.authorization import Authorization, NoSuchRedirect
from bridge.destinations.engine.oauth2_tokens import OAuth2Tokens
from bridge.destinations.engine.token_endpoint import read_token_answer
from bridge.destinations.reloadable import ReloadableDestination
from bridge.pipeline.http_client import open_client
from bridge.pipeline.kept_answer import remove_secrets
from bridge.pipeline.refresh_tokens import RefreshTokens
from bridge.pipeline.retry_policy import RetryPolicy
from bridge.settings import Settings
from bridge.settings.destinations import make_destinations
from bridge.settings.load import load_configuration
from bridge.store.by_hand import ActingPerson, resume_by_hand
from bridge.store.engines import open_store, require_log_of_serve

PATIENCE = timedelta(minutes=10)
"""How long the redirect is waited for: platforms let a login expire about then."""


@command_options
class ConnectOptions:
    """The options of `connect`."""

    destination: str = argument(str, "NAME", meaning=f"a destination whose kind has `oauth2`, or `{GOOGLE}`")
    client: Path | None = option(
        Path, "FILE", meaning=f"for {GOOGLE}: the JSON of an OAuth client, type *Desktop app*, from Google Cloud"
    )
    redirect: str | None = option(
        str, "ADDRESS", meaning="the redirect address registered at the platform (default: a free port of 127.0.0.1)"
    )
    print: bool = flag_option(f"for {GOOGLE}: print the setting, and write nothing")
    config: Path | None = config_option()


def run_connect(options: ConnectOptions) -> int:
    """Say which address to open, wait for the redirect, and keep the refresh token."""
    if options.client is not None:
        return _connect_google(options, options.client)
    configured, _ = load_configuration(read_environment(options.config), options.config, tell=False)
    return asyncio.run(_connect_destination(configured, _read_tokens(options, configured), options.redirect))


async def _connect_destination(configured: Settings, tokens: OAuth2Tokens, redirect: str | None) -> int:
    """Keep the refresh token sealed, and let a paused destination be probed at once."""
    assert configured.seal_keys is not None  # noqa: S101  no destination that needs them was made without
    require_log_of_serve(configured.store)
    store = open_store(configured.store, ledger_window=configured.keeping.ledger, bounds=configured.bounds)
    try:
        refresh_token = await _authorize(tokens, redirect)
        await RefreshTokens(store, configured.seal_keys, clock=utc_now).keep_token(tokens, refresh_token)
        by = ActingPerson(name_of_person(None), utc_now())
        was_paused = await resume_by_hand(store, tokens.destination, by)
    finally:
        await store.close()
    print_text(f"{tokens.destination} is connected: its refresh token is in the store, sealed with BRIDGE_SEAL_KEY")
    if was_paused:
        print_text("it was paused, and is probed as soon as `trackbridge serve` runs")
    return 0


def _read_tokens(options: ConnectOptions, configured: Settings) -> OAuth2Tokens:
    """The tokens of the destination that was named. Raises SettingsError."""
    destinations = make_destinations(configured)
    destination = destinations.get(options.destination)
    if options.destination == GOOGLE and not _has_oauth2(destination):
        raise SettingsError(
            "Google needs an OAuth client: in Google Cloud, under *APIs & Services, Credentials*, make one of the type "
            f"*Desktop app*, download its JSON, and type `trackbridge connect {GOOGLE} --client FILE`"
        )
    if destination is None:
        raise SettingsError(
            f"there is no destination `{quote_argument(options.destination)}`; "
            f"{suggest_or_list(options.destination, destinations)}"
        )
    source = destination.token_source if isinstance(destination, ReloadableDestination) else None
    if not isinstance(source, OAuth2Tokens):
        raise SettingsError(f"`{destination.name}` needs no refresh token; what it needs is in its settings")
    if source.client.authorize_url is None:
        raise SettingsError(
            f"the file of `{destination.name}` has no `authorize_url`; get a refresh token from the platform and set it"
        )
    return source


def _has_oauth2(destination: object) -> bool:
    return isinstance(destination, ReloadableDestination) and isinstance(destination.token_source, OAuth2Tokens)


def _connect_google(options: ConnectOptions, file: Path) -> int:
    if options.destination != GOOGLE:
        raise SettingsError(f"--client is for `trackbridge connect {GOOGLE}` alone; leave it out")
    tokens, env_file = read_google_client(file), None if options.print else find_env_file(options.config)
    fields: dict[str, Json] = {
        "client_id": tokens.client.client_id,
        "client_secret": tokens.client.client_secret,
        "refresh_token": asyncio.run(_authorize(tokens, options.redirect)),
    }
    setting = json_text.write_json(fields).decode().replace("'", "\\u0027")
    tell_google_setting(setting, env_file=env_file, config=options.config)
    return 0


# ------------------------------------------------------------------------------------------------- in the browser


async def _authorize(tokens: OAuth2Tokens, redirect: str | None) -> str:
    """The refresh token that the platform gives when a person has agreed. Raises SettingsError."""
    async with open_listener(redirect) as (listener, address):
        authorization = Authorization(
            tokens.client.authorize_url or "",
            tokens.client.client_id,
            tokens.client.scope,
            address,
            state=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
        )
        listener.expect(authorization)
        print_text("Open this address in a browser, and agree:\n", lines=True)
        print_text(authorization.address)
        print_text(
            f"\nIt leads back to {address}. If the browser is on another machine and cannot open that, copy the whole "
            "address from its address bar, paste it here, and press Enter.",
            lines=True,
        )
        code = await _wait_for_code(listener)
    return await _exchange_code(tokens, authorization, code)


async def _wait_for_code(listener: RedirectListener) -> str:
    def take_line(line: str) -> None:
        try:
            listener.take_redirect(line)
        except NoSuchRedirect as error:
            print_text(str(error), error=True)

    try:
        async with TypedLines(take_line).reading(), asyncio.timeout(PATIENCE.total_seconds()):
            return await listener.code
    except TimeoutError:
        minutes = PATIENCE // timedelta(minutes=1)
        raise SettingsError(f"nobody has agreed within {minutes} minutes; type the command again") from None


async def _exchange_code(tokens: OAuth2Tokens, authorization: Authorization, code: str) -> str:
    asked = tokens.make_client_request(authorization.make_exchange_form(code))
    hidden = (*asked.secrets, ("code", code), ("code_verifier", authorization.verifier))
    outgoing = Outgoing(asked.url, asked.headers, asked.body, (), secrets=hidden)
    async with open_client(RetryPolicy().timeout) as send:
        response = await send(outgoing)
    told = response.text if response.status is not None else response.failure or ""
    match read_token_answer(response.status, told):
        case TokenDenied(reason):
            raise SettingsError(f"the platform did not exchange the code: {remove_secrets(reason, outgoing)}")
        case AccessToken(refresh_token=str(refresh_token)):
            return refresh_token
        case AccessToken():
            raise SettingsError(
                "the platform gave an access token, but no refresh token; many want a scope for that, such as "
                "`offline_access`, or a parameter in `authorize_url`"
            )
