"""HTML from the templates, with what every page shows: who reads it, the theme, the addresses of the static files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, Response

from bridge.core.visible_text import make_visible
from bridge.http.console.deps import ConsoleDeps

HERE = Path(__file__).parent
THEMES = ("light", "dark")
THEME_COOKIE = "trackbridge_theme"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".woff2": "font/woff2"}
_FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of `static/`. `version` is of all of them together, so that none is taken with an older other one."""

    content: bytes
    media_type: str


@cache
def static_files() -> tuple[Mapping[str, StaticFile], str]:
    """The files by their names, and the version of all of them."""
    paths = sorted(path for path in (HERE / "static").iterdir() if path.suffix in _TYPES)
    files = {path.name: StaticFile(path.read_bytes(), _TYPES[path.suffix]) for path in paths}
    digest = hashlib.sha256(b"".join(one.content for one in files.values()))
    return files, digest.hexdigest()[:12]


def answer_static(name: str) -> Response:
    """A static file; its address has the version, so that a browser may keep it."""
    found = static_files()[0].get(name)
    if found is None:
        raise HTTPException(404)
    return Response(found.content, media_type=found.media_type, headers={"Cache-Control": _FOREVER})


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["visible"] = make_visible
    return made


def render_page(
    deps: ConsoleDeps, request: HttpRequest, template: str, *, status: int = 200, **values: object
) -> HTMLResponse:
    """A page. `person` is who reads it, None for somebody who has not logged in."""
    theme = request.cookies.get(THEME_COOKIE)
    text = _environment().get_template(template).render(
        root=deps.root,
        static=f"{deps.root}/static/{static_files()[1]}",
        theme=theme if theme in THEMES else None,
        person=request.scope.get("state", {}).get("person"),
        **values,
    )  # fmt: skip
    return HTMLResponse(text, status)
