"""The protocol of a source: what a configured inbound endpoint does with a request and with a kept webhook.

Pure: the clock and the secrets are arguments. `mapping/` makes a source of each mapping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from bridge.core.conversions import KnownConversion
from bridge.core.mapping_text import MappingText
from bridge.core.model import EventNeeded, Request, Translation, Webhook


class DefectEffect(Enum):
    """What becomes of the webhooks of a source whose mapping file has errors."""

    PREVIOUS = "the mapping from before stays in use"
    SET_ASIDE = "its webhooks are kept and set aside, and are translated by themselves when it is mended"
    REFUSED = "no signature can be verified by it, so its webhooks get 503, and the provider sends them again later"


BROKEN_MAPPING = "the mapping has errors: "
"""How the reason of a webhook begins that was set aside for errors of its mapping; without them it is replayed."""


@dataclass(frozen=True, slots=True)
class MappingDefect:
    """Errors in the mapping file of a source: the first with its file:line:column, how many, and their effect."""

    problem: str
    count: int
    effect: DefectEffect

    @property
    def reason(self) -> str:
        """The errors in one sentence."""
        return f"{BROKEN_MAPPING}{self.problem}" + (f" (and {self.count - 1} more)" if self.count > 1 else "")

    def __str__(self) -> str:
        return f"{self.reason}; {self.effect.value}"


@dataclass(frozen=True, slots=True)
class ChallengeReply:
    """What a challenge wants answered, always with status 200."""

    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class SignedBody:
    """A body made to look as its provider would send it: what `send` posts."""

    headers: Mapping[str, str]
    body: bytes
    query: str = ""


class Source(Protocol):
    """One configured inbound endpoint."""

    @property
    def name(self) -> str:
        """Its name in URLs, lists and settings."""
        ...

    @property
    def scope(self) -> str:
        """The ledger's scope its conversions belong to; its name unless the operator joined several sources."""
        ...

    @property
    def to(self) -> tuple[str, ...] | None:
        """The destinations its events go to; None means all."""
        ...

    @property
    def defect(self) -> MappingDefect | None:
        """The errors of its mapping file; None where there are none."""
        ...

    @property
    def mapping_text(self) -> MappingText | None:
        """The text of the mapping that translates; None where none does."""
        ...

    @property
    def vars(self) -> Mapping[str, str]:
        """What the operator set, and the defaults of the rest."""
        ...

    @property
    def has_secret(self) -> bool:
        """Whether it can verify anything yet."""
        ...

    @property
    def takes_get(self) -> bool:
        """Whether its provider asks challenges by GET."""
        ...

    def verify_head(self, head: Request) -> None:
        """Nothing, where a body may make the request with this head genuine, or a challenge: it must be read.

        Raises NotGenuine where none can: the head lacks the signature that it should carry, or the token or password in
        it is wrong.
        """
        ...

    def answer_challenge(self, request: Request, *, now: datetime) -> ChallengeReply | None:
        """The reply that a provider's challenge asks for, or None where the request is no challenge.

        Raises NotGenuine for a signed challenge whose signature is wrong.
        """
        ...

    def read_webhooks(self, request: Request, *, now: datetime) -> tuple[Webhook, ...]:
        """The webhooks a genuine request holds: one, or one for each item of a batch.

        Raises NotGenuine and HeadersTooLarge. Never raises for a body that makes no sense: that is kept and set
        aside later.
        """
        ...

    def translate(self, webhook: Webhook) -> Translation:
        """What a kept webhook becomes where there is no earlier event. It never raises, whatever a provider sends."""
        ...

    def translate_with_earlier(
        self,
        webhook: Webhook,
        earlier: Mapping[bytes, Sequence[KnownConversion]],
        asked: EventNeeded | None = None,
    ) -> Translation | EventNeeded:
        """What a kept webhook becomes with `earlier`: what is known under each conversion key that was looked up.

        `asked` is what it answered last for the same webhook, if it asked for what was looked up since.

        Returns EventNeeded if a rule asks for a key that is not in `earlier`, or waits for what nothing is known of. It
        never raises either.
        """
        ...

    def sign_body(
        self, body: bytes, *, topic: str | None, now: datetime, nonce: str, secret: str | None = None
    ) -> SignedBody:
        """`body` as the provider would sign and send it; `nonce` is a few random letters for ids in headers.

        Raises SettingsError where the scheme has no secret or only the provider could sign.
        """
        ...
