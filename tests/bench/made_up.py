"""The bodies of every load: a Shopify order of 15 line items, some 8 KB, and a track event, both made up.

Sixteen `@` stand where the generator writes a request's own number; in the order they stand at its end, so that a
signature costs the few bytes behind the long beginning. Not concerned with sending.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

MARK = "@" * 16


@cache
def order() -> bytes:
    """An order that `mappings/shopify.yaml` makes a purchase of; its number comes last."""
    items = [_item(number) for number in range(15)]
    paid = sum(round(float(item["price"]) * 100) * item["quantity"] for item in items) / 100
    fixed = {
        "admin_graphql_api_id": "gid://shopify/Order/0",
        "browser_ip": "203.0.113.7",
        "buyer_accepts_marketing": True,
        "cancel_reason": None,
        "cancelled_at": None,
        "client_details": {"accept_language": "de-DE", "browser_ip": "203.0.113.7", "user_agent": _BROWSER},
        "confirmed": True,
        "contact_email": "lena.brandt@example.com",
        "created_at": "2026-03-01T10:00:00+01:00",
        "currency": "EUR",
        "current_total_price": f"{paid:.2f}",
        "customer_locale": "de-DE",
        "discount_codes": [{"code": "SPRING10", "amount": "10.00", "type": "fixed_amount"}],
        "email": "lena.brandt@example.com",
        "financial_status": "paid",
        "landing_site": "/collections/spring?utm_source=ad&utm_medium=cpc&gclid=EAIaIQobChMI-made-up",
        "line_items": items,
        "note_attributes": [{"name": "session_id", "value": "s-4f1c9b"}, {"name": "_fbp", "value": "fb.1.17.42"}],
        "payment_gateway_names": ["shopify_payments"],
        "phone": "+4930123456",
        "presentment_currency": "EUR",
        "processed_at": "2026-03-01T10:00:02+01:00",
        "referring_site": "https://www.example.org/",
        "source_name": "web",
        "subtotal_price": f"{paid:.2f}",
        "tags": "spring, returning",
        "taxes_included": True,
        "test": False,
        "total_discounts": "10.00",
        "total_line_items_price": f"{paid:.2f}",
        "total_price": f"{paid:.2f}",
        "total_price_set": _money(f"{paid:.2f}"),
        "total_tax": f"{paid * 19 / 119:.2f}",
        "billing_address": _ADDRESS,
        "customer": {
            "id": 6_940_095_564_931,
            "created_at": "2025-11-12T08:30:00+01:00",
            "currency": "EUR",
            "default_address": _ADDRESS,
            "email": "lena.brandt@example.com",
            "first_name": "Lena",
            "last_name": "Brandt",
            "state": "enabled",
            "verified_email": True,
        },
        "shipping_address": _ADDRESS,
        "shipping_lines": [{"code": "Standard", "price": "0.00", "title": "Standard"}],
    }
    text = json.dumps(fixed, separators=(",", ":"))
    return f'{text[:-1]},"name":"#{MARK}","id":{MARK}}}'.encode()


@cache
def event() -> bytes:
    """A purchase as a shop's own backend tells it."""
    items = [{"sku": f"SKU-{n}", "name": f"Article {n}", "price": 19.9, "quantity": 1} for n in range(3)]
    return json.dumps(
        {
            "event_type": "purchase",
            "event_id": f"e-{MARK}",
            "timestamp": "2026-03-01T09:00:02Z",
            "session_id": "s-4f1c9b",
            "user_id": "u-1042",
            "properties": {"order_id": MARK, "value": 59.7, "currency": "EUR", "items": items},
            "user_data": {"email": "lena.brandt@example.com", "first_name": "Lena", "country": "DE"},
            "context": {"ip": "203.0.113.7", "user_agent": _BROWSER, "gclid": "EAIaIQobChMI-made-up"},
        },
        separators=(",", ":"),
    ).encode()


def numbered(template: bytes, number: int) -> bytes:
    """The template as the generator sends it under a number."""
    return template.replace(MARK.encode(), b"%016d" % number)


_BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0 Safari/537.36"
_ADDRESS = {
    "first_name": "Lena",
    "last_name": "Brandt",
    "address1": "Lindenallee 4",
    "phone": "+4930123456",
    "city": "Berlin",
    "zip": "10115",
    "province": None,
    "province_code": None,
    "country": "Germany",
    "country_code": "DE",
    "name": "Lena Brandt",
}


def _money(amount: str) -> dict[str, Any]:
    one = {"amount": amount, "currency_code": "EUR"}
    return {"shop_money": one, "presentment_money": one}


def _item(number: int) -> dict[str, Any]:
    price = f"{9 + 7 * number}.90"
    return {
        "id": 13_000_000_000_000 + number,
        "fulfillment_service": "manual",
        "name": f"Linen shirt {number} - M",
        "price": price,
        "price_set": {"shop_money": {"amount": price, "currency_code": "EUR"}},
        "product_id": 8_000_000_000_000 + number,
        "quantity": 1 + number % 3,
        "requires_shipping": True,
        "sku": f"LINEN-{number:03}-M",
        "taxable": True,
        "title": f"Linen shirt {number}",
        "variant_id": 45_000_000_000_000 + number,
        "variant_title": "M",
        "vendor": "Loom & Sons",
    }
