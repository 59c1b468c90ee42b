"""X Conversion API: signed by OAuth 1.0a, and refused as a whole with a reason.

https://docs.x.com/x-ads-api/measurement/web-conversions, RFC 5849 section 3.4.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, unquote

from starlette.responses import JSONResponse, Response

from upstreams.item_check import ItemCheck, is_decimal, is_text, is_whole, matching
from upstreams.platform import FakePlatform, Received

KEYS = {
    "consumer_key": "consumer-1",
    "consumer_secret": "consumer-secret-1",
    "token": "token-1",
    "token_secret": "token-secret-1",
}
ADDRESS = "https://ads-api.x.com"
INSTANT = matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")


class XUpstream(FakePlatform):
    """The signature names X's own address, whatever the address of this fake is."""

    kind = "x"
    path = "/12/measurement/conversions/o1abc"
    settings: ClassVar[Mapping[str, Any]] = {
        "pixel_id": "o1abc",
        "oauth": json.dumps(KEYS),
        "events": {"purchase": "tw-o1abc-o2def", "lead": "tw-o1abc-o3ghi"},
    }
    most = 500

    def token_fits(self, got: Received) -> bool:
        return check_oauth1(got, f"{ADDRESS}{got.path}")

    def items_of(self, got: Received) -> Any:
        return got.json.get("conversions") if isinstance(got.json, dict) else None

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.require("conversion_time", "event_id")
        check.match("a time in ISO 8601", INSTANT, "conversion_time")
        check.match("a single event tag (SET)", matching("tw-o1abc-[a-z0-9]+"), "event_id")
        check.require_any("identifiers.twclid", "identifiers.hashed_email", "identifiers.hashed_phone_number")
        check.hashed("identifiers.", "hashed_email", "hashed_phone_number")
        check.match("a text", is_text, "conversion_id", "identifiers.twclid")
        check.money("value", "price_currency", fits=is_decimal)
        check.match("a number as text", is_decimal, "contents.content_price")
        check.match("a whole number", is_whole, "number_items", "contents.num_items")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if problems:
            return self.refuse_request(next(iter(problems.values())))
        self.take(items)
        return JSONResponse({"data": {"conversions_processed": len(items), "debug_id": "d1"}})

    def refuse_token(self) -> Response:
        return JSONResponse(
            {"errors": [{"code": "UNAUTHORIZED_ACCESS", "message": "This request is not properly authenticated"}]}, 401
        )

    def refuse_request(self, problem: str) -> Response:
        return JSONResponse({"errors": [{"code": "INVALID_PARAMETER", "message": problem}]}, 400)


def check_oauth1(got: Received, address: str) -> bool:
    """Whether the Authorization header signs this request to `address`; the body is not part of the signature."""
    said = {
        name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', got.headers.get("authorization", ""))
    }
    given = said.pop("oauth_signature", "")
    if said.get("oauth_consumer_key") != KEYS["consumer_key"] or said.get("oauth_token") != KEYS["token"]:
        return False
    if (
        said.get("oauth_signature_method") != "HMAC-SHA1"
        or not said.get("oauth_nonce")
        or not said.get("oauth_timestamp", "").isdigit()
    ):
        return False
    pairs = sorted(
        (_encode(name), _encode(value)) for name, value in [*said.items(), *got.query.items()] if name != "realm"
    )
    base = "&".join([got.method, _encode(address), _encode("&".join(f"{name}={value}" for name, value in pairs))])
    key = f"{_encode(KEYS['consumer_secret'])}&{_encode(KEYS['token_secret'])}"
    wanted = base64.b64encode(hmac.new(key.encode(), base.encode(), hashlib.sha1).digest()).decode()
    return hmac.compare_digest(wanted, given)


def _encode(text: str) -> str:
    return quote(text, safe="~")
