"""OpenAI ads, Conversions API: one bad event fails the batch.

https://developers.openai.com/ads/conversions-api
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY, ItemCheck, is_text, is_whole
from upstreams.platform import FakePlatform, Received

SHAPES = {
    "order_created": "contents", "checkout_started": "contents", "items_added": "contents", "contents_viewed": "contents",
    "page_viewed": "contents", "lead_created": "customer_action", "registration_completed": "customer_action",
    "appointment_scheduled": "customer_action", "subscription_created": "plan_enrollment",
    "trial_started": "plan_enrollment", "custom": "custom",
}  # fmt: skip


class OpenaiAdsUpstream(FakePlatform):
    """Amounts are whole numbers of the currency's smallest unit."""

    kind = "openai_ads"
    path = "/v1/events"
    settings: ClassVar[Mapping[str, Any]] = {"pixel_id": "px_1", "api_key": "openai-key-1"}
    most = 1000

    def token_fits(self, got: Received) -> bool:
        return (got.bearer, got.query.get("pid")) == (self.settings["api_key"], self.settings["pixel_id"])

    def items_of(self, got: Received) -> Any:
        return got.json.get("events") if isinstance(got.json, dict) else None

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.require("id", "type", "timestamp_ms", "source_url")
        check.one_of("type", SHAPES)
        check.one_of("action_source", {"web"})
        check.within("timestamp_ms", now=self.clock(), oldest=7 * DAY, ahead=600, unit=1000)
        check.hashed(
            "user.",
            "email_sha256",
            "phone_number_sha256",
            "external_id_sha256",
            "city_sha256",
            "zip_code_sha256",
            "country_sha256",
        )
        check.match("a text", is_text, "id", "source_url", "oppref", "user.obref", "data.contents.id")
        shape = SHAPES.get(str((check.values("type") or [""])[0]))
        check.one_of("data.type", {shape or ""})
        check.money("data.amount", "data.currency", fits=is_whole)
        check.match("a whole number", is_whole, "data.contents.amount", "data.contents.quantity")
        if any("content_type" not in each for found in check.values("data.contents") for each in found):
            check.problems.append("data.contents.content_type is missing")
        if check.values("type") == ["custom"]:
            check.require("custom_event_name")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if problems:
            place, text = next(iter(problems.items()))
            code = "event_timestamp_too_old" if "past" in text else "invalid_event"
            return JSONResponse({"error": {"code": code, "message": text, "param": f"events[{place}]"}}, 422)
        if not got.json.get("validate_only"):
            self.take(items)
        return JSONResponse({"events_received": len(items)})

    def refuse_token(self) -> Response:
        return JSONResponse({"error": {"code": "invalid_api_key", "message": "Incorrect API key provided."}}, 401)

    def refuse_request(self, problem: str) -> Response:
        return JSONResponse({"error": {"code": "invalid_request", "message": problem}}, 400)
