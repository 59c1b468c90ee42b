"""TikTok Events API 2.0: HTTP 200 to everything, and the code in the body says what became of it.

https://business-api.tiktok.com/portal/docs?id=1771100865818625
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY, ItemCheck, is_number, is_text, is_whole
from upstreams.platform import FakePlatform, Received

TOP = {"event_source", "event_source_id", "partner_name", "test_event_code", "data"}
EVENT = {"event", "event_time", "event_id", "user", "page", "properties", "limited_data_use"}
USER = {
    "email",
    "phone",
    "external_id",
    "first_name",
    "last_name",
    "zip_code",
    "city",
    "state",
    "country",
    "ip",
    "user_agent",
    "ttclid",
    "ttp",
    "locale",
}


class TiktokUpstream(FakePlatform):
    """It takes the good ones of a request and names the others by index."""

    kind = "tiktok"
    path = "/open_api/v1.3/event/track/"
    settings: ClassVar[Mapping[str, Any]] = {"pixel_code": "C3QABC", "access_token": "tiktok-token-1"}
    most = 1000

    def token_fits(self, got: Received) -> bool:
        return got.headers.get("access-token") == str(self.settings["access_token"])

    def judge_request(self, got: Received) -> str | None:
        check = ItemCheck(got.json)
        check.only("", TOP)
        check.one_of("event_source", {"web", "app", "offline", "crm"})
        check.require("event_source", "event_source_id")
        check.one_of("event_source_id", {self.settings["pixel_code"]})
        return check.first

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.only("", EVENT)
        check.only("user", USER)
        check.require("event", "event_time", "user")
        check.within("event_time", now=self.clock(), oldest=28 * DAY)
        check.require_any(
            "user.email", "user.phone", "user.external_id", "user.ttclid", "user.ttp", ["user.ip", "user.user_agent"]
        )
        check.hashed("user.", "email", "phone", "external_id", "first_name", "last_name", "zip_code")
        check.match(
            "a text",
            is_text,
            "event_id",
            "user.ip",
            "user.city",
            "page.url",
            "properties.order_id",
            "properties.contents.content_id",
        )
        check.money("properties.value", "properties.currency")
        check.match("a number", is_number, "properties.contents.price")
        check.match("a whole number", is_whole, "properties.contents.quantity", "properties.num_items")
        check.one_of("limited_data_use", {True, False})
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        self.take(items, problems)
        if not problems:
            return _told(0, "OK")
        if len(problems) == len(items):
            return _told(40002, next(iter(problems.values())))
        failed = [{"index": place, "error_message": text} for place, text in problems.items()]
        return _told(20001, "Partial success", {"failed_events": failed})

    def refuse_token(self) -> Response:
        return _told(40105, "Access token is incorrect or has been revoked.")

    def refuse_rate(self) -> Response:
        return _told(40100, "Too many requests.")

    def refuse_request(self, problem: str) -> Response:
        return _told(40002, problem)


def _told(code: int, message: str, data: Mapping[str, Any] = {}) -> Response:
    return JSONResponse({"code": code, "message": message, "request_id": "2026", "data": data})
