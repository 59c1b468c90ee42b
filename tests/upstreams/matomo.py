"""Matomo's bulk tracking: it says how many were tracked and which were not.

https://developer.matomo.org/api-reference/tracking-api
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, Response

from upstreams.item_check import DAY
from upstreams.platform import FakePlatform, Received


class MatomoUpstream(FakePlatform):
    """Without its token it takes neither times nor addresses."""

    kind = "matomo"
    path = "/matomo.php"
    settings: ClassVar[Mapping[str, Any]] = {"site": "3", "token": "matomo-token-0123456789abcdef012"}
    most = 500

    @property
    def destination_url(self) -> str:
        return f"{self.url}{self.path}"

    def token_fits(self, got: Received) -> bool:
        return isinstance(got.json, dict) and got.json.get("token_auth") == self.settings["token"]

    def items_of(self, got: Received) -> Any:
        return got.json.get("requests")

    def judge_item(self, item: Any, got: Received) -> str | None:
        if not isinstance(item, str) or not item.startswith("?"):
            return "is no query"
        return self._judge_hit({name: values[0] for name, values in parse_qs(item[1:], strict_parsing=True).items()})

    def _judge_hit(self, hit: dict[str, str]) -> str | None:
        if hit.get("idsite") != self.settings["site"] or hit.get("rec") != "1":
            return "idsite or rec is wrong"
        if "cdt" in hit and not self.clock() - 365 * DAY <= int(hit["cdt"]) <= self.clock() + 60:
            return "cdt is no time of the last year"
        if ("ec_items" in hit or "ec_id" in hit) and hit.get("idgoal") != "0":
            return "an order without idgoal=0"
        if hit.get("idgoal") == "0" and not ("ec_id" in hit and "revenue" in hit):
            return "an order without ec_id and revenue"
        if "ec_items" in hit and not all(
            isinstance(each, list) and len(each) == 5 for each in json.loads(hit["ec_items"])
        ):
            return "ec_items is no list of five each"
        return None if {"url", "e_c", "idgoal"} & hit.keys() else "no action"

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        good = self.take(items, problems)
        answer = {
            "status": "success",
            "tracked": len(good),
            "invalid": len(problems),
            "invalid_indices": list(problems),
        }
        return JSONResponse(answer)

    def refuse_token(self) -> Response:
        return JSONResponse({"status": "error", "message": "token_auth is not valid"}, 401)
