"""A declared destination whose file can change while `serve` runs: the versions of the file follow one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bridge.core import log
from bridge.core.access_token import RotatingTokenSource, TokenSource
from bridge.core.delivery import Delivery, Outcome, Outgoing, Response, Unsent
from bridge.core.errors import BridgeError, MappingError, SettingsError
from bridge.core.model import Event
from bridge.core.verdict import RequestVerdict, VerdictQuestion
from bridge.destinations.engine.declared import DeclaredDestination
from bridge.destinations.language import Platform
from bridge.destinations.language.files import load_kind
from bridge.destinations.protocol import Destination


class ReloadableDestination:
    """A destination of the newest version of its file. Each call is answered by one version.

    `concurrency` is an option and stays. An answer may be read by a newer version than made its request: items are told
    by their place in the request, which no version changes.
    """

    def __init__(self, current: DeclaredDestination, options: Mapping[str, object]) -> None:
        self.name = current.name
        self.current = current
        self._options = options

    @property
    def rate(self) -> int:
        """Requests a minute."""
        return self.current.rate

    @property
    def batch(self) -> int:
        """Deliveries of one request."""
        return self.current.batch

    @property
    def concurrency(self) -> int:
        """Requests at a time."""
        return self.current.concurrency

    @property
    def is_costly(self) -> bool:
        """Whether large requests are made beside the event loop."""
        return self.current.is_costly

    @property
    def token_source(self) -> TokenSource | RotatingTokenSource | None:
        """Where its tokens come from, if it fetches any."""
        return self.current.token_source

    @property
    def keeps_refresh_token(self) -> bool:
        """Whether its refresh token is kept in the store."""
        return self.current.keeps_refresh_token

    @property
    def quotes_answers(self) -> bool:
        """Whether a pause is told in the upstream's words."""
        return self.current.quotes_answers

    @property
    def address(self) -> str:
        """Where it is, for people."""
        return self.current.address

    def with_platform(self, platform: Platform) -> DeclaredDestination:
        """The same destination by another version of its file. Raises SettingsError where its options do not fit."""
        newer = DeclaredDestination.from_options(platform, self.name, self._options)
        if newer.keeps_refresh_token and not self.keeps_refresh_token:
            raise SettingsError(f"destination `{self.name}` authenticates by refresh tokens now; restart to have that")
        return newer

    def replace(self, newer: DeclaredDestination) -> None:
        """Take another version, from the next call on."""
        self.current = newer

    def skip_reason(self, event: Event) -> str | None:
        """Why this event is not for it."""
        return self.current.skip_reason(event)

    def make_requests(self, deliveries: Sequence[Delivery], *, now: datetime) -> tuple[Outgoing | Unsent, ...]:
        """The requests that carry these deliveries."""
        return self.current.make_requests(deliveries, now=now)

    @property
    def follows(self) -> Mapping[str, tuple[str, ...]]:
        """The types that each event type follows."""
        return self.current.follows

    def find_followers(self, deliveries: Sequence[Delivery]) -> tuple[int, ...]:
        """The deliveries whose events may follow another."""
        return self.current.find_followers(deliveries)

    def next_question(self, deliveries: Sequence[Delivery], *, now: datetime) -> VerdictQuestion | None:
        """The question whose answer one of them waits for."""
        return self.current.next_question(deliveries, now=now)

    def read_verdict(self, response: Response) -> RequestVerdict:
        """What an answer to such a question means."""
        return self.current.read_verdict(response)

    def read_response(self, response: Response, *, sent: int, now: datetime) -> Outcome:
        """What an answer means."""
        return self.current.read_response(response, sent=sent, now=now)


@dataclass(frozen=True, slots=True)
class DestinationReload:
    """What the destination files make now. `refused` says why an old one stays, by name."""

    made: Sequence[tuple[ReloadableDestination, DeclaredDestination]] = ()
    refused: Sequence[tuple[str, Exception]] = ()

    def take(self) -> None:
        """Deliver by the newer versions from now on."""
        for destination, newer in self.made:
            destination.replace(newer)

    def log_refused(self) -> None:
        """Log every error, and that the old files stay in use."""
        for name, error in self.refused:
            problems = error.problems if isinstance(error, MappingError) else ()
            for problem in problems:
                log.log_warning("reload.problem", at=str(problem.place), error=problem.text)
            told = None if problems else str(error)
            log.log_warning("reload.refused", destination=name, error=told, kept="the destination file from before")


def reload_destinations(destinations: Iterable[Destination], folder: Path | None) -> DestinationReload:
    """Read the files of these destinations again; nothing is changed before `take`."""
    made: list[tuple[ReloadableDestination, DeclaredDestination]] = []
    refused: list[tuple[str, Exception]] = []
    for one in destinations:
        if not isinstance(one, ReloadableDestination):
            continue
        before = one.current.platform
        try:
            platform = load_kind(before.kind, folder)
            if platform is None:
                raise SettingsError(f"no destination file declares the kind `{before.kind}` any more")
            if platform is not before:
                made.append((one, one.with_platform(platform)))
        except (BridgeError, OSError) as error:
            refused.append((one.name, error))
    return DestinationReload(made, refused)


NOTHING_RELOADED = DestinationReload()
