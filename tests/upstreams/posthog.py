"""PostHog's /batch: 200 to what is well formed; the rest is a warning in its own pages.

https://posthog.com/docs/api/capture
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import ItemCheck, is_text, is_uuid
from upstreams.platform import FakePlatform, Received


class PosthogUpstream(FakePlatform):
    """Its `faults` hold what it would only warn of."""

    kind = "posthog"
    path = "/batch/"
    settings: ClassVar[Mapping[str, Any]] = {"api_key": "phc_posthog1"}
    most = 10_000
    most_bytes = 20 << 20

    def token_fits(self, got: Received) -> bool:
        return isinstance(got.json, dict) and got.json.get("api_key") == self.settings["api_key"]

    def items_of(self, got: Received) -> Any:
        return got.json.get("batch")

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.require("event", "distinct_id", "timestamp")
        check.match(
            "at most 200 characters", lambda value: is_text(value) and len(value) <= 200, "event", "distinct_id"
        )
        check.match("a UUID", is_uuid, "uuid")
        if not isinstance((check.values("properties") or [{}])[0], dict):
            check.problems.append("properties is no object")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        self.take(items, problems)
        return JSONResponse({"status": "Ok"})

    def refuse_token(self) -> Response:
        return JSONResponse(
            {"type": "authentication_error", "code": "invalid_api_key", "detail": "Project API key invalid."}, 401
        )
