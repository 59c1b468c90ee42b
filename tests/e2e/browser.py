"""A real browser for tests of pages: Debian's chromium-headless-shell, driven by playwright. Not concerned with pages.

Where it is missing, tests that need it are skipped; on CI nothing may be skipped.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parents[2] / ".ci" / "node" / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
HOSTS = "MAP *.test 127.0.0.1"
"""Names of other sites lead to this machine, as by DNS rebinding."""


@dataclass
class Visit:
    """A page in a context of its own, and what it did that a page of ours may not."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)

    def shot(self, name: str) -> None:
        """Keep a picture, where SHOTS names a folder."""
        if folder := os.environ.get("SHOTS"):
            self.page.screenshot(path=f"{folder}/{name}.png")


@contextmanager
def opened_browser() -> Iterator[Any]:
    """The browser, for all tests of a file."""
    program = shutil.which("chromium-headless-shell")
    if program is None:
        pytest.skip("chromium-headless-shell is not installed")
    sync_api = pytest.importorskip("playwright.sync_api")
    options = ["--no-sandbox", f"--host-resolver-rules={HOSTS}"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=options)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(browser: Any, **options: Any) -> Iterator[Visit]:
    """A page of a new context, with what `options` say: `java_script_enabled`, `color_scheme`, `viewport`."""
    context = browser.new_context(**options)
    try:
        page = context.new_page()
        visit = Visit(page)
        page.on("console", lambda message: visit.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: visit.said.append(str(error)))
        page.on("request", lambda request: visit.asked.add(request.url.split("/")[2]))
        page.set_default_timeout(20_000)
        page.set_default_navigation_timeout(120_000)  # a page of mappings has a child of the lowest priority check them
        yield visit
    finally:
        context.close()


def axe_violations(page: Any) -> list[str]:
    """What axe-core finds wrong with a page that is open. It is run by the browser's debugger, which needs no CSP."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed")
    page.evaluate(AXE.read_text())
    run = "rules => axe.run(document, {runOnly: rules}).then(found => found.violations)"
    found = page.evaluate(run, RULES)
    return [f"{one['id']}: {node['html'][:160]}: {node['failureSummary']}" for one in found for node in one["nodes"]]
