"""Pinterest Conversions API v5: judged by Pinterest's own OpenAPI schema first, then by what its page says beside it.

https://github.com/pinterest/api-description
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from jsonschema import Draft202012Validator
from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY, ItemCheck
from upstreams.platform import FakePlatform, Received

HASHED = ("em", "ph", "fn", "ln", "ct", "st", "zp", "country", "external_id", "db", "ge", "hashed_maids")
SCHEMA = Path(__file__).parent / "vendored" / "pinterest.json"


@cache
def validator(name: str) -> Draft202012Validator:
    """What validates a schema of Pinterest's description."""
    components = json.loads(SCHEMA.read_text())["components"]
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": components})


class PinterestUpstream(FakePlatform):
    """200 where all are taken, 422 with a status for each where some are not."""

    kind = "pinterest"
    path = "/v5/ad_accounts/549755885175/events"
    settings: ClassVar[Mapping[str, Any]] = {"ad_account": "549755885175", "token": "pina-token-1"}
    most = 1000

    def judge_request(self, got: Received) -> str | None:
        rest = got.json | {"data": [{}]}
        unknown = [error.message for error in validator("ConversionEvents").iter_errors(rest) if not list(error.path)]
        return unknown[0] if unknown else None

    def judge_item(self, item: Any, got: Received) -> str | None:
        errors = sorted(
            validator("ConversionEvents").iter_errors({"data": [item]}), key=lambda error: list(map(str, error.path))
        )
        if errors:
            return f"{'.'.join(map(str, list(errors[0].path)[2:]))} {errors[0].message}"[:150]
        check = ItemCheck(item)
        check.one_of("action_source", {"app_android", "app_ios", "web", "offline"})
        check.within("event_time", now=self.clock(), oldest=7 * DAY)
        check.hashed("user_data.", *HASHED)
        if check.has("custom_data.value"):
            check.require("custom_data.currency")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if got.query.get("test") != "true":
            self.take(items, problems)
        told = [
            {"status": "failed", "error_message": problems[place], "warning_message": None}
            if place in problems
            else {"status": "processed", "error_message": None, "warning_message": None}
            for place in range(len(items))
        ]
        answer = {"num_events_received": len(items), "num_events_processed": len(items) - len(problems), "events": told}
        validator("ConversionApiResponse").validate(answer)
        return JSONResponse(answer, 422 if problems else 200)

    def refuse_token(self) -> Response:
        return JSONResponse({"code": 2, "message": "Authentication failed."}, 401)

    def refuse_rate(self) -> Response:
        return JSONResponse({"code": 8, "message": "This request exceeded a rate limit."}, 429)

    def refuse_request(self, problem: str) -> Response:
        return JSONResponse({"code": 4196, "message": problem[:150]}, 400)
