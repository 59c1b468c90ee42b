"""The options of a declared destination: those of every destination, and the vars and secrets of its file.

No message repeats a value: it may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bridge.core.errors import SettingsError
from bridge.core.suggestions import suggest_or_list
from bridge.destinations.engine.consent import DECIDED_BY, SEND, SKIP
from bridge.destinations.language import Platform
from bridge.destinations.language.parts import PlatformOption
from bridge.destinations.language.words import OPTIONS, TOKEN_KINDS
from bridge.destinations.option_values import read_number, read_switch

LEAST_SECRET = 8
"""Characters of a secret: a shorter one would be found, and blotted out, in ordinary words."""
MOST_LANES = 64
_PREFIX = re.compile(r"[A-Za-z0-9._:-]{1,32}")

OptionTable = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class DeclaredOptions:
    """What an operator set, read and checked. `origin` replaces scheme, host and port of the platform's address."""

    vars: Mapping[str, str]
    secrets: Mapping[str, str | None] = field(repr=False)
    events: Mapping[str, str | None]
    test: bool
    rate: int
    concurrency: int
    batch: int
    without_consent: str
    origin: str | None
    insecure_http: bool
    token_origin: str | None = None
    order_prefix: str = ""


def read_options(platform: Platform, name: str, options: Mapping[str, object]) -> DeclaredOptions:
    """The options of a destination of this platform. Raises SettingsError that names the remedy."""
    parts = platform.parts
    _refuse_unknown(platform, name, options)
    limits = parts.limits
    batch = read_number(name, "batch", options.get("batch", limits.events))
    if not 1 <= batch <= limits.events:
        raise SettingsError(f"destination `{name}`: batch must be from 1 to {limits.events}")
    concurrency = read_number(name, "concurrency", options.get("concurrency", 1))
    if not 1 <= concurrency <= MOST_LANES:
        raise SettingsError(f"destination `{name}`: concurrency must be from 1 to {MOST_LANES}")
    return DeclaredOptions(
        vars={key: _read_var(name, var, options) for key, var in parts.vars.items()},
        secrets={key: _read_secret(name, secret, options) for key, secret in parts.secrets.items()},
        events=_read_events(platform, name, options.get("events")),
        test=read_switch(name, "test", options.get("test", False)),
        rate=read_number(name, "rate", options.get("rate", limits.rate)),
        concurrency=concurrency,
        batch=batch,
        without_consent=_read_without_consent(platform, name, options),
        origin=None if "url" in parts.vars else _read_origin(name, options.get("url")),
        insecure_http=read_switch(name, "insecure_http", options.get("insecure_http", False)),
        token_origin=_read_token_origin(platform, name, options),
        order_prefix=_read_order_prefix(platform, name, options) if "order_prefix" not in parts.vars else "",
    )


def keep_known_options(platform: Platform, options: Mapping[str, object]) -> dict[str, object]:
    """Those of the options that this version of a destination file knows: another one may have more."""
    known = {*platform.parts.vars, *platform.parts.secrets, *OPTIONS}
    return {name: value for name, value in options.items() if name in known}


def check_address(name: str, address: str, *, insecure_http: bool) -> None:
    """Refuse an address that no request could go to, or that would send people's data readable over the network."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or re.search(r"[\s\\]", address):
        raise SettingsError(f"destination `{name}`: its address must begin with https:// and name a host; check `url`")
    if "@" in parts.netloc:
        raise SettingsError(f"destination `{name}`: its address must hold no user or password; set them as secrets")
    if parts.scheme == "http" and not insecure_http and not _is_loopback(host):
        raise SettingsError(
            f"destination `{name}`: http:// sends events and secrets readable over the network; use https://, or set "
            "`insecure_http: true` where the network is your own"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_unknown(platform: Platform, name: str, options: Mapping[str, object]) -> None:
    known = [*platform.parts.vars, *platform.parts.secrets, *(one for one in OPTIONS if one not in platform.parts.vars)]
    for option in options:
        if option not in known:
            raise SettingsError(
                f"destination `{name}`: {platform.kind} has no option `{option}`; {suggest_or_list(option, known)}"
            )


def _read_text(name: str, option: str, value: object) -> str:
    if not isinstance(value, str | int | bool):
        raise SettingsError(f"destination `{name}`: {option} must be one value")
    return str(value).strip()


def _read_var(name: str, var: PlatformOption, options: Mapping[str, object]) -> str:
    if var.name not in options:
        if var.needed:
            raise SettingsError(f"destination `{name}` needs `{var.name}`{_with_help(var)}")
        return var.default or ""
    text = _read_text(name, var.name, options[var.name])
    if var.allowed and text not in var.allowed:
        raise SettingsError(f"destination `{name}`: {var.name} must be one of {', '.join(var.allowed)}")
    return text


def _read_secret(name: str, secret: PlatformOption, options: Mapping[str, object]) -> str | None:
    text = _read_text(name, secret.name, options.get(secret.name, ""))
    if not text:
        if secret.needed:
            raise SettingsError(f"destination `{name}` needs the secret `{secret.name}`{_with_help(secret)}")
        return None
    if len(text) < LEAST_SECRET:
        raise SettingsError(
            f"destination `{name}`: the secret `{secret.name}` has fewer than {LEAST_SECRET} characters; copy it again"
        )
    return text


def _with_help(option: PlatformOption) -> str:
    return f": {option.help}" if option.help else "; set it"


def _read_events(platform: Platform, name: str, given: object) -> dict[str, str | None]:
    """The names of events: the file's, with the operator's over them. One without any would take nothing."""
    if given is not None and not isinstance(given, Mapping):
        raise SettingsError(f"destination `{name}`: `events` must be a table such as {{purchase: NAME, lead: null}}")
    events = {**platform.parts.events, **({str(key): value for key, value in given.items()} if given else {})}
    for event_type, rule in platform.parts.follows.items():
        if events.get(event_type) not in {None, "=", *(events.get(one) for one in rule.event_types)}:
            raise SettingsError(
                f"destination `{name}`: a {event_type} follows the {' or '.join(rule.event_types)} of its order and "
                f'goes out under its name: write `{event_type}: "="`, or null to send none'
            )
    if not any(value for event_type, value in events.items() if event_type not in platform.parts.follows):
        raise SettingsError(
            f"destination `{name}` needs `events`: what {platform.parts.title} calls each event type, such as "
            "{purchase: NAME}"
        )
    return events


def _read_without_consent(platform: Platform, name: str, options: Mapping[str, object]) -> str:
    """What becomes of events that do not say whether their person agreed: there is no default, as no guess is right."""
    purpose = platform.parts.purpose
    if purpose not in DECIDED_BY:
        if "without_consent" in options:
            raise SettingsError(
                f"destination `{name}`: {platform.kind} is a system of your own, which asks for no consent; take out "
                "`without_consent`"
            )
        return SEND
    word = str(options.get("without_consent", "")).strip()
    if word not in {SEND, SKIP}:
        raise SettingsError(
            f"destination `{name}` needs `without_consent`: what becomes of an event that does not say whether its "
            f"person agreed (`consent.{DECIDED_BY[purpose]}`). `skip` keeps it back, which the EEA, the UK and "
            "Switzerland ask for; `send` sends it"
        )
    return word


def _read_token_origin(platform: Platform, name: str, options: Mapping[str, object]) -> str | None:
    """The same for the address that tokens come from, where the platform has one."""
    request = platform.parts.request
    kind = request.auth.kind if request is not None and request.auth is not None else ""
    if "token_url" in options and kind not in TOKEN_KINDS:
        raise SettingsError(f"destination `{name}`: {platform.kind} fetches no tokens; take out `token_url`")
    origin = _read_origin(name, options.get("token_url"), option="token_url")
    if origin is not None:
        insecure = read_switch(name, "insecure_http", options.get("insecure_http", False))
        check_address(name, origin, insecure_http=insecure)
    return origin


def _read_order_prefix(platform: Platform, name: str, options: Mapping[str, object]) -> str:
    """What stands before each order id, so that two shops that count alike have two orders."""
    prefix = _read_text(name, "order_prefix", options.get("order_prefix", ""))
    if prefix and not platform.program.names_conversions:
        raise SettingsError(
            f"destination `{name}`: {platform.kind} names no conversion by its order; take out `order_prefix`"
        )
    if prefix and not _PREFIX.fullmatch(prefix):
        raise SettingsError(
            f"destination `{name}`: order_prefix must be 1 to 32 letters, digits and any of . _ : -, such as `eu-`"
        )
    return prefix


def _read_origin(name: str, value: object, *, option: str = "url") -> str | None:
    """Scheme, host and port that replace the platform's; a path of its own would have no meaning."""
    if value is None:
        return None
    text = _read_text(name, option, value)
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"} or parts.query:
        raise SettingsError(
            f"destination `{name}`: {option} replaces scheme, host and port of the platform's address, and keeps its "
            "path: write such as https://proxy.example:8443"
        )
    return f"{parts.scheme}://{parts.netloc}"
