"""Snap Conversions API v3: all or nothing, and the answer names the first bad event.

https://developers.snap.com/api/marketing-api/Conversions-API/Parameters
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY, ItemCheck, is_number, is_whole, matching
from upstreams.platform import FakePlatform, Received

HASHED = ("em", "ph", "fn", "ln", "ge", "db", "ct", "st", "zp", "country", "external_id")


class SnapchatUpstream(FakePlatform):
    """Its `/validate` judges and takes nothing."""

    kind = "snapchat"
    path = "/v3/snap-pixel-1/events"
    settings: ClassVar[Mapping[str, Any]] = {"pixel_id": "snap-pixel-1", "access_token": "snap-token-1"}
    most = 2000

    def token_fits(self, got: Received) -> bool:
        return got.query.get("access_token") == str(self.settings["access_token"])

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.require("event_name", "event_time", "action_source", "user_data")
        check.match("an event name", matching(r"[A-Z][A-Z0-9_]*"), "event_name")
        check.one_of("action_source", {"WEB", "MOBILE_APP", "OFFLINE"})
        check.within("event_time", now=self.clock(), oldest=37 * DAY)
        check.require_any(
            "user_data.em",
            "user_data.ph",
            "user_data.madid",
            ["user_data.client_ip_address", "user_data.client_user_agent"],
        )
        check.hashed("user_data.", *HASHED)
        check.match_lists(*(f"user_data.{name}" for name in HASHED))
        check.money("custom_data.value", "custom_data.currency")
        check.match("a number", is_number, "custom_data.contents.item_price")
        check.match("a whole number", is_whole, "custom_data.contents.quantity", "custom_data.num_items")
        check.match("LMU", lambda value: value == "LMU", "data_processing_options")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if problems:
            place, text = next(iter(problems.items()))
            return JSONResponse(
                {"status": "INVALID", "reason": text, "event": place, "errors": {"codes": [400], "error_msgs": [text]}},
                400,
            )
        if not got.path.endswith("/validate"):
            self.take(items)
        return JSONResponse({"status": "VALID", "reason": f"Total events: {len(items)}"})

    def refuse_token(self) -> Response:
        return JSONResponse({"status": "INVALID", "reason": "Unauthorized"}, 401)

    def refuse_request(self, problem: str) -> Response:
        return JSONResponse({"status": "INVALID", "reason": problem}, 400)
