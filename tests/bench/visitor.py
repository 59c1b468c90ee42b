"""Somebody who looks at the console over one connection, with a session. Not concerned with what is measured."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from urllib.parse import urlencode

from wrong import hold

KEY = "a-made-up-console-key-of-the-bench"
SETTINGS = {"BRIDGE_CONSOLE_KEYS": f"bench:change:{KEY}"}
_FORM = "application/x-www-form-urlencoded"


class Visitor:
    """A logged-in visitor of the console at a port."""

    def __init__(self, port: int) -> None:
        self._host = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Sec-Fetch-Site": "same-origin"}
        answer, _ = self._ask("POST", "/ui/login", {"key": KEY})
        hold(answer.status == 303, f"logging in was answered {answer.status}")
        self._headers["Cookie"] = (answer.headers["Set-Cookie"] or "").partition(";")[0]

    def get(self, path: str) -> str:
        """A page's HTML."""
        return self._page("GET", path, None)

    def post(self, path: str, form: Mapping[str, str]) -> str:
        """The HTML that a form leads to; empty where it leads to another page."""
        return self._page("POST", path, form)

    def poll(self, newest: str) -> str:
        """Ask the live list for what came after a cursor, as an open page does; the cursor to ask with next."""
        answer, _ = self._ask("GET", f"/ui/webhooks/new?after={newest}", None)
        hold(answer.status in {200, 204}, f"the live list was answered {answer.status}")
        return answer.headers["X-Newest"] or newest

    def close(self) -> None:
        """Give the connection up."""
        self._host.close()

    def _page(self, method: str, path: str, form: Mapping[str, str] | None) -> str:
        answer, text = self._ask(method, path, form)
        hold(answer.status in {200, 303}, f"{path} was answered {answer.status}")
        return text

    def _ask(self, method: str, path: str, form: Mapping[str, str] | None) -> tuple[http.client.HTTPResponse, str]:
        headers = self._headers if form is None else self._headers | {"Content-Type": _FORM}
        self._host.request(method, path, None if form is None else urlencode(form), headers)
        answer = self._host.getresponse()
        return answer, answer.read().decode()
