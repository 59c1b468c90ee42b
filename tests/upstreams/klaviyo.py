"""Klaviyo's events API: one event a request, 202 where it is taken.

https://developers.klaviyo.com/en/reference/create_event
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import ItemCheck, is_number, is_text, matching
from upstreams.platform import FakePlatform, Received

PROFILE = "attributes.profile.data.attributes"


class KlaviyoUpstream(FakePlatform):
    """E-mail and phone come in clear: Klaviyo writes to people."""

    kind = "klaviyo"
    path = "/api/events"
    settings: ClassVar[Mapping[str, Any]] = {"api_key": "pk_klaviyo_1"}

    def token_fits(self, got: Received) -> bool:
        return got.headers.get("authorization") == f"Klaviyo-API-Key {self.settings['api_key']}"

    def items_of(self, got: Received) -> Any:
        return [got.json.get("data")] if isinstance(got.json, dict) else None

    def judge_request(self, got: Received) -> str | None:
        return (
            None
            if re.fullmatch(r"20\d\d-\d\d-\d\d", got.headers.get("revision", ""))
            else "the header revision is missing"
        )

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.one_of("type", {"event"})
        check.require("type", "attributes.metric.data.attributes.name", "attributes.profile.data.type")
        check.require_any(
            *(f"{PROFILE}.{name}" for name in ("id", "email", "phone_number", "external_id", "anonymous_id"))
        )
        check.match("an e-mail address", matching(r"[^\s@]+@[^\s@]+\.[^\s@]+"), f"{PROFILE}.email")
        check.match("a phone number in E.164", matching(r"\+[1-9]\d{6,14}"), f"{PROFILE}.phone_number")
        check.match("a text", is_text, "attributes.unique_id", "attributes.time", f"{PROFILE}.external_id")
        check.match("a number", is_number, "attributes.value")
        if not isinstance((check.values("attributes.properties") or [{}])[0], dict):
            check.problems.append("attributes.properties is no object")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if problems:
            return self.refuse_request(problems[0])
        self.take(items)
        return Response(status_code=202)

    def refuse_token(self) -> Response:
        return _errors(401, "Missing or invalid private key.")

    def refuse_rate(self) -> Response:
        return _errors(429, "Request was throttled.", {"Retry-After": "7"})

    def refuse_request(self, problem: str) -> Response:
        return _errors(400, problem)


def _errors(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(
        {"errors": [{"id": "1", "status": status, "code": "invalid", "detail": detail}]}, status, headers
    )
