"""Plausible's events API: 202 also for what is dropped, which a header tells.

https://plausible.io/docs/events-api
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import ItemCheck, is_text, matching
from upstreams.platform import FakePlatform, Received

NAMES = {"name", "domain", "url", "referrer", "revenue", "props", "interactive"}


class PlausibleUpstream(FakePlatform):
    """It knows one site, and drops what a bot seems to send."""

    kind = "plausible"
    path = "/api/event"
    settings: ClassVar[Mapping[str, Any]] = {"domain": "shop.example"}

    def token_fits(self, got: Received) -> bool:
        return True  # it takes events of anybody

    def items_of(self, got: Received) -> Any:
        return [got.json]

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.only("", NAMES)
        check.require("name", "domain", "url")
        check.match("a text", is_text, "name", "domain", "url", "referrer")
        check.match("the site", lambda value: value == self.settings["domain"], "domain")
        check.match("a currency", matching("[A-Z]{3}"), "revenue.currency")
        if check.has("revenue"):
            check.require("revenue.currency", "revenue.amount")
        if not re.match("Mozilla/|Opera/", got.headers.get("user-agent", "")):
            check.problems.append("user-agent is no browser's")
        if not got.headers.get("x-forwarded-for"):
            check.problems.append("x-forwarded-for is missing: everybody would be one visitor")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if any("missing" in text and "forwarded" not in text for text in problems.values()):
            return self.refuse_request(problems[0])
        self.take(items, problems)
        return Response("ok", 202, {"x-plausible-dropped": "1"} if problems else {})

    def refuse_request(self, problem: str) -> Response:
        return JSONResponse({"errors": {"event_name": [problem]}}, 400)
