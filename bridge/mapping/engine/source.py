"""A mapping bound to one source's name, secrets and vars: it implements `bridge.core.source.Source`.

So does a mapping with errors: `BrokenSource` where it can verify, `UnverifiableSource` where it cannot.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from datetime import datetime
from types import MappingProxyType

from msgspec.structs import replace

from bridge import signature
from bridge.core.errors import NotGenuine, SettingsError
from bridge.core.mapping_text import MappingText
from bridge.core.model import EventNeeded, Request, SetAside, Translation, Webhook
from bridge.core.source import ChallengeReply, MappingDefect, SignedBody
from bridge.mapping.engine.context import MappingFrame
from bridge.mapping.engine.recall import Known
from bridge.mapping.engine.translator import WebhookTranslator
from bridge.signature import Recipe, SigningKeys


class VerifyingSource:
    """What verifies and names the webhooks of a source; `translate` is the work of its kinds."""

    def __init__(  # noqa: PLR0913  what a source is made of, by name
        self,
        name: str,
        *,
        recipe: Recipe,
        keys: SigningKeys,
        scope: str,
        to: tuple[str, ...] | None,
        public_url: str | None,
        defect: MappingDefect | None = None,
    ) -> None:
        self._name = name
        self._recipe = recipe
        self._keys = keys
        self._verify_head = signature.head_verifier(recipe, keys)
        self._receive = signature.make_receiver(recipe, keys, source=name)
        self._scope = scope
        self._to = to
        self._public_url = public_url
        self._defect = defect

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    @property
    def name(self) -> str:
        """Its name in URLs, lists and settings."""
        return self._name

    @property
    def scope(self) -> str:
        """The ledger's scope its conversions belong to."""
        return self._scope

    @property
    def to(self) -> tuple[str, ...] | None:
        """The destinations its events go to; None means all."""
        return self._to

    @property
    def defect(self) -> MappingDefect | None:
        """The errors of its mapping file; None where there are none."""
        return self._defect

    @property
    def mapping_text(self) -> MappingText | None:
        """The text of the mapping that translates; None where none does."""
        return None

    @property
    def vars(self) -> Table[str, str]:
        """What the operator set, and the defaults of the rest: of what translates nothing there are none."""
        return {}

    @property
    def has_secret(self) -> bool:
        """Whether it can verify anything yet."""
        return bool(self._keys.values) or not signature.needs_secret(self._recipe)

    @property
    def takes_get(self) -> bool:
        """Whether its provider asks challenges by GET."""
        return signature.takes_get(self._recipe)

    def verify_head(self, head: Request) -> None:
        """Nothing, where the body may make the request genuine or a challenge. Raises NotGenuine."""
        self._verify_head(head)

    def answer_challenge(self, request: Request, *, now: datetime) -> ChallengeReply | None:
        """The reply that a provider's challenge asks for, or None where the request is no challenge."""
        found = signature.answer_challenge(self._recipe, self._with_public_url(request), self._keys, now=now)
        return ChallengeReply(*found) if found else None

    def read_webhooks(self, request: Request, *, now: datetime) -> tuple[Webhook, ...]:
        """The webhooks of a genuine request. Raises NotGenuine and HeadersTooLarge."""
        if not self.has_secret:
            raise NotGenuine("no secret")
        return self._receive(self._with_public_url(request), now)

    def sign_body(
        self, body: bytes, *, topic: str | None, now: datetime, nonce: str, secret: str | None = None
    ) -> SignedBody:
        """`body` as the provider would send it, signed with the first secret or with `secret`."""
        keys = self._keys if secret is None else signature.read_keys(self._recipe, (secret,))
        made = signature.sign_request(self._recipe, body, keys, topic=topic, now=now, nonce=nonce, url=self._public_url)
        return SignedBody(headers=made.headers, body=made.body, query=made.query)

    def _with_public_url(self, request: Request) -> Request:
        """The request with the address that the operator gave the provider, where the signature covers it."""
        if self._public_url is None or request.url is not None:
            return request
        query = request.query_string
        return replace(request, url=f"{self._public_url}?{query}" if query else self._public_url)


class MappedSource(VerifyingSource):
    """One configured inbound endpoint, made of a mapping."""

    def __init__(  # noqa: PLR0913  what a source is made of, by name
        self,
        name: str,
        *,
        recipe: Recipe,
        keys: SigningKeys,
        translator: WebhookTranslator,
        scope: str,
        to: tuple[str, ...] | None,
        public_url: str | None,
        text: MappingText,
        defect: MappingDefect | None = None,
    ) -> None:
        super().__init__(name, recipe=recipe, keys=keys, scope=scope, to=to, public_url=public_url, defect=defect)
        self._translator = translator
        self._text = text

    @property
    def mapping_text(self) -> MappingText | None:
        """The text of the mapping that translates."""
        return self._text

    @property
    def vars(self) -> Table[str, str]:
        """What the operator set, and the defaults of the rest."""
        return self._translator.vars

    def translate(self, webhook: Webhook) -> Translation:
        """What a kept webhook becomes. Never raises for anything a provider could send."""
        return self._translator.translate(webhook)

    def translate_with_earlier(
        self, webhook: Webhook, earlier: Known, asked: EventNeeded | None = None
    ) -> Translation | EventNeeded:
        """What a kept webhook becomes among earlier events; EventNeeded where it asks for one more."""
        return self._translator.translate_among(webhook, earlier, asked)

    def make_frame(self, webhook: Webhook) -> tuple[MappingFrame, str | None]:
        """What a webhook's expressions read, and why its body cannot be read, if it cannot: for `explain`."""
        return self._translator.make_frame(webhook)


class BrokenSource(VerifyingSource):
    """An endpoint whose mapping can verify and not translate: what is genuine is kept, and set aside."""

    def __init__(  # noqa: PLR0913  what a source is made of, by name
        self,
        name: str,
        *,
        recipe: Recipe,
        keys: SigningKeys,
        scope: str,
        to: tuple[str, ...] | None,
        public_url: str | None,
        defect: MappingDefect,
    ) -> None:
        super().__init__(name, recipe=recipe, keys=keys, scope=scope, to=to, public_url=public_url, defect=defect)
        self._reason = defect.reason

    def translate(self, webhook: Webhook) -> Translation:  # noqa: ARG002  the same for every webhook
        """Set aside, with the mapping's first error."""
        return SetAside(self._reason)

    def translate_with_earlier(
        self,
        webhook: Webhook,
        earlier: Known,  # noqa: ARG002  the same for every webhook
        asked: EventNeeded | None = None,  # noqa: ARG002  as above
    ) -> Translation | EventNeeded:
        """Set aside, with the mapping's first error."""
        return self.translate(webhook)


class UnverifiableSource:
    """An endpoint whose mapping cannot even verify: nothing that comes to it is taken."""

    takes_get = False
    has_secret = False
    mapping_text: MappingText | None = None
    vars: Table[str, str] = MappingProxyType({})

    def __init__(self, name: str, *, scope: str, to: tuple[str, ...] | None, defect: MappingDefect) -> None:
        self.name = name
        self.scope = scope
        self.to = to
        self.defect = defect

    def verify_head(self, head: Request) -> None:  # noqa: ARG002  the same for every request
        """Raise NotGenuine."""
        raise NotGenuine("mapping_broken")

    def answer_challenge(self, request: Request, *, now: datetime) -> ChallengeReply | None:  # noqa: ARG002  as above
        """Raise NotGenuine."""
        raise NotGenuine("mapping_broken")

    def read_webhooks(self, request: Request, *, now: datetime) -> tuple[Webhook, ...]:  # noqa: ARG002  as above
        """Raise NotGenuine."""
        raise NotGenuine("mapping_broken")

    def translate(self, webhook: Webhook) -> Translation:  # noqa: ARG002  as above
        """Set aside what was kept before the mapping broke."""
        return SetAside(self.defect.reason)

    def translate_with_earlier(
        self,
        webhook: Webhook,
        earlier: Known,  # noqa: ARG002  as above
        asked: EventNeeded | None = None,  # noqa: ARG002  as above
    ) -> Translation | EventNeeded:
        """Set aside what was kept before the mapping broke."""
        return self.translate(webhook)

    def sign_body(
        self,
        body: bytes,  # noqa: ARG002  as above
        *,
        topic: str | None,  # noqa: ARG002  as above
        now: datetime,  # noqa: ARG002  as above
        nonce: str,  # noqa: ARG002  as above
        secret: str | None = None,  # noqa: ARG002  as above
    ) -> SignedBody:
        """Raise SettingsError: nothing says how the provider signs."""
        raise SettingsError(f"source `{self.name}`: {self.defect.reason}; see `trackbridge check`")
