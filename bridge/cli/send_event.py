"""`trackbridge send-event`: one event, now, to a destination that takes tests, and what its answer means.

It keeps nothing in the store, and no other destination gets the event.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from bridge import contract
from bridge.app import make_destinations, utc_now
from bridge.cli.argument_parser import quote_argument
from bridge.cli.environment import read_environment
from bridge.cli.options import argument, command_options, config_option
from bridge.cli.send import read_file
from bridge.cli.terminal import print_text
from bridge.core import json_text
from bridge.core.delivery import Delivered, Delivery, Outcome, Outgoing, Response
from bridge.core.errors import NotAnEvent, SettingsError
from bridge.core.model import Event
from bridge.core.suggestions import suggest_or_list
from bridge.destinations.protocol import Destination
from bridge.destinations.tools.described import describe_outcome, describe_unsent
from bridge.pipeline.access_tokens import AccessTokens, TokenRefused
from bridge.pipeline.http_client import open_client
from bridge.pipeline.kept_answer import clean_outcome, kept_answer
from bridge.pipeline.retry_policy import RetryPolicy
from bridge.settings.load import load_configuration


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
    if reason == "test event":
        raise SettingsError(
            f"`{destination.name}` takes real events, and this one would count; name a destination with `test: true`"
        )
    if reason is not None:
        print_text(f"skipped: {reason}", error=True)
        return 1
    delivery = Delivery(0, destination.name, event.id, event.text, 0)
    [made] = destination.make_requests([delivery], now=utc_now())
    if not isinstance(made, Outgoing):
        [told] = describe_unsent(made)
        print_text("; ".join(f"{word}: {text}" for word, text in told.items()), error=True)
        return 1
    response, outcome, answer = asyncio.run(_send_request(destination, made))
    print_text(f"{destination.address} answered {response.status if response.status is not None else 'nothing'}")
    if answer:
        print_text(answer, lines=True)
    print_text(_outcome_line(outcome))
    return 0 if isinstance(outcome, Delivered) else 1


def _outcome_line(outcome: Outcome) -> str:
    told = describe_outcome(outcome)
    return told if isinstance(told, str) else "; ".join(f"{word}: {text}" for word, text in told.items())


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


async def _send_request(destination: Destination, made: Outgoing) -> tuple[Response, Outcome, str]:
    """The answer, what it means, and its beginning, without secrets."""
    async with open_client(RetryPolicy().timeout) as send:
        try:
            if made.token_source is not None:
                response, made = await AccessTokens(utc_now).send_with_token(made, made.token_source, send)
            else:
                response = await send(made)
        except TokenRefused as error:
            return Response(None), error.outcome, ""
    outcome = destination.read_response(response, sent=1, now=utc_now())
    return response, clean_outcome(outcome, made), kept_answer(response, made)
