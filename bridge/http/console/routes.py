"""The table of the console's addresses, and what they have in common: answers to errors."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bridge.core import log
from bridge.core.errors import BodyGone, NotFound, SettingsError, StoreUnavailable
from bridge.http.console.action_pages import ActionPages
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.destinations_page import DestinationsPage
from bridge.http.console.detail_pages import DetailPages
from bridge.http.console.exports import ExportPages
from bridge.http.console.find_page import FindPage
from bridge.http.console.guard import ConsoleGuard
from bridge.http.console.home import HomePage
from bridge.http.console.list_pages import ListPages
from bridge.http.console.login import LoginRoutes
from bridge.http.console.mapping_files import MappingFiles
from bridge.http.console.mapping_process import MappingProcess
from bridge.http.console.mapping_use import MappingUse
from bridge.http.console.mappings_page import MappingsPage
from bridge.http.console.needs_page import NeedsPage
from bridge.http.console.personal_pages import PersonalPages
from bridge.http.console.playground_page import PlaygroundPage
from bridge.http.console.render import answer_static, render_page
from bridge.http.console.settings_page import SettingsPage
from bridge.http.console.sources_page import SourcesPage
from bridge.http.console.start_page import StartPage

_AFTER = {
    "retry": "/needs",
    "replay": "/needs",
    "release": "/needs",
    "resume": "/destinations",
    "test-webhook": "/sources",
    "test-event": "/destinations",
    "discard": "/mappings",
}
"""The page that an action leads to, below the console's root."""
_NOTHING = "There is nothing at this address."
_REFUSED = {
    405: "This address does not take such a request.",
    413: "This is too large: a mapping may have 256 KiB here.",
}
_FAULT = "This is a fault of trackbridge itself. Its log names the kind of it."


def guard_console(rest: ASGIApp, deps: ConsoleDeps) -> ASGIApp:
    """An application that answers below `/ui` by the console, and everything else by `rest`."""
    pages = Starlette(exception_handlers={})
    guard = ConsoleGuard(rest, pages=pages, deps=deps)
    sources, settings = SourcesPage(deps), SettingsPage(deps)
    login, start = LoginRoutes(deps, guard.session_cookies), StartPage(deps)
    home, find = HomePage(deps, start), FindPage(deps)
    lists, details = ListPages(deps), DetailPages(deps)
    exports = ExportPages(deps)
    destinations, personal = DestinationsPage(deps), PersonalPages(deps)
    files = MappingFiles(deps, MappingProcess())
    mappings, playground = MappingsPage(deps, files), PlaygroundPage(deps, files)
    use = MappingUse(deps, files)
    needs, actions = NeedsPage(deps), ActionPages(deps, _AFTER)
    pages.router.routes.extend(
        [
            Route("/ui", lambda _request: RedirectResponse(f"{deps.root}/", 303), methods=["GET"]),
            Route("/ui/", home.show_home, methods=["GET"]),
            Route("/ui/home.json", home.home_json, methods=["GET"]),
            Route("/ui/start", start.show_start, methods=["GET"]),
            Route("/ui/start/refused", start.show_refused, methods=["GET"]),
            Route("/ui/start/secret", start.save_secret, methods=["POST"]),
            Route("/ui/sources", sources.show_sources, methods=["GET"]),
            Route("/ui/sources.json", sources.sources_json, methods=["GET"]),
            Route("/ui/find", find.show_form, methods=["GET"]),
            Route("/ui/find", find.find_typed, methods=["POST"]),
            Route("/ui/settings", settings.show_settings, methods=["GET"]),
            Route("/ui/zone", settings.choose_zone, methods=["POST"]),
            Route("/ui/settings.json", settings.settings_json, methods=["GET"]),
            Route("/ui/webhooks", lists.show_webhooks, methods=["GET"]),
            Route("/ui/webhooks.json", lists.webhooks_json, methods=["GET"]),
            Route("/ui/webhooks/new", lists.new_webhooks, methods=["GET"]),
            Route("/ui/webhooks/{id}.json", details.webhook_json, methods=["GET"]),
            Route("/ui/webhooks/{id}", details.show_webhook, methods=["GET"]),
            Route("/ui/webhooks/{id}/personal", personal.show_webhook, methods=["POST"]),
            Route("/ui/events/{id}/personal", personal.show_event, methods=["POST"]),
            Route("/ui/events", lists.show_events, methods=["GET"]),
            Route("/ui/events.json", lists.events_json, methods=["GET"]),
            Route("/ui/events/{id}.json", details.event_json, methods=["GET"]),
            Route("/ui/events/{id}", details.show_event, methods=["GET"]),
            Route("/ui/needs", needs.show_needs, methods=["GET"]),
            Route("/ui/mappings", mappings.show_mappings, methods=["GET"]),
            Route("/ui/mappings.json", mappings.mappings_json, methods=["GET"]),
            Route("/ui/mappings/{name}/try", playground.show_playground, methods=["GET"]),
            Route("/ui/mappings/{name}/try", playground.try_draft, methods=["POST"]),
            Route("/ui/mappings/{name}/draft", playground.download_draft, methods=["POST"]),
            Route("/ui/mappings/{name}.yaml", mappings.download_mapping, methods=["GET"]),
            Route("/ui/mappings/{name}", mappings.show_mapping, methods=["GET"]),
            Route("/ui/destinations", destinations.show_destinations, methods=["GET"]),
            Route("/ui/destinations.json", destinations.destinations_json, methods=["GET"]),
            Route("/ui/actions", actions.show_actions, methods=["GET"]),
            Route("/ui/actions.json", actions.actions_json, methods=["GET"]),
            Route("/ui/actions/use", use.use_draft, methods=["POST"]),
            Route("/ui/actions/{verb}", actions.show_plan, methods=["GET"]),
            Route("/ui/actions/{verb}", actions.run_plan, methods=["POST"]),
            Route("/ui/export/{what}.{form}", exports.export_masked, methods=["GET"]),
            Route("/ui/export/{what}.{form}", exports.export_clear, methods=["POST"]),
            Route("/ui/login", login.show_login, methods=["GET"]),
            Route("/ui/login", login.log_in, methods=["POST"]),
            Route("/ui/logout", login.log_out, methods=["POST"]),
            Route("/ui/static/{version}/{name}", lambda request: answer_static(request.path_params["name"])),
        ]
    )
    pages.router.redirect_slashes = False
    _answer_errors(pages, deps)
    return guard


def _answer_errors(pages: Starlette, deps: ConsoleDeps) -> None:
    faults = log.RateLimitedLog()

    def answer(request: HttpRequest, status: int, text: str) -> Response:
        if request.url.path.endswith(".json"):
            return JSONResponse({"error": text}, status)
        return render_page(deps, request, "refused.html", status=status, text=text)

    async def answer_error(request: HttpRequest, error: Exception) -> Response:
        match error:
            case HTTPException(status_code=405 | 413 as status):
                return answer(request, status, _REFUSED[status])
            case NotFound() | HTTPException(status_code=404):
                return answer(request, 404, _NOTHING)
            case BodyGone():
                return answer(request, 409, f"{error}. Nothing was done.")
            case SettingsError():
                return answer(request, 400, f"{error}.")
            case StoreUnavailable():
                return answer(request, 503, f"The store cannot be read now: {error}.")
            case _:
                faults.warn("console.fault", now=deps.clock(), error=type(error).__name__)
                return answer(request, 500, _FAULT)

    for kind in (HTTPException, NotFound, BodyGone, SettingsError, StoreUnavailable, Exception):
        pages.add_exception_handler(kind, answer_error)
