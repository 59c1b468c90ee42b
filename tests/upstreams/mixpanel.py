"""Mixpanel's /import with strict=1: 400 names the bad records, and the others were taken all the same.

https://developer.mixpanel.com/reference/import-events
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY, ItemCheck, is_number, is_text, matching
from upstreams.platform import FakePlatform, Received

IN_MS = 10**11
"""A larger time is milliseconds, a smaller one seconds: Mixpanel takes both."""


class MixpanelUpstream(FakePlatform):
    """A record without `strict=1` would vanish: the request is refused here."""

    kind = "mixpanel"
    path = "/import"
    settings: ClassVar[Mapping[str, Any]] = {"token": "mixpanel-token-1"}
    most = 2000
    most_bytes = 2 << 20

    def token_fits(self, got: Received) -> bool:
        wanted = base64.b64encode(f"{self.settings['token']}:".encode()).decode()
        return got.headers.get("authorization") == f"Basic {wanted}"

    def items_of(self, got: Received) -> Any:
        return got.json

    def judge_request(self, got: Received) -> str | None:
        return None if got.query.get("strict") == "1" else "strict=1 is missing"

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.require("event", "properties.time", "properties.distinct_id", "properties.$insert_id")
        check.match("an insert id", matching("[A-Za-z0-9-]{1,36}"), "properties.$insert_id")
        check.match("a text", is_text, "event", "properties.distinct_id")
        in_ms = any(is_number(value) and value > IN_MS for value in check.values("properties.time"))
        check.within("properties.time", now=self.clock(), oldest=5 * 365 * DAY, ahead=3600, unit=1000 if in_ms else 1)
        if len((check.values("properties") or [{}])[0]) > 255:
            check.problems.append("properties holds more than 255")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        good = self.take(items, problems)
        if not problems:
            return JSONResponse({"code": 200, "num_records_imported": len(good), "status": "OK"})
        failed = [
            {"index": place, "insert_id": "x", "field": text.split(" ")[0], "message": text}
            for place, text in problems.items()
        ]
        return JSONResponse(
            {"code": 400, "error": "some data points in the request failed validation", "failed_records": failed,
             "num_records_imported": len(good), "status": "Bad Request"}, 400,
        )  # fmt: skip

    def refuse_token(self) -> Response:
        return JSONResponse({"code": 401, "error": "Invalid credentials", "status": "Unauthorized"}, 401)

    def refuse_request(self, problem: str) -> Response:
        return JSONResponse(
            {"code": 413 if "bytes" in problem else 400, "error": problem, "status": "Bad Request"}, 400
        )
