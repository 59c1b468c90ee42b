"""Google Ads by the Data Manager API: one bad event refuses the whole request, and the answer names each by its path.

https://developers.google.com/data-manager/api/reference/rest/v1/events/ingest. Where `google-ads-datamanager` is
installed, Google's own parser judges first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from oracles import load_oracle
from starlette.responses import JSONResponse, Response

from upstreams.item_check import ItemCheck, is_number, is_text, matching
from upstreams.platform import FakePlatform, Received
from upstreams.tokens import TokenEndpoint

DATAMANAGER = load_oracle("google.ads.datamanager_v1")
JSON_FORMAT = load_oracle("google.protobuf.json_format")

TOP = {"destinations", "encoding", "consent", "validateOnly", "events", "encryptionInfo"}
INSTANT = matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
CONSENT = {"CONSENT_GRANTED", "CONSENT_DENIED"}

SUCCESS = {"requestStatus": "SUCCESS"}


class GoogleAdsUpstream(FakePlatform):
    """`conversions` holds each transaction's value: an id that is known already is an adjustment, one that is not adds.

    `sold` has the values of the sales by transaction, where the test gives them: what adds another value is a fault, a
    refund that Google counts as a sale. So is what changes the value of a conversion that may have been refused later.
    """

    kind = "google_ads"
    path = "/v1/events:ingest"
    settings: ClassVar[Mapping[str, Any]] = {
        "customer": "123-456-7890",
        "events": {"purchase": "555111", "lead": "555222"},
    }
    most = 2000

    def __init__(self, *given: Any, tokens: TokenEndpoint | None = None, **options: Any) -> None:
        super().__init__(*given, **options)
        self.tokens = tokens
        self.conversions: dict[tuple[str, str], Any] = {}
        self.adjusted: list[str] = []
        self.sold: dict[str, float] | None = None
        self.sure: set[tuple[str, str]] = set()
        """The conversions that a request told which was a success."""
        self.requests: list[str] = []
        self.statuses: dict[str, Any] = {}
        """What is told later of a request by its id, where it is no success."""

    def token_fits(self, got: Received) -> bool:
        return got.bearer in self.tokens.living if self.tokens else got.bearer != ""

    def items_of(self, got: Received) -> Any:
        return got.json.get("events") if isinstance(got.json, dict) else None

    def answer(self, got: Received, mood: Any) -> Any:
        if got.path.startswith("/v1/requestStatus:retrieve"):
            if got.method != "GET" or not self.token_fits(got):
                return self._fault("wrong token", self.refuse_token())
            if got.query.get("requestId") not in self.requests:
                return _error(404, "NOT_FOUND", "Requested entity was not found.")
            return JSONResponse({"requestStatusPerDestination": [self.statuses.get(got.query["requestId"], SUCCESS)]})
        return super().answer(got, mood)

    def judge_request(self, got: Received) -> str | None:
        if DATAMANAGER is not None:
            try:
                JSON_FORMAT.ParseDict(got.json, DATAMANAGER.IngestEventsRequest.pb(DATAMANAGER.IngestEventsRequest()))
            except JSON_FORMAT.ParseError as error:
                return f"Invalid JSON payload received. {error}"[:200]
        check = ItemCheck(got.json)
        check.only("", TOP)
        check.require("destinations", "destinations.operatingAccount.accountId", "destinations.productDestinationId")
        check.match(
            "digits",
            matching(r"\d+"),
            "destinations.operatingAccount.accountId",
            "destinations.loginAccount.accountId",
        )
        check.match("a conversion action's number", matching(r"\d+"), "destinations.productDestinationId")
        if check.has("events.userData"):
            check.require("encoding")
        check.one_of("encoding", {"HEX", "BASE64"})
        return f"destinations[0]: {check.first}" if check.first else None

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.require("eventTimestamp", "transactionId")
        check.match("an RFC 3339 time", INSTANT, "eventTimestamp")
        check.match("at most 512 characters", lambda value: is_text(value) and len(value) <= 512, "transactionId")
        check.require_any(
            "adIdentifiers.gclid", "adIdentifiers.gbraid", "adIdentifiers.wbraid", "userData.userIdentifiers"
        )
        check.hashed("userData.userIdentifiers.", "emailAddress", "phoneNumber")
        check.hashed("userData.userIdentifiers.address.", "givenName", "familyName")
        check.match("two letters", matching("[A-Z]{2}"), "userData.userIdentifiers.address.regionCode")
        for identifier in (check.values("userData.userIdentifiers") or [[]])[0]:
            if len(identifier) != 1:
                check.problems.append("userData.userIdentifiers holds an identifier that is not one of")
        if len((check.values("userData.userIdentifiers") or [[]])[0]) > 10:
            check.problems.append("userData.userIdentifiers holds more than 10")
        if check.has("adIdentifiers.gbraid") and check.has("adIdentifiers.wbraid"):
            check.problems.append("adIdentifiers holds gbraid and wbraid")
        for name in ("adUserData", "adPersonalization"):
            check.one_of(f"consent.{name}", CONSENT)
        check.money("conversionValue", "currency")
        check.match("a number", is_number, "cartData.items.unitPrice")
        known = {each.get("reference") for each in got.json["destinations"]}
        check.match("a destination's reference", lambda value: value in known, "destinationReferences")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if problems:
            violations = [
                {"field": f"events[{place}].{text.split(' ')[0]}", "description": text, "reason": "INVALID_FORMAT"}
                for place, text in problems.items()
            ]
            return _error(400, "INVALID_ARGUMENT", "There was a problem with the request.", violations)
        self.requests.append(f"request-{len(self.received)}")
        if not got.json.get("validateOnly"):
            for item in self.take(items):
                self._count(item, str(item.get("destinationReferences")), item["transactionId"])
        return JSONResponse({"requestId": self.requests[-1]})

    def _count(self, item: Any, action: str, order: str) -> None:
        value, before = item.get("conversionValue"), self.conversions.get((action, order))
        if before is None and self.sold is not None and value != self.sold.get(order):
            self.faults.append(f"{order} is not known: its {value} is another sale")
        if before is not None and value != before and (action, order) not in self.sure:
            self.faults.append(f"{order} may not be known: no request that told it was a success")
        self.adjusted += [order] if before is not None else []
        self.conversions[action, order] = value
        if self.statuses.get(self.requests[-1], SUCCESS) is SUCCESS:
            self.sure.add((action, order))

    def refuse_token(self) -> Response:
        return _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")

    def refuse_rate(self) -> Response:
        return _error(429, "RESOURCE_EXHAUSTED", "Quota exceeded for requests per minute.")

    def refuse_request(self, problem: str) -> Response:
        names = problem.startswith("destinations[")
        violations = [{"field": "destinations[0].product_destination_id", "description": problem}] if names else []
        return _error(400, "INVALID_ARGUMENT", problem, violations)


def _error(status: int, word: str, message: str, violations: list[dict[str, str]] | None = None) -> Response:
    details = (
        [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations}] if violations else []
    )
    return JSONResponse({"error": {"code": status, "status": word, "message": message, "details": details}}, status)
