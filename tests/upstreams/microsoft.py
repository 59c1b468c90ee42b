"""Microsoft UET Conversions API: with `continueOnValidationError` the good ones are taken; a warning refuses nothing.

https://learn.microsoft.com/en-us/advertising/guides/uet-conversion-api-integration?view=bingads-13
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY, ItemCheck, is_number, is_text, is_uuid, is_whole
from upstreams.platform import FakePlatform, Received

EVENT = {
    "eventType",
    "eventName",
    "eventId",
    "eventTime",
    "eventSourceUrl",
    "referrerUrl",
    "adStorageConsent",
    "pageLoadId",
    "userData",
    "customData",
}


class MicrosoftUpstream(FakePlatform):
    """A page's title that is no title makes a warning; everything else an error."""

    kind = "microsoft"
    path = "/v1/187012345/events"
    settings: ClassVar[Mapping[str, Any]] = {"tag_id": "187012345", "token": "uet-token-1"}
    most = 1000
    most_bytes = 1_000_000

    def judge_request(self, got: Received) -> str | None:
        check = ItemCheck(got.json)
        check.only("", {"data", "continueOnValidationError", "dataProvider"})
        check.require("dataProvider")
        return check.first

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.only("", EVENT)
        check.require("eventType", "eventTime", "userData")
        check.one_of("eventType", {"pageLoad", "custom"})
        if check.values("eventType") == ["pageLoad"]:
            check.require("eventSourceUrl")
        check.within("eventTime", now=self.clock(), oldest=7 * DAY)
        check.require_any(
            *(f"userData.{name}" for name in ("anonymousId", "externalId", "em", "ph", "msclkid", "idfa", "gaid"))
        )
        check.hashed("userData.", "em", "ph")
        check.one_of("adStorageConsent", {"G", "D"})
        check.match("a UUID", is_uuid, "pageLoadId")
        check.match("a text", is_text, "eventId", "eventName", "userData.externalId", "customData.transactionId")
        check.money("customData.value", "customData.currency")
        check.match("a number", is_number, "customData.items.price")
        check.match("a whole number", is_whole, "customData.items.quantity")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        warning = {
            "index": 0,
            "propertyName": "pageTitle",
            "attemptedValue": "",
            "errorMessage": "is empty",
            "errorCode": "Empty",
            "isWarning": True,
        }
        details = [
            {
                "index": place,
                "propertyName": text.split(" ")[0],
                "attemptedValue": "x",
                "errorMessage": text,
                "errorCode": "Invalid",
                "isWarning": False,
            }
            for place, text in problems.items()
        ][:10]
        error = {"error": {"code": "ValidationError", "message": "validation", "details": [warning, *details]}}
        if problems and (len(problems) == len(items) or not got.json.get("continueOnValidationError")):
            return JSONResponse(error, 400)
        self.take(items, problems)
        return JSONResponse({"eventsReceived": len(items) - len(problems)} | (error if problems else {}))

    def refuse_token(self) -> Response:
        return JSONResponse({"error": {"code": "Unauthorized", "message": "the token is not valid"}}, 401)

    def refuse_request(self, problem: str) -> Response:
        return JSONResponse({"error": {"code": "BadRequest", "message": problem}}, 400)
