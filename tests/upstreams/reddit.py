"""Reddit Conversions API v3: all or nothing.

https://ads-api.reddit.com/docs/v3/guides/programs/capi/direct-integration
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY, ItemCheck, is_number, is_text, is_whole
from upstreams.platform import FakePlatform, Received

TYPES = {
    "PAGE_VISIT",
    "VIEW_CONTENT",
    "SEARCH",
    "ADD_TO_CART",
    "ADD_TO_WISHLIST",
    "PURCHASE",
    "LEAD",
    "SIGN_UP",
    "CUSTOM",
}
EVENT = {"event_at", "action_source", "event_source_url", "click_id", "type", "user", "metadata"}


class RedditUpstream(FakePlatform):
    """Events with a `test_id` are shown in Event Testing and counted nowhere."""

    kind = "reddit"
    path = "/api/v3/pixels/a2_pixel/conversion_events"
    settings: ClassVar[Mapping[str, Any]] = {"pixel_id": "a2_pixel", "token": "reddit-token-1"}
    most = 1000

    def items_of(self, got: Received) -> Any:
        data = got.json.get("data") if isinstance(got.json, dict) else None
        return data.get("events") if isinstance(data, dict) else None

    def judge_request(self, got: Received) -> str | None:
        check = ItemCheck(got.json)
        check.only("data", {"test_id", "partner", "events"})
        return check.first

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.only("", EVENT)
        check.require("event_at", "type.tracking_type", "action_source")
        check.within("event_at", now=self.clock(), oldest=7 * DAY, ahead=300, unit=1000)
        check.one_of("type.tracking_type", TYPES)
        check.one_of("action_source", {"WEBSITE", "APP", "OFFLINE"})
        if check.values("type.tracking_type") == ["CUSTOM"]:
            check.require("type.custom_event_name")
        check.require_any(
            "click_id",
            "user.email",
            "user.phone_number",
            "user.external_id",
            "user.uuid",
            ["user.ip_address", "user.user_agent"],
        )
        check.hashed("user.", "email", "phone_number")
        check.match("a text", is_text, "click_id", "user.external_id", "metadata.conversion_id")
        check.money("metadata.value", "metadata.currency")
        check.match("a whole number", is_whole, "metadata.item_count")
        check.match("a number", is_number, "metadata.value")
        check.match("LDU", lambda mode: mode == "LDU", "user.data_processing_options.modes")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if problems:
            place, text = next(iter(problems.items()))
            return JSONResponse({"error": {"code": 400, "message": f"data.events[{place}]: {text}"}}, 400)
        if not got.json["data"].get("test_id"):
            self.take(items)
        return JSONResponse({"data": {"message": "Successfully processed all conversion events."}})

    def refuse_token(self) -> Response:
        return JSONResponse({"error": {"code": 401, "message": "Unauthorized"}}, 401)

    def refuse_request(self, problem: str) -> Response:
        return JSONResponse({"error": {"code": 400, "message": problem}}, 400)
