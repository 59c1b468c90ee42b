"""Google's OAuth client file, and the setting that its refresh token becomes."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from bridge.cli.environment import read_environment
from bridge.cli.send import read_file
from bridge.cli.terminal import print_text
from bridge.core import json_text
from bridge.core.errors import SettingsError
from bridge.core.json_text import Json
from bridge.destinations.engine.oauth2_tokens import OAuth2Client, OAuth2Tokens, TokenOwner
from bridge.destinations.language.files import load_kind
from bridge.settings.env_file import ENV_FILE, named_config, read_env_file, write_env_value
from bridge.settings.table import CONFIG
from bridge.yaml.document import Scalar

GOOGLE = "google"
SETTING = "GOOGLE_OAUTH"
_KIND = "google_ads"
_OFFLINE = "access_type=offline&prompt=consent"
"""Google gives a refresh token only with these: https://developers.google.com/identity/protocols/oauth2/web-server."""
_FIELDS = ("client_id", "client_secret", "auth_uri", "token_uri")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def read_google_client(file: Path) -> OAuth2Tokens:
    """The client in the JSON that Google Cloud gives to download. Raises SettingsError that repeats nothing of it."""
    try:
        document = json_text.parse_json(read_file(file))
    except ValueError:
        document = None
    held = next(iter(document.values()), None) if isinstance(document, dict) else None
    found: dict[str, Json] = held if isinstance(held, dict) else {}
    texts = {name: str(found.get(name) or "") for name in _FIELDS}
    if not all(texts.values()) or not all(_is_safe(texts[name]) for name in ("auth_uri", "token_uri")):
        raise SettingsError(
            f"{file} is no OAuth client of Google; in Google Cloud, under *APIs & Services, Credentials*, make one of "
            "the type *Desktop app*, and download its JSON"
        )
    client = OAuth2Client(
        texts["token_uri"],
        texts["client_id"],
        texts["client_secret"],
        scope=_read_scope(),
        authorize_url=f"{texts['auth_uri']}?{_OFFLINE}",
    )
    return OAuth2Tokens(client, TokenOwner(GOOGLE))


def find_env_file(config: Path | None) -> Path:
    """The `.env` beside the settings file, there or not. Raises SettingsError where it cannot be written."""
    path = (named_config(read_environment(config), config) or Path(CONFIG.default)).with_name(ENV_FILE)
    read_env_file(path)
    if not os.access(path.resolve().parent, os.W_OK):
        raise SettingsError(f"{path.absolute()} cannot be written; with --print the setting is printed instead")
    return path


def tell_google_setting(value: str, *, env_file: Path | None, config: Path | None) -> None:
    """Write the setting to `.env`, or print it where there is no `env_file`, and say where it is used."""
    if env_file is None:
        print_text(f"{SETTING}='{value}'")
    else:
        write_env_value(env_file, SETTING, value)
        print_text(f"{SETTING} is in {env_file}, which only you may read", error=True)
        environment = read_environment(config)
        if environment.place_of(SETTING) is None and SETTING in environment:
            print_text(
                f"it does not count yet: {SETTING} is also set in the environment; take it out there", error=True
            )
    print_text(f'use it as `oauth: "${{{SETTING}}}"` in the destination of kind {_KIND}, and restart serve', error=True)


def _read_scope() -> str:
    """The scope for which the shipped file asks."""
    platform = load_kind(_KIND, None)
    request = platform.parts.request if platform is not None else None
    scope = request.auth.parameters.get_value("scope") if request is not None and request.auth is not None else None
    return scope.text if isinstance(scope, Scalar) else ""


def _is_safe(address: str) -> bool:
    """Whether secrets may be sent there."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
