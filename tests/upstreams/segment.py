"""Segment's HTTP API, which RudderStack and Jitsu take as well: 200 also for what is dropped later.

https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import ItemCheck, is_text
from upstreams.platform import FakePlatform, Received


class SegmentUpstream(FakePlatform):
    """Its `faults` hold what it would drop without a word."""

    kind = "segment"
    path = "/v1/batch"
    settings: ClassVar[Mapping[str, Any]] = {"write_key": "segment-key-1"}
    most = 2500
    most_bytes = 500_000

    def token_fits(self, got: Received) -> bool:
        wanted = base64.b64encode(f"{self.settings['write_key']}:".encode()).decode()
        return got.headers.get("authorization") == f"Basic {wanted}"

    def items_of(self, got: Received) -> Any:
        return got.json.get("batch") if isinstance(got.json, dict) else None

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.require("type", "messageId", "timestamp")
        check.require_any("userId", "anonymousId")
        check.one_of("type", {"track", "identify", "page", "screen", "group", "alias"})
        if check.values("type") == ["track"]:
            check.require("event")
        check.match("a text", is_text, "event", "messageId")
        check.match("a text or null", lambda value: value is None or is_text(value), "userId", "anonymousId")
        if len(json.dumps(item).encode()) > 32_768:
            check.problems.append("is larger than 32 KB")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        self.take(items, problems)
        return JSONResponse({"success": True})

    def refuse_token(self) -> Response:
        return JSONResponse({"code": "invalid_write_key", "message": "The write key is invalid"}, 401)
