"""Meta Conversions API: one bad event fails the whole request, and the answer does not say which.

https://developers.facebook.com/docs/marketing-api/conversions-api/parameters
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY, ItemCheck, is_number, is_text, is_whole, matching
from upstreams.platform import FakePlatform, Received

SOURCES = {
    "email",
    "website",
    "app",
    "phone_call",
    "chat",
    "physical_store",
    "system_generated",
    "business_messaging",
    "other",
}
TOP = {"data", "test_event_code", "partner_agent", "upload_tag", "access_token"}
HASHED = ("em", "ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country")
TOO_WEAK = (
    {"ct", "country", "st", "zp", "ge", "client_user_agent"},
    {"db", "client_user_agent"},
    {"fn", "ge"},
    {"ln", "ge"},
)


class MetaUpstream(FakePlatform):
    """`counted` holds what measurement sees: the first of an event name and id within 48 hours."""

    kind = "meta"
    path = "/v"
    settings: ClassVar[Mapping[str, Any]] = {"pixel_id": "1234567890", "access_token": "EAAB-meta-token-1"}
    most = 1000

    @property
    def counted(self) -> list[dict[str, Any]]:
        """The events of which measurement counts one for each name and id."""
        return list(
            {(each["event_name"], each.get("event_id", id(each))): each for each in reversed(self.taken)}.values()
        )

    def token_fits(self, got: Received) -> bool:
        sent = got.json if isinstance(got.json, dict) else {}
        return self.settings["access_token"] in (sent.get("access_token"), got.query.get("access_token"))

    def judge_request(self, got: Received) -> str | None:
        if not re.fullmatch(rf"/v\d+\.0/{self.settings['pixel_id']}/events", got.path):
            return f"Unsupported post request: {got.path}"
        unknown = got.json.keys() - TOP
        return f"unknown fields {sorted(unknown)}" if unknown else None

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.require("event_name", "event_time", "user_data", "action_source")
        check.one_of("action_source", SOURCES)
        stores = check.values("action_source") == ["physical_store"]
        check.within("event_time", now=self.clock(), oldest=(62 if stores else 7) * DAY)
        if check.values("action_source") == ["website"]:
            check.require("event_source_url", "user_data.client_user_agent")
        check.hashed("user_data.", *HASHED)
        check.match(
            "a text", is_text, "event_id", "user_data.fbp", "user_data.client_ip_address", "user_data.client_user_agent"
        )
        check.match("fb.N.ms.id", matching(r"fb\.\d\.\d{13}\..+"), "user_data.fbc")
        known = {name for name in (check.values("user_data") or [{}])[0] if check.has(f"user_data.{name}")}
        if not known or any(known <= weak for weak in TOO_WEAK):
            check.problems.append("user_data does not have enough customer information")
        check.money("custom_data.value", "custom_data.currency", is_code=matching("[A-Za-z]{3}"))  # the SDK writes usd
        check.match("a whole number", is_whole, "custom_data.num_items", "custom_data.contents.quantity")
        check.match("a number", is_number, "custom_data.contents.item_price")
        check.one_of("custom_data.content_type", {"product", "product_group"})
        if check.values("event_name") == ["Purchase"]:
            check.require("custom_data.value", "custom_data.currency")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if problems:
            text = next(iter(problems.values()))
            old = "too far in the past" in text
            return _error(400, 100, "Invalid parameter", subcode=2804003 if old else 2804019, user=f"{text}."[:200])
        self.take(items)
        return JSONResponse({"events_received": len(items), "messages": [], "fbtrace_id": "AbC"})

    def refuse_token(self) -> Response:
        return _error(400, 190, "Error validating access token: the session has been invalidated.", subcode=460)

    def refuse_rate(self) -> Response:
        return _error(400, 80004, "There have been too many calls to this ad-account.")

    def refuse_request(self, problem: str) -> Response:
        return _error(400, 100, problem, subcode=33 if "Unsupported" in problem else None)


def _error(status: int, code: int, message: str, *, subcode: int | None = None, user: str | None = None) -> Response:
    error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "AbC"}
    extra = {"error_subcode": subcode, "error_user_msg": user}
    return JSONResponse({"error": error | {name: value for name, value in extra.items() if value}}, status)
