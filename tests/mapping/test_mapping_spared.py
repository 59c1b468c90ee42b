"""What a mapping builds is spared looks that the contract gives to what others send.

It must stand them all the same.
"""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from mapping_author import NOW, source, webhook, written

from bridge import contract, mapping
from bridge.contract.nulls import without_nulls
from bridge.core import dedupe_keys, json_text
from bridge.core.conversions import KnownConversion
from bridge.core.errors import NotAnEvent
from bridge.core.json_text import Json
from bridge.core.model import Event, EventProblem
from bridge.mapping.engine.recall import RecallContext

SCALARS = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=2)
TEXT = st.text(max_size=6) | st.sampled_from(["\x00", "null", "NaN", "\\", "19.90", "eur", "A@example.com"])
JSON = st.recursive(
    SCALARS | TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=12
)
SECTIONS = st.dictionaries(TEXT | st.sampled_from(["value", "currency", "items", "email", "ip"]), JSON, max_size=4)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("properties", "user_data", "context", "consent"), SECTIONS),
        "items": st.lists(JSON | SECTIONS, max_size=3),
        "any": JSON,
    },
)
EARLIER = st.fixed_dictionaries(
    {"event_type": st.just("purchase")},
    optional={**dict.fromkeys(("properties", "user_data", "context"), SECTIONS), "session_id": TEXT},
)
TEXTS = (
    """
    events:
      - topic: made
        event:
          event_type: lead
          properties: =body.properties
          user_data: =body.user_data
          context: =body.context
          consent: =body.consent
    """,
    """
    events:
      - topic: made
        event:
          event_type: lead
          session_id: =body.any
          properties:
            none: null
            list: [null, =body.any, "=[body.any, body.items]", {a: null, b: =body.any}]
            made: "={a: body.any, b: body.none}"
            deep: {a: {b: {c: =body.properties.value, d: null}}}
            sum: =total(body.items[].price)
            read: =parse_json(to_string(body.any))
            items:
              for_each: one
              in: =body.items
              map: =one
          user_data:
            email: =lower(body.user_data.email)
            name: =join(' ', body.any)
          context:
            page_url: =format('{}', body.context.ip)
    """,
    """
    events:
      - topic: made
        recall:
          event_type: purchase
          dedupe: =webhook.id
          take: [user_data, context, session_id, properties.currency, properties.items, properties.x]
        event:
          event_type: lead
          properties:
            any: =body.any
            items:
              for_each: one
              in: =body.items
              map: {name: =one.email, price: =one.value, none: null, all: =one}
    """,
)
RULES = [
    (source(written(text)), mapping.parse_mapping(written(text), name="shop.yaml").program.rules[0]) for text in TEXTS
]


def come_to(raw: Json, *, mapped: bool) -> Event | tuple[EventProblem, ...]:
    try:
        return contract.validate_event(
            raw, origin="source:shop", scope="shop", received_at=NOW, default_id="evt_1", mapped=mapped
        )
    except NotAnEvent as refused:
        return refused.problems


@given(body=BODIES, which=st.integers(0, len(TEXTS) - 1), earlier=EARLIER)
@example(body={"any": "\x00", "properties": {"currency": "eur", "x": [None, "\x00"]}}, which=0, earlier={})
@example(body={"items": [{"a": None}, None, [None]], "any": {"a": [{"b": None}]}}, which=1, earlier={})
@example(body={}, which=2, earlier={"event_type": "purchase", "properties": {"x": {"y": None}, "currency": None}})
def test_what_a_mapping_builds_holds_no_null_and_is_the_same_event_looked_at_closely_or_not(
    body: Json, which: int, earlier: Json
) -> None:
    bound, rule = RULES[which]
    hook = webhook(json_text.write_json(body))
    frame, _ = bound.make_frame(hook)
    lender = come_to(earlier, mapped=False)
    key = dedupe_keys.conversion_key("shop", "purchase", hook.id, test=False)
    frame.recalling = RecallContext(
        "shop",
        test=False,
        earlier={key: (KnownConversion(lender.text),) if isinstance(lender, Event) else ()},
        has_waited=True,
    )
    try:
        built = rule.run(frame)
    except Exception:  # noqa: BLE001  what cannot be worked out builds nothing
        return
    assert not isinstance(built, int)
    raw, _ = built
    assert json_text.write_json(without_nulls(raw)) == json_text.write_json(raw)
    assert come_to(raw, mapped=True) == come_to(raw, mapped=False)
