"""A receiver of signed webhooks: each is verified by the `standardwebhooks` package, or by the vendor's own header.

https://www.standardwebhooks.com
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.responses import JSONResponse, Response

from upstreams.item_check import ItemCheck
from upstreams.platform import FakePlatform, Received

SECRET = f"whsec_{base64.b64encode(b'a secret of a receiver, 32 bytes').decode()}"


class WebhookUpstream(FakePlatform):
    """`header` names a header of the form `sha256=<hex>` to verify in place of the standard's."""

    kind = "webhook"
    path = "/hook"
    settings: ClassVar[Mapping[str, Any]] = {"secret": SECRET}

    def __init__(self, *given: Any, header: str | None = None, **options: Any) -> None:
        super().__init__(*given, **options)
        self.header = header

    @property
    def destination_url(self) -> str:
        return f"{self.url}{self.path}"

    def token_fits(self, got: Received) -> bool:
        if self.header is not None:
            digest = hmac.new(SECRET.encode(), got.body, hashlib.sha256).hexdigest()
            return hmac.compare_digest(got.headers.get(self.header.lower(), ""), f"sha256={digest}")
        try:
            Webhook(SECRET).verify(got.body, dict(got.headers))
        except WebhookVerificationError:
            return False
        return True

    def items_of(self, got: Received) -> Any:
        return [got.json]

    def judge_item(self, item: Any, got: Received) -> str | None:
        check = ItemCheck(item)
        check.require("type", "timestamp", "data")
        return check.first

    def answer_items(self, items: list[Any], problems: Mapping[int, str], got: Received) -> Response:
        if problems:
            return self.refuse_request(problems[0])
        self.take(items)
        return Response(status_code=204)

    def refuse_token(self) -> Response:
        return JSONResponse({"error": "the signature is wrong"}, 401)
