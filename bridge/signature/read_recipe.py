"""The `webhook` section of a mapping, read into a Recipe; every problem in it, not the first alone.

Not concerned with YAML's text: keys at fault are named by their path, and the mapping knows the line.
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.core.errors import RecipeError
from bridge.signature import templates
from bridge.signature.locators import Locator, Root, locator, pointer
from bridge.signature.read_scheme import proof
from bridge.signature.reader import Sheet
from bridge.signature.recipe import (
    ASYMMETRIC,
    Challenge,
    Condition,
    IdPlace,
    Keyed,
    Kind,
    Proof,
    Recipe,
    covers,
)

KEYS = ("signature", "id", "topic", "items", "challenge")
CREDENTIALS = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie"),
        *("api-key", "x-api-key", "x-auth-token", "x-access-token"),
    }
)
"""Headers that are never kept with a webhook, whatever its provider is."""
CONTENT_TYPES = ("text/plain", "application/json")
"""What a challenge can be answered with: nothing that a browser would run."""


def recipe(section: Mapping[str, object]) -> Recipe:
    """The recipe in a mapping's `webhook` section, of which the keys are those of KEYS.

    Raises RecipeError for the first problem; `problems` tells all of them.
    """
    made, found = _read(section)
    if found:
        raise found[0]
    return made


def problems(section: Mapping[str, object]) -> list[RecipeError]:
    """Everything that keeps a section from being a recipe; empty where `recipe` would make one."""
    return _read(section)[1]


def _read(section: Mapping[str, object]) -> tuple[Recipe, list[RecipeError]]:
    found: list[RecipeError] = []
    sheet = Sheet(section, at=(), problems=found)
    sheet.only(KEYS)
    sheet.missing(
        "signature", "say how a request proves genuine, or `signature: {kind: none, i_accept_unsigned: true}`"
    )
    items = _items(sheet)
    ids = _places(sheet, "id")
    topics = _places(sheet, "topic")
    below = sheet.sheet("signature")
    proven = None
    if below is not None:
        proven = proof(below, ids=ids, items=items is not None)
    made = proven or Proof(Kind.NONE)
    hidden = made.place if made.kind is Kind.TOKEN else None
    return Recipe(
        made,
        id=tuple(IdPlace(place, covers(made, place, items=items is not None)) for place in ids),
        topic=topics,
        items=items,
        challenges=tuple(_challenge(rule, proven) for rule in sheet.sheets("challenge")),
        hidden_headers=CREDENTIALS | ({hidden.name} if hidden and hidden.root is Root.HEADER else set()),
        hidden_query=frozenset({hidden.name} if hidden and hidden.root is Root.QUERY else ()),
        topic_signed=all(covers(made, place, items=items is not None) for place in topics),
    ), found


def _items(sheet: Sheet) -> tuple[str, ...] | None:
    text = sheet.text("items")
    if text is None or text == "/":
        return None if text is None else ()
    try:
        return pointer(text)
    except ValueError:
        sheet.wrong("items", f"{text!r} is no JSON pointer to a list; write / for the whole body, or like /data")
        return None


def _places(sheet: Sheet, key: str) -> tuple[Locator, ...]:
    found: list[Locator] = []
    entries = sheet.texts(key)
    for number, (at, text) in enumerate(entries):
        try:
            place = locator(text)
        except ValueError as error:
            sheet.problems.append(RecipeError(at, str(error)))
            continue
        if place.root is Root.SIGNATURE:
            sheet.problems.append(RecipeError(at, f"{text!r} can stand only in a timestamp's `from`"))
        elif place.root is Root.BODY_SHA256 and key != "id":
            sheet.problems.append(RecipeError(at, f"'body_sha256' is no {key}; it can stand only in `id`"))
        elif place.root is Root.BODY_SHA256 and number < len(entries) - 1:
            sheet.problems.append(RecipeError(at, "nothing after 'body_sha256' is ever looked at; put it last"))
        else:
            found.append(place)
    return tuple(found)


def _challenge(rule: Sheet, proven: Proof | None) -> Challenge:
    rule.only(("when", "respond", "signed"))
    rule.missing("when", "say what tells it from a webhook, such as {method: GET} or {json:/type: url_verification}")
    rule.missing("respond", "say what it is answered, such as {body: ok}")
    method, conditions = _when(rule)
    content_type, body = _respond(rule)
    signed = rule.flag("signed")
    signed = method == "POST" if signed is None else signed
    if any(isinstance(part, Keyed) for part in body):
        _keyed(rule, signed=signed, proven=proven)
    return Challenge(method, conditions, signed, content_type, body)


def _keyed(rule: Sheet, *, signed: bool, proven: Proof | None) -> None:
    if proven is not None and (proven.kind in ASYMMETRIC or proven.kind is Kind.NONE):
        rule.wrong("respond", f"{{hmac:…}} needs a secret, and kind {proven.kind} has none")
    elif not signed:
        rule.wrong(
            "signed" if "signed" in rule else "respond",
            "{hmac:…} in an answer to an unsigned request would sign any text for anyone; add `signed: true`",
        )


def _when(rule: Sheet) -> tuple[str, tuple[Condition, ...]]:
    below = rule.sheet("when")
    if below is None:
        return "POST", ()
    said = below.choice("method", ("GET", "POST"))
    conditions: list[Condition] = []
    for key in below.names():
        if key == "method":
            continue
        wanted = below.raw(key)
        try:
            place = locator(key)
        except ValueError as error:
            below.wrong(key, f"{error}, or method")
            continue
        if place.root in {Root.SIGNATURE, Root.BODY_SHA256}:
            below.wrong(key, f"{key!r} is no place that tells a challenge")
        elif not isinstance(wanted, str | bool):
            below.wrong(key, "must be the text that stands there, true (any text) or false (none); put text in quotes")
        else:
            conditions.append(Condition(place, wanted))
    if not below.names():
        rule.wrong("when", "`when` must not be empty; every webhook would be taken for a challenge")
    elif said == "POST" and len(below.names()) == 1:
        rule.wrong("when", "`method: POST` alone would take every webhook for a challenge; add what tells it")
    return said or "POST", tuple(conditions)


def _respond(rule: Sheet) -> tuple[str, tuple[str | Locator | Keyed, ...]]:
    below = rule.sheet("respond")
    if below is None:
        return "text/plain", ()
    below.only(("content_type", "body"))
    content_type = below.choice("content_type", CONTENT_TYPES) or "text/plain"
    text = below.raw("body")
    if not isinstance(text, str):
        below.wrong("body", "`body` must be a text (it may be empty); put it in quotes")
        return content_type, ()
    try:
        return content_type, templates.reply(text)
    except ValueError as error:
        below.wrong("body", str(error))
        return content_type, ()
