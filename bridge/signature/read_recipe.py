"""Reads the `webhook` section of a mapping into a Recipe, with all problems in it.

Each problem names its line and column.
"""

from __future__ import annotations

from bridge.signature import templates
from bridge.signature.grammar import CHALLENGE_KEYS, CONTENT_TYPES, RESPOND_KEYS
from bridge.signature.locators import Locator, LocatorRoot, parse_locator, parse_pointer
from bridge.signature.read_scheme import read_scheme
from bridge.signature.recipe import (
    ASYMMETRIC,
    ChallengeRule,
    Condition,
    IdPlace,
    KeyedReply,
    Recipe,
    SchemeKind,
    SignatureScheme,
    is_covered,
)
from bridge.yaml.document import MappingNode
from bridge.yaml.key_reader import KeyReader
from bridge.yaml.problems import Problems

CREDENTIALS = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie"),
        *("api-key", "x-api-key", "x-auth-token", "x-access-token"),
    }
)
"""Headers that are never kept with a webhook, whatever its provider is."""


def read_recipe(section: MappingNode, problems: Problems) -> Recipe | None:
    """The recipe in a mapping's `webhook` section; None, with problems, where it is none.

    Keys of the section that are no part of a recipe are not looked at.
    """
    before = len(problems.errors)
    made = _read_section(KeyReader(section, problems, what="webhook"))
    return made if len(problems.errors) == before else None


def _read_section(reader: KeyReader) -> Recipe:
    reader.note_missing(
        "signature", "say how a request proves genuine, or `signature: {kind: none, i_accept_unsigned: true}`"
    )
    items = _read_items(reader)
    ids = _read_places(reader, "id")
    topics = _read_places(reader, "topic")
    below = reader.read_below("signature")
    proven = None
    if below is not None:
        proven = read_scheme(below, ids=ids, items=items is not None)
    made = proven or SignatureScheme(SchemeKind.NONE)
    hidden = made.place if made.kind is SchemeKind.TOKEN else None
    return Recipe(
        made,
        id=tuple(IdPlace(place, is_covered(made, place, items=items is not None)) for place in ids),
        topic=topics,
        items=items,
        challenges=tuple(
            _read_challenge(KeyReader(node, reader.problems, what="a challenge"), proven)
            for node in reader.read_items("challenge")
        ),
        hidden_headers=CREDENTIALS | ({hidden.name} if hidden and hidden.root is LocatorRoot.HEADER else set()),
        hidden_query=frozenset({hidden.name} if hidden and hidden.root is LocatorRoot.QUERY else ()),
        topic_signed=all(is_covered(made, place, items=items is not None) for place in topics),
    )


def _read_items(reader: KeyReader) -> tuple[str, ...] | None:
    text = reader.read_string("items")
    if text is None or text == "/":
        return None if text is None else ()
    try:
        return parse_pointer(text)
    except ValueError:
        reader.note_wrong("items", f"{text!r} is no JSON pointer to a list; write / for the whole body, or like /data")
        return None


def _read_places(reader: KeyReader, key: str) -> tuple[Locator, ...]:
    found: list[Locator] = []
    entries = reader.read_strings(key)
    for number, (at, text) in enumerate(entries):
        try:
            place = parse_locator(text)
        except ValueError as error:
            reader.problems.add_error(at, str(error))
            continue
        if place.root is LocatorRoot.SIGNATURE:
            reader.problems.add_error(at, f"{text!r} can stand only in a timestamp's `from`")
        elif place.root is LocatorRoot.BODY_SHA256 and key != "id":
            reader.problems.add_error(at, f"'body_sha256' is no {key}; it can stand only in `id`")
        elif place.root is LocatorRoot.BODY_SHA256 and number < len(entries) - 1:
            reader.problems.add_error(at, "nothing after 'body_sha256' is ever looked at; put it last")
        else:
            found.append(place)
    return tuple(found)


def _read_challenge(rule: KeyReader, proven: SignatureScheme | None) -> ChallengeRule:
    rule.refuse_unknown(CHALLENGE_KEYS)
    rule.note_missing(
        "when", "say what tells it from a webhook, such as {method: GET} or {json:/type: url_verification}"
    )
    rule.note_missing("respond", "say what it is answered, such as {body: ok}")
    method, conditions = _read_when(rule)
    content_type, body = _read_respond(rule)
    signed = rule.read_flag("signed")
    signed = method == "POST" if signed is None else signed
    if any(isinstance(part, KeyedReply) for part in body):
        _read_keyed(rule, signed=signed, proven=proven)
    return ChallengeRule(method, conditions, signed, content_type, body)


def _read_keyed(rule: KeyReader, *, signed: bool, proven: SignatureScheme | None) -> None:
    if proven is not None and (proven.kind in ASYMMETRIC or proven.kind is SchemeKind.NONE):
        rule.note_wrong("respond", f"{{hmac:…}} needs a secret, and kind {proven.kind} has none")
    elif not signed:
        rule.note_wrong(
            "signed" if "signed" in rule else "respond",
            "{hmac:…} in an answer to an unsigned request would sign any text for anyone; add `signed: true`",
        )


def _read_when(rule: KeyReader) -> tuple[str, tuple[Condition, ...]]:
    below = rule.read_below("when")
    if below is None:
        return "POST", ()
    said = below.read_choice("method", ("GET", "POST"))
    conditions: list[Condition] = []
    for key in below.key_names:
        if key == "method":
            continue
        wanted = below.read_literal(key)
        try:
            place = parse_locator(key)
        except ValueError as error:
            below.note_wrong(key, f"{error}, or method")
            continue
        if place.root in {LocatorRoot.SIGNATURE, LocatorRoot.BODY_SHA256}:
            below.note_wrong(key, f"{key!r} is no place that tells a challenge")
        elif not isinstance(wanted, str | bool):
            below.note_wrong(
                key, "must be the text that stands there, true (any text) or false (none); put text in quotes"
            )
        else:
            conditions.append(Condition(place, wanted))
    if not below.key_names:
        rule.note_wrong("when", "`when` must not be empty; every webhook would be taken for a challenge")
    elif said == "POST" and len(below.key_names) == 1:
        rule.note_wrong("when", "`method: POST` alone would take every webhook for a challenge; add what tells it")
    return said or "POST", tuple(conditions)


def _read_respond(rule: KeyReader) -> tuple[str, tuple[str | Locator | KeyedReply, ...]]:
    below = rule.read_below("respond")
    if below is None:
        return "text/plain", ()
    below.refuse_unknown(RESPOND_KEYS)
    content_type = below.read_choice("content_type", CONTENT_TYPES) or "text/plain"
    text = below.read_literal("body")
    if not isinstance(text, str):
        below.note_wrong("body", "`body` must be a text (it may be empty); put it in quotes")
        return content_type, ()
    try:
        return content_type, templates.parse_reply_template(text)
    except ValueError as error:
        below.note_wrong("body", str(error))
        return content_type, ()
