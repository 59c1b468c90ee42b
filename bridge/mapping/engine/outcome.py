"""What the rules made of one webhook: its events, what is remembered, and why what was not told was not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bridge.core.conversions import NO_EFFECTS, Deferral, LedgerEffects, RememberedConversion
from bridge.core.model import Event, Ignored, Translated, Translation
from bridge.mapping.engine.recall import NotTold


@dataclass(slots=True)
class RuleOutcomes:
    """Collects what each rule makes; `aliases` are those of the webhook."""

    aliases: tuple[tuple[bytes, bytes], ...] = ()
    _events: list[Event] = field(default_factory=list)
    _after: dict[int, Deferral] = field(default_factory=dict)
    _remembered: list[RememberedConversion] = field(default_factory=list)
    _links: list[tuple[bytes, int]] = field(default_factory=list)
    _revisit: list[bytes] = field(default_factory=list)
    _reasons: list[str] = field(default_factory=list)

    def add_event(self, event: Event, deferred_for: Deferral | None) -> None:
        """One event more; `deferred_for` is how long its rule waits for a richer webhook."""
        if deferred_for is not None:
            self._after[len(self._events)] = deferred_for
        self._events.append(event)

    def add_remembered(self, remembered: RememberedConversion) -> None:
        """A rule makes no event on purpose."""
        self._remembered.append(remembered)
        self._reasons.append(remembered.reason)

    def add_not_told(self, not_told: NotTold) -> None:
        """A rule makes no event: another webhook told it, or its sale was not told."""
        self._reasons.append(not_told.reason)
        self._revisit += not_told.revisit
        if not_told.by is not None:
            self._links += [(key, not_told.by.number) for key in not_told.keys]

    def finish(self, *, otherwise: Callable[[], str]) -> Translation:
        """What the webhook becomes; `otherwise` says why nothing was made where no rule gave a reason."""
        effects = self._effects()
        if self._events:
            return Translated(tuple(self._events), effects, self._after)
        return Ignored("; ".join(dict.fromkeys(self._reasons)) or otherwise(), effects)

    def _effects(self) -> LedgerEffects:
        if not (self._remembered or self.aliases or self._links or self._revisit):
            return NO_EFFECTS
        return LedgerEffects(
            tuple(self._remembered), self.aliases, tuple(self._links), tuple(dict.fromkeys(self._revisit))
        )
