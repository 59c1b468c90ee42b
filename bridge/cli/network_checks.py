"""What `doctor` asks others: destinations, the clock by their answers, and the bridge itself through its proxy.

No request holds an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from bridge.cli.machine_checks import CheckResult
from bridge.core.delivery import Misconfigured, Outgoing, Response, Retryable
from bridge.core.errors import BridgeError, SettingsError
from bridge.core.regular_file import read_regular_file
from bridge.destinations.protocol import CheckableDestination, Destination
from bridge.http.metrics_key import key_file
from bridge.pipeline.http_client import open_client
from bridge.settings import Settings
from bridge.settings.destinations import make_destinations
from bridge.store.engines import beside_store

TIMEOUT = 10.0
MOST_SKEW = timedelta(seconds=60)
"""How far the clock may be off: signatures of Stripe are valid for 300 seconds, of which slow requests need some."""


def check_destinations(configured: Settings, *, now: Callable[[], datetime]) -> Iterator[CheckResult]:
    """Whether each destination answers and, where it can be asked without an event, takes the key; and its clock."""
    if not configured.destinations:
        text = "there is none, so events are only kept; set BRIDGE_TRACK_URL and BRIDGE_TRACK_KEY"
        yield CheckResult("destinations", "wrong", text)
        return
    compared = []
    try:
        destinations = make_destinations(configured)
    except BridgeError as error:
        yield CheckResult("destinations", "wrong", str(error))
        return
    for name, destination in destinations.items():
        answer = asyncio.run(_ask_destination(destination))
        yield _rate_answer(destination, answer, now=now())
        skew = clock_skew(answer.headers.get("date"), now())
        compared += [] if skew is None else [(name, skew)]
    yield _rate_clock(compared)


async def _ask_destination(destination: Destination) -> Response:
    async with open_client(timedelta(seconds=TIMEOUT)) as send:
        if isinstance(destination, CheckableDestination):
            return await send(destination.check_request())
        return await send(Outgoing(destination.address, {}, b"", (), method="GET"))


def _rate_answer(destination: Destination, answer: Response, *, now: datetime) -> CheckResult:
    name, address = destination.name, destination.address
    if answer.status is None:
        text = f"{name}: {address} gives no answer ({answer.failure}); check its address, and this machine's network"
        return CheckResult("destinations", "wrong", text)
    if not isinstance(destination, CheckableDestination):
        return CheckResult("destinations", "ok", f"{name}: {address} answers; its key was not tried")
    match destination.read_response(answer, sent=0, now=now):
        case Misconfigured(reason):
            text = f"{name}: {address} answers {reason}; check its address and its key"
            return CheckResult("destinations", "wrong", text)
        case Retryable(reason):
            text = f"{name}: {address} answers {reason}; it is busy or broken, and events wait for it"
            return CheckResult("destinations", "wrong", text)
        case _:
            return CheckResult("destinations", "ok", f"{name}: {address} answers, and takes the key")


def clock_skew(date: str | None, now: datetime) -> timedelta | None:
    """How far our clock is ahead of an answer's Date; None where there is no Date that can be read."""
    try:
        at = parsedate_to_datetime(date or "")
    except ValueError:
        return None
    return None if at.tzinfo is None else now - at


def _rate_clock(compared: list[tuple[str, timedelta]]) -> CheckResult:
    if not compared:
        return CheckResult("clock", "note", "no destination said its time, so the clock was not compared")
    name, skew = min(compared, key=lambda one: abs(one[1]))
    seconds = round(skew.total_seconds())
    if abs(skew) <= MOST_SKEW:
        return CheckResult("clock", "ok", f"as that of {name}, within {max(1, abs(seconds))} s")
    way = "ahead of" if seconds > 0 else "behind"
    text = f"{abs(seconds)} s {way} that of {name}: signatures with a time are refused; turn on NTP (`timedatectl`)"
    return CheckResult("clock", "wrong", text)


class _Peer(msgspec.Struct, frozen=True):
    """Who the bridge takes the caller for: see `GET /readyz?peer`."""

    connection: str | None
    forwarded: bool
    trusted: bool


class _Readyz(msgspec.Struct, frozen=True):
    state: str
    peer: _Peer | None = None


def check_public_address(configured: Settings, environment: Mapping[str, str]) -> Iterator[CheckResult]:
    """Whether the bridge answers at its public address, and whether the proxy in front passes on who calls."""
    if configured.addresses.public_url is None:
        yield CheckResult("proxy", "note", "BRIDGE_PUBLIC_URL is not set, so the way from outside was not tried")
        return
    url = f"{configured.addresses.public_base('')}/readyz"
    key = _metrics_key(configured.store, environment)
    try:
        answer = request_page(f"{url}?peer", {"Authorization": f"Bearer {key}"} if key else {})
        found = msgspec.json.decode(answer.content, type=_Readyz)
    except SettingsError as error:
        text = f"{error}; is serve running, and the proxy, and does the name lead to this machine?"
        yield CheckResult("proxy", "wrong", text)
    except msgspec.DecodeError:
        text = f"{url} is answered {answer.status_code} by something else; compare the proxy's file and BRIDGE_PREFIX"
        yield CheckResult("proxy", "wrong", text)
    else:
        yield _rate_peer(found.peer, url)


def _rate_peer(peer: _Peer | None, url: str) -> CheckResult:
    if peer is None:
        text = f"{url} answers; without the metrics key it does not say whether the proxy passes on who calls"
        return CheckResult("proxy", "note", text)
    if peer.forwarded and not peer.trusted:
        text = f"{url}: limits count the proxy and not who calls; set BRIDGE_TRUSTED_PROXIES={peer.connection}"
        return CheckResult("proxy", "wrong", text)
    if peer.trusted and not peer.forwarded:
        text = f"{url}: the proxy passes on no X-Forwarded-For; have it add that header, as deploy/nginx.conf does"
        return CheckResult("proxy", "wrong", text)
    way = "through the proxy, which passes on who calls" if peer.forwarded else "without a proxy"
    return CheckResult("proxy", "ok", f"{url} answers, {way}")


def _metrics_key(store: str, environment: Mapping[str, str]) -> str | None:
    """The key that opens the details of `/readyz`; None where it is not known here."""
    given = environment.get("BRIDGE_METRICS_KEY", "").strip()
    if given:
        return None if given.startswith("sha256:") else given
    try:
        return read_regular_file(key_file(beside_store(store))).decode().strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def request_page(url: str, headers: Mapping[str, str]) -> httpx.Response:
    """The answer to a GET. Raises SettingsError that says why there is none."""
    try:
        with httpx.Client(trust_env=False, timeout=TIMEOUT) as client:
            return client.get(url, headers=dict(headers))
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise SettingsError(f"{url.partition('?')[0]} gives no answer ({type(error).__name__})") from None
