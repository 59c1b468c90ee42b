"""GA4 Measurement Protocol: 204 to whatever comes; only `/debug/mp/collect` says what is wrong, and it records nothing.

https://developers.google.com/analytics/devguides/collection/protocol/ga4/validating-events
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY, ItemCheck, is_number, is_text, matching
from upstreams.platform import FakePlatform, Received

RESERVED = re.compile(
    r"(ad_(activeview|click|exposure|query|reward)|adunit_exposure|app_\w+|error|first_(open|visit)|os_update"
    r"|session_start|user_engagement|screen_view|ad_impression|in_app_purchase|(firebase|notification)_\w+)"
)
RESERVED_PREFIX = re.compile(r"_|firebase_|ga_|google_|gtag\.")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
CLIENT = matching(r"(GA\d\.\d\.)?[1-9]\d*\.[1-9]\d*")


class Ga4Upstream(FakePlatform):
    """Its `faults` hold what GA4 drops without a word."""

    kind = "ga4"
    path = "/"
    settings: ClassVar[Mapping[str, Any]] = {"measurement_id": "G-ABC123", "api_secret": "ga4-secret-1"}
    most_bytes = 130_000

    def token_fits(self, got: Received) -> bool:
        return True  # a wrong secret is answered like a right one

    def items_of(self, got: Received) -> Any:
        return [got.json]

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        if not re.fullmatch("/(debug/)?mp/collect", got.path):
            check.problems.append(f"no such address: {got.path}")
        if (
            got.query.get("measurement_id") != self.settings["measurement_id"]
            or got.query.get("api_secret") != self.settings["api_secret"]
        ):
            check.problems.append("wrong measurement_id or api_secret, which no answer tells")
        check.require("client_id", "events")
        check.match(
            "two positive numbers joined by a dot",
            CLIENT,
            "client_id",
        )
        check.within("timestamp_micros", now=self.clock(), oldest=3 * DAY, ahead=900, unit=1e6)
        for name in ("ad_user_data", "ad_personalization"):
            check.one_of(f"consent.{name}", {"GRANTED", "DENIED"})
        check.hashed("user_data.", "sha256_email_address", "sha256_phone_number")
        check.hashed("user_data.address.", "sha256_first_name", "sha256_last_name", "sha256_street")
        check.match("at most 256 characters", lambda value: is_text(value) and len(value) <= 256, "user_id")
        events = check.values("events")
        if len(events) != 1 or not isinstance(events[0], list) or len(events[0]) > 25:
            check.problems.append("events is no list of up to 25")
        for place, event in enumerate(events[0] if events and isinstance(events[0], list) else []):
            check.problems += [f"Event at index: [{place}] {text}" for text in _judge_event(event)]
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if got.path.startswith("/debug/"):
            told = [
                {"fieldPath": "events", "description": text, "validationCode": "VALUE_INVALID"}
                for text in problems.values()
            ]
            return JSONResponse({"validationMessages": told})
        self.take(items, problems)
        return Response(status_code=204)

    def refuse_token(self) -> Response:
        return Response(status_code=204)


def _judge_event(event: Any) -> list[str]:
    check = ItemCheck(event)
    check.require("name")
    name = (check.values("name") or [""])[0]
    if not NAME.fullmatch(str(name)):
        check.problems.append(f"has invalid name [{name}]. Names must start with an alphabetic character.")
    if RESERVED.fullmatch(str(name)):
        check.problems.append(f"has reserved name [{name}]")
    params = (check.values("params") or [{}])[0]
    if len(params) > 25:
        check.problems.append("has more than 25 params")
    check.problems += [problem for key, value in params.items() for problem in _judge_param(key, value)]
    check.money("params.value", "params.currency")
    for item in params.get("items", []):
        if not (is_text(item.get("item_id")) or is_text(item.get("item_name"))):
            check.problems.append("has an item without item_id and item_name")
    if name in {"purchase", "refund"}:
        check.require("params.transaction_id")
    return check.problems


def _judge_param(key: str, value: Any) -> list[str]:
    problems = []
    if not NAME.fullmatch(key) or RESERVED_PREFIX.match(key):
        problems.append(f"has invalid or reserved param [{key}]")
    if key != "items" and not (is_text(value) or is_number(value) or isinstance(value, bool)):
        problems.append(f"has param [{key}] that is no text or number")
    if isinstance(value, str) and len(value) > (1000 if key.startswith("page_") else 100):
        problems.append(f"has param [{key}] of over 100 characters")
    return problems
