"""`trackbridge send`: sign a body as its provider would, and post it to a bridge."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from bridge.app import random_letters, utc_now
from bridge.cli.argument_parser import quote_argument
from bridge.cli.environment import read_environment
from bridge.cli.options import argument, command_options, config_option, option, required_option, topic_option
from bridge.cli.terminal import print_text
from bridge.core.errors import SettingsError
from bridge.core.regular_file import read_regular_file
from bridge.settings import secret_name
from bridge.settings.load import load_configuration
from bridge.settings.sources import make_sources

TIMEOUT = 30.0
SUCCESS = range(200, 300)


def _from_stdin(text: str) -> str:
    if text != "-":
        raise argparse.ArgumentTypeError(
            "a secret in an argument is seen by other users (ps) and stays in the shell's history; "
            "set <SOURCE>_WEBHOOK_SECRET, or write `--secret -` and give it on standard input"
        )
    return text


@command_options
class SendOptions:
    """The options of `send`."""

    source: str = argument(str, "SOURCE", meaning="a source's name; for the shipped mappings the provider's")
    file: Path = argument(Path, "FILE", meaning="the body, sent byte for byte")
    to: str = required_option(str, "URL", meaning="the bridge's address, or a full URL")
    topic: str | None = topic_option()
    secret: str | None = option(
        _from_stdin, "-",
        meaning="read the signing secret from standard input (default: the configured one, as $STRIPE_WEBHOOK_SECRET)",
    )  # fmt: skip
    config: Path | None = config_option()


def run_send(options: SendOptions) -> int:
    """Post it; 0 when it was answered 2xx, else 1 with the answer."""
    body = read_file(options.file)
    configured, mappings = load_configuration(read_environment(options.config), options.config)
    url = target_url(options.to, options.source, prefix=configured.addresses.prefix)
    sources = make_sources(configured, mappings)
    if options.source not in sources:
        known = ", ".join(sorted(sources))
        raise SettingsError(
            f"there is no source `{quote_argument(options.source)}`; known are {known}; is BRIDGE_MAPPINGS or "
            "BRIDGE_CONFIG set here too?"
        )
    secret = _typed_secret() if options.secret else None
    if secret is None and not sources[options.source].has_secret:
        name = secret_name(options.source)
        raise SettingsError(
            f"the source `{options.source}` has no secret here; set {name} as for serve, or give one on standard "
            "input: --secret -"
        )
    signed = sources[options.source].sign_body(
        body, topic=options.topic, now=utc_now(), nonce=random_letters(), secret=secret
    )
    full = f"{url}?{signed.query}" if signed.query else url
    try:
        with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
            answer = client.post(full, content=signed.body, headers=dict(signed.headers))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise SettingsError(
            f"{_public_part(url)} gave no answer ({type(error).__name__}); is `trackbridge serve` running there?"
        ) from None
    print_text(f"{answer.status_code} {answer.text}", lines=True)
    return 0 if answer.status_code in SUCCESS else 1


def _typed_secret() -> str:
    """The first line of standard input; a terminal does not show it. Raises SettingsError where there is none."""
    secret = getpass.getpass("secret: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not secret.strip():
        raise SettingsError("--secret -: standard input holds no secret; give it as one line")
    return secret


def target_url(to: str, source: str, *, prefix: str = "") -> str:
    """The full address: as given where it has a path of its own, else the source's below the prefix of the bridge."""
    try:
        parts = urlsplit(to)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise SettingsError("--to must be an address such as http://127.0.0.1:8000")
    own_path = parts.path.strip("/") not in {"", prefix.strip("/")}
    return to if own_path else f"{parts.scheme}://{parts.netloc}{prefix}/webhooks/{source}"


def _public_part(url: str) -> str:
    """The scheme, host and path of an address, without a user, a password and a query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises SettingsError that names it."""
    try:
        return read_regular_file(path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
