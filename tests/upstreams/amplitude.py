"""Amplitude's HTTP V2: 400 names the bad events by field, and none was taken.

https://amplitude.com/docs/apis/analytics/http-v2
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY, ItemCheck, is_number, is_text
from upstreams.platform import FakePlatform, Received


class AmplitudeUpstream(FakePlatform):
    """The first of an `insert_id` counts."""

    kind = "amplitude"
    path = "/2/httpapi"
    settings: ClassVar[Mapping[str, Any]] = {"api_key": "amplitude-key-1"}
    most = 2000
    most_bytes = 1 << 20

    def token_fits(self, got: Received) -> bool:
        return isinstance(got.json, dict) and got.json.get("api_key") == self.settings["api_key"]

    def items_of(self, got: Received) -> Any:
        return got.json.get("events")

    def judge_item(self, item: Any, got: Received) -> str | None:
        least = got.json.get("options", {}).get("min_id_length", 5)
        check = ItemCheck(item)
        check.require("event_type")
        check.require_any("user_id", "device_id")
        check.match(
            f"at least {least} characters", lambda value: is_text(value) and len(value) >= least, "user_id", "device_id"
        )
        check.match("a text", is_text, "event_type", "insert_id", "ip")
        check.within("time", now=self.clock(), oldest=10 * 365 * DAY, ahead=3600, unit=1000)
        check.match("a number", is_number, "revenue", "price")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if not problems:
            self.take(items)
            return JSONResponse({"code": 200, "events_ingested": len(items), "payload_size_bytes": len(got.body)})
        fields: dict[str, list[int]] = {}
        for place, text in problems.items():
            fields.setdefault(text.split(" ")[0], []).append(place)
        return JSONResponse(
            {"code": 400, "error": "Request missing required field", "events_with_invalid_fields": fields,
             "events_with_missing_fields": {}}, 400,
        )  # fmt: skip

    def refuse_token(self) -> Response:
        return JSONResponse({"code": 400, "error": "Invalid API key: amp…"}, 400)

    def refuse_rate(self) -> Response:
        return JSONResponse(
            {"code": 429, "error": "Too many requests for some devices and users", "throttled_events": [0]}, 429
        )

    def refuse_request(self, problem: str) -> Response:
        return JSONResponse(
            {"code": 413 if "bytes" in problem else 400, "error": problem}, 413 if "bytes" in problem else 400
        )
