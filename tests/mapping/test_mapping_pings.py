"""What a provider sends to see whether the address answers is ignored with a note, and is never set aside."""

from __future__ import annotations

from mapping_author import HEAD, document, events, ignored, made, place, set_aside, source, webhook

from bridge.core.model import Ignored

SHOP = HEAD.replace("  topic: [header:X-Topic]\n", """\
  topic: [header:X-WC-Webhook-Topic]
  ping: =!(webhook.topic) && body.webhook_id
""") + """\
set_aside:
  - {when: =!(body.id), reason: it has no id}
let:
  status: =body.status
events:
  - topic: [order.created, order.updated]
    when: [{if: "=contains(['processing', 'completed'], status || '')", else: the order is not paid}]
    dedupe: =body.id
    event:
      event_type: purchase
      properties: {order_id: =body.number, value: =decimal(body.total), currency: =body.currency}
  - topic: order.updated
    for_each: refund
    in: =body.refunds
    dedupe: =refund.id
    event:
      event_type: refund
      properties: {order_id: =body.number, value: =negate(refund.total), currency: =body.currency}
"""  # fmt: skip


def test_a_ping_without_a_topic_is_ignored_with_a_note() -> None:
    note = "a test ping, by which the provider asks whether the address answers"
    form = {"content-type": "application/x-www-form-urlencoded"}
    for outcome in (
        source(SHOP).translate(webhook(b"webhook_id=12", topic=None, headers=form)),
        source(SHOP).translate(webhook({"webhook_id": 12}, topic=None)),
    ):
        assert outcome == Ignored(note)


def test_what_is_no_ping_is_looked_at_as_ever() -> None:
    assert set_aside(SHOP, {"id": 7}, topic=None) == "no topic found: looked at header:X-WC-Webhook-Topic"
    assert set_aside(SHOP, {"webhook_id": 12}, topic="order.created") == f"{place(SHOP, '=!(body.id)')}: it has no id"
    assert set_aside(SHOP, b"{", topic=None).startswith("no topic found: looked at header:X-WC-Webhook-Topic; the body")


def test_a_ping_that_cannot_be_told_sets_the_webhook_aside_at_its_line() -> None:
    text = SHOP.replace("=!(webhook.topic) && body.webhook_id", "=decimal(body.webhook_id)")
    assert set_aside(text, {"webhook_id": "x"}, topic=None).startswith(f"{place(text, 'decimal(')}: ")


def test_the_refunds_of_a_shops_order_are_told_each_once_and_with_the_order() -> None:
    """As WooCommerce sends an order: with all of its refunds, again at every change of it."""
    order = {"id": 727, "number": "727", "status": "processing", "currency": "USD", "total": "29.35", "refunds": []}
    one, other = {"id": 726, "reason": "", "total": "-10.00"}, {"id": 724, "reason": "", "total": "-9.00"}
    assert [event["event_type"] for event in events(SHOP, order, topic="order.updated")] == ["purchase"]
    first = made(source(SHOP).translate(webhook(order | {"refunds": [one]}, topic="order.updated")))
    both = made(source(SHOP).translate(webhook(order | {"refunds": [other, one]}, topic="order.updated")))
    assert [event.event_type for event in both] == ["purchase", "refund", "refund"]
    assert [str(document(event)["properties"]["value"]) for event in both] == ["29.35", "9.00", "10.00"]
    assert {document(event)["properties"]["order_id"] for event in both} == {"727"}
    assert first[1].conversion_keys == both[2].conversion_keys
    assert first[0].conversion_keys == both[0].conversion_keys
    unpaid = order | {"status": "pending"}
    assert ignored(SHOP, unpaid, topic="order.updated") == (
        "the order is not paid; there is no refund in it (shop.yaml:14, :21)"
    )


def test_a_byte_order_mark_before_the_body_is_passed_over() -> None:
    body = b'\xef\xbb\xbf{"id": 1, "number": "1", "status": "completed", "currency": "EUR", "total": "5"}'
    [event] = events(SHOP, body, topic="order.created")
    assert event["properties"] == {"order_id": "1", "value": 5, "currency": "EUR"}
