"""`trackbridge send-event`: one event, now, to a destination that takes tests, and what its answer means.

It keeps nothing in the store but a new refresh token, and no other destination gets the event.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from bridge import contract
from bridge.app import utc_now
from bridge.cli.argument_parser import quote_argument
from bridge.cli.environment import read_environment
from bridge.cli.options import argument, command_options, config_option
from bridge.cli.send import read_file
from bridge.cli.terminal import print_text
from bridge.core import json_text
from bridge.core.access_token import RotatingTokenSource
from bridge.core.delivery import Outgoing
from bridge.core.errors import NotAnEvent, SettingsError
from bridge.core.model import Event
from bridge.core.suggestions import suggest_or_list
from bridge.destinations.protocol import Destination
from bridge.destinations.tools.trial import TEST_EVENT, TrialAnswer, make_trial_request
from bridge.pipeline.refresh_tokens import RefreshTokens
from bridge.pipeline.trial_sender import send_trial
from bridge.settings import Settings
from bridge.settings.destinations import make_destinations
from bridge.settings.load import load_configuration
from bridge.store.engines import open_store, require_log_of_serve


@command_options
class SendEventOptions:
    """The options of `send-event`."""

    destination: str = argument(str, "NAME", meaning="a destination with `test: true`")
    file: Path = argument(Path, "FILE", meaning="the event, as JSON")
    config: Path | None = config_option()


def run_send_event(options: SendEventOptions) -> int:
    """Send it and print what the answer means; 0 when it was delivered."""
    configured, _ = load_configuration(read_environment(options.config), options.config, tell=False)
    destinations = make_destinations(configured)
    destination = destinations.get(options.destination)
    if destination is None:
        raise SettingsError(
            f"there is no destination `{quote_argument(options.destination)}`; "
            f"{suggest_or_list(options.destination, destinations)}"
        )
    event = _read_test_event(options.file)
    reason = destination.skip_reason(event)
    if reason == TEST_EVENT:
        raise SettingsError(
            f"`{destination.name}` takes real events, and this one would count; name a destination with `test: true`"
        )
    if reason is not None:
        print_text(f"skipped: {reason}", error=True)
        return 1
    made = make_trial_request(destination, event, now=utc_now())
    if isinstance(made, str):
        print_text(made, error=True)
        return 1
    told = asyncio.run(_send_request(destination, made, configured))
    print_text(f"{destination.address} answered {told.status if told.status is not None else 'nothing'}")
    if told.answer:
        print_text(told.answer, lines=True)
    print_text(told.words)
    return 0 if told.is_delivered else 1


def _read_test_event(path: Path) -> Event:
    """The event in a file, as a test event of this moment unless it says when. Raises SettingsError."""
    try:
        document = json_text.parse_json(read_file(path))
        given = {**document, "test": True} if isinstance(document, dict) else document
        return contract.validate_event(
            given, origin="send-event", scope="", received_at=utc_now(), default_id="evt_test", dedupe=()
        )
    except NotAnEvent as error:
        raise SettingsError(f"{path}: {error.problems[0].text}") from None
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from None


async def _send_request(destination: Destination, made: Outgoing, configured: Settings) -> TrialAnswer:
    """What became of the request; the store is opened only where it has the refresh token."""
    if configured.seal_keys is None or not isinstance(made.token_source, RotatingTokenSource):
        return await send_trial(destination, made, clock=utc_now)
    require_log_of_serve(configured.store)
    store = open_store(configured.store, ledger_window=configured.keeping.ledger, bounds=configured.bounds)
    try:
        refresh_tokens = RefreshTokens(store, configured.seal_keys, clock=utc_now)
        return await send_trial(destination, made, clock=utc_now, refresh_tokens=refresh_tokens)
    finally:
        await store.close()
