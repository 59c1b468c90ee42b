"""What the console shows of bodies, events, answers and reasons: nothing that may be personal. Pure.

One function decides for HTML and JSON. A text is shown only where its key and its form say that it is no person's: an
amount, a currency, a state, an instant, an id of a thing. Everything else is masked, and keeps its form: `•••@•••.••`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import lru_cache

from bridge.core.json_text import Json
from bridge.http.console.answer_words import mask_answer
from bridge.mapping.tools.personal_data import LONGEST_KEPT, kind_of

Path = tuple[str | int, ...]
_PRIVATE = frozenset({"user_data", "context", "session_id", "user_id"})
"""What of an event is about the person or the visit, whatever it looks like."""
_MOST_SHOWN = 24
_DIGITS = 5
"""A longer number may name somebody, unless its key says what it is."""
_IMPERSONAL: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(key), re.compile(form))
    for key, form in (
        (
            r"(.*_)?(amount|total|subtotal|price|value|tax|shipping|discount|fee|cost|quantity|count)(_.*)?",
            r"-?[0-9]{1,12}(\.[0-9]{1,9})?",
        ),
        (r"(.*_)?currency(_code)?", r"[A-Za-z]{3}"),
        (r"(.*_)?country(_code)?", r"[A-Za-z]{2}"),
        (r"(.*_)?(locale|language)", r"[A-Za-z]{2}([-_][A-Za-z]{2})?"),
        (
            r"(.*_)?(status|type|topic|event|kind|object|mode|gateway|interval|api_version|source_name)",
            r"[A-Za-z0-9][A-Za-z0-9_./-]{0,47}",
        ),
        (
            r"(.*_)?(at|on|created|updated|timestamp|time|date)",
            r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{5,12}(Z|[+-][0-9:]{4,5})?|[0-9]{9,13}",
        ),
        (
            r"(.*_)?(ids?|number|intent|charge|invoice|subscription|refund|order|payment)",
            r"[0-9]{1,20}|[A-Z]{1,3}-[0-9]{1,12}|(?!cus_)[a-z]{2,8}_[A-Za-z0-9_]{6,80}|gid://shopify/(?!Customer)[A-Za-z]+/[0-9]+",
        ),
        (r"(order_)?name", r"#[A-Z]{0,3}[0-9]{1,12}"),
        (r"(.*_)?(sku|product_id|variant_id)", r"[A-Za-z0-9._/-]{1,40}"),
    )
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:-]{0,79}")
_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_.$ -]{0,63}")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\S*@\S*|\S*[0-9]{5,}\S*|\+[0-9][0-9 ().-]+")
_FIELD = re.compile(
    r"`(event_type|timestamp|require: \[\]|null|(properties|user_data|context|consent)(\.[a-z_]{1,40})?)`"
)
_PLACE = re.compile(r"[A-Za-z0-9_.-]+\.ya?ml:[0-9]+:[0-9]+: ")


def shown_text(path: Path, value: str | int | Decimal, around: Mapping[str, Json], *, private: bool = False) -> str:
    """A value as it is shown: itself, or masked. `around` is the object it is in; `private` masks it in any case."""
    text = str(value)
    return text if not text or (not private and _is_impersonal(path, value, around)) else mask_text(text)


def _is_impersonal(path: Path, value: str | int | Decimal, around: Mapping[str, Json]) -> bool:
    names = tuple(step for step in path if isinstance(step, str))
    if not names or _PRIVATE & set(names) or kind_of(names, value, around) is not None:
        return False
    key, text = _snake_case(names[-1]), str(value)
    if isinstance(value, int) and len(text.lstrip("-")) <= _DIGITS:
        return True
    forms = _forms_named(key) if len(key) <= LONGEST_KEPT else _forms_named.__wrapped__(key)
    return any(form.fullmatch(text) for form in forms)


@lru_cache(maxsize=512)
def _forms_named(key: str) -> tuple[re.Pattern[str], ...]:
    """The forms of values that a key says are no person's."""
    return tuple(form for named, form in _IMPERSONAL if named.fullmatch(key))


def mask_document(document: Json, *, private: Collection[Path] = ()) -> Json:
    """A document with every value that may be personal masked. The values at the paths `private` are masked, too."""
    return _mask_value(document, (), (), {}, private)


def _mask_value(value: Json, path: Path, named: Path, around: Mapping[str, Json], private: Collection[Path]) -> Json:
    match value:
        case dict():
            return {
                shown_key(key): _mask_value(below, (*path, key), (*named, named_key(value, key)), value, private)
                for key, below in value.items()
            }
        case list():
            return [
                _mask_value(below, (*path, place), (*named, place), around, private)
                for place, below in enumerate(value)
            ]
        case bool() | None:
            return value
        case _:
            shown = shown_text(named, value, around, private=is_below(path, private))
            return value if shown == str(value) else shown


def is_below(path: Path, private: Collection[Path]) -> bool:
    """Whether a path is one of these, or below one."""
    return any(path[:length] in private for length in range(1, len(path) + 1))


def named_key(around: Mapping[str, Json], key: str) -> str:
    """What a value is called: in an element with a `name` or a `key`, what that says of its `value`."""
    if key != "value":
        return key
    return next((name for each in ("name", "key") if isinstance(name := around.get(each), str)), key)


def shown_key(key: str) -> str:
    """The name of a value as it is shown: some senders put a person's address there."""
    is_personal = kind_of(("key",), key, {}) is not None
    return key if _KEY.fullmatch(key) and not is_personal else mask_text(key)


def shown_word(word: str | None) -> str:
    """A topic, an event's type, a provider's id: itself where it is one word, else masked. Empty for none."""
    if not word:
        return ""
    return word if _WORD.fullmatch(word) and kind_of(("word",), word, {}) is None else mask_text(word)


def shown_order(order: str | None) -> str:
    """An order's id: itself where it has the form of one, else masked. Empty for none."""
    return shown_text(("order_id",), order, {}) if order else ""


def shown_reason(reason: str | None) -> str:
    """A reason of the bridge or of a mapping, without the values that it quotes. Empty for none."""
    if not reason:
        return ""
    place = _PLACE.match(reason)
    begins = place.end() if place else 0
    return reason[:begins] + _QUOTED.sub(lambda found: _shown_quoted(found[0]), reason[begins:])


def _shown_quoted(quoted: str) -> str:
    """What stands in quotes: itself where it is a field of the contract in backticks, for all else may be a value."""
    return quoted if _FIELD.fullmatch(quoted) else "…"


def shown_answer_reason(reason: str | None) -> str:
    """Why a delivery is dead or was skipped. What an upstream wrote behind its status is masked but for plain words."""
    if not reason:
        return ""
    status, _, rest = reason.partition(" ")
    return f"{status} {mask_answer(rest)}" if status[:3].isdigit() else shown_reason(reason)


def mask_text(text: str) -> str:
    """The form of a text: letters and digits become dots."""
    shown = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN]
    masked = "".join("•" if each.isalnum() else each if each in " @.+-_:/,()" else "•" for each in shown)
    return masked + ("…" if len(text) > _MOST_SHOWN else "")


def _snake_case(key: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_").replace(" ", "_").lower()
