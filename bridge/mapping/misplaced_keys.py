"""Keys that stand in a mapping where they have no meaning, by where that is, and where they belong."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.contract import FIELDS
from bridge.signature.grammar import SIGNATURE_KEYS

_TOP = ("mapping", "provider", "title", "vars", "minor_units", "set_aside", "let", "events", "aliases", "ignore")
_IN_A_RULE = "it belongs to an entry of `events`: indent it"
_IN_THE_EVENT = "it belongs under `event`: indent it"
NOT_AT_THE_TOP: Mapping[str, str] = dict.fromkeys(("topic", "when", "dedupe", "recall", "require"), _IN_A_RULE) | {
    "rules": "the rules stand under `events`",
    "mappings": "the rules stand under `events`",
    "signature": "it belongs under `webhook`",
}
NOT_IN_WEBHOOK: Mapping[str, str] = dict.fromkeys(_TOP, "it belongs at the top: begin it in column 1") | dict.fromkeys(
    SIGNATURE_KEYS, "it belongs under `signature`"
)
NOT_IN_A_RULE: Mapping[str, str] = dict.fromkeys((path[0] for path in FIELDS), _IN_THE_EVENT) | {
    "if": "a condition is `when`",
    "filter": "a condition is `when`",
    "condition": "a condition is `when`",
    "key": "what names the conversion is `dedupe`",
    "id": "what names the conversion is `dedupe`",
    "map": "what is made stands under `event`",
    "fields": "what is made stands under `event`",
}
