"""LinkedIn Conversions API: a batch is created element by element, each with a status of its own.

https://learn.microsoft.com/en-us/linkedin/marketing/integrations/ads-reporting/conversions-api
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY, ItemCheck, is_currency, is_sha256, is_text, matching
from upstreams.platform import FakePlatform, Received

ID_TYPES = {"SHA256_EMAIL", "LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID", "PLAINTEXT_IP_ADDRESS", "GOOGLE_AID", "ACXIOM_ID"}


class LinkedinUpstream(FakePlatform):
    """It wants three headers and amounts as text."""

    kind = "linkedin"
    path = "/rest/conversionEvents"
    settings: ClassVar[Mapping[str, Any]] = {
        "token": "linkedin-token-1",
        "events": {"purchase": "104011", "lead": "104012"},
    }
    most = 5000

    def items_of(self, got: Received) -> Any:
        return got.json.get("elements") if isinstance(got.json, dict) else None

    def judge_request(self, got: Received) -> str | None:
        if not re.fullmatch(r"20\d{4}", got.headers.get("linkedin-version", "")):
            return "Header LinkedIn-Version is missing"
        if got.headers.get("x-restli-protocol-version") != "2.0.0":
            return "Header X-Restli-Protocol-Version is missing"
        return (
            None
            if got.headers.get("x-restli-method", "").upper() == "BATCH_CREATE"
            else "Header X-RestLi-Method is missing"
        )

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.only("", {"conversion", "conversionHappenedAt", "conversionValue", "eventId", "user"})
        check.require("conversion", "conversionHappenedAt", "user")
        check.match("a conversion's URN", matching(r"urn:lla:llaPartnerConversion:\d+"), "conversion")
        check.within("conversionHappenedAt", now=self.clock(), oldest=90 * DAY, unit=1000)
        check.require_any("user.userIds", ["user.userInfo.firstName", "user.userInfo.lastName"])
        check.one_of("user.userIds.idType", ID_TYPES)
        for each in (check.values("user.userIds") or [[]])[0]:
            if each.get("idType") == "SHA256_EMAIL" and not is_sha256(each.get("idValue")):
                check.problems.append("idValue is not a SHA-256 hash")
        check.money("conversionValue.amount", "conversionValue.currencyCode", fits=matching(r"-?\d+(\.\d+)?"))
        check.match("a currency", is_currency, "conversionValue.currencyCode")
        check.match("a text", is_text, "eventId", "user.userIds.idValue")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        self.take(items, problems)
        told: list[dict[str, Any]] = [
            {"status": 400, "error": {"status": 400, "message": problems[place]}}
            if place in problems
            else {"status": 201}
            for place in range(len(items))
        ]
        return JSONResponse({"elements": told})

    def refuse_token(self) -> Response:
        return JSONResponse(
            {
                "status": 401,
                "serviceErrorCode": 65601,
                "code": "REVOKED_ACCESS_TOKEN",
                "message": "The token has been revoked",
            },
            401,
        )
