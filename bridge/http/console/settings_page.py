"""GET /ui/settings: each setting with its meaning, whether and where it is set, and what a change of it needs.

No secret is shown and no person's address, only that there is one.
"""

from __future__ import annotations

from dataclasses import asdict

from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, RedirectResponse, Response

from bridge.core.instants import format_instant
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.login import read_form
from bridge.http.console.render import render_page
from bridge.http.console.time_zones import find_zone, read_zone, write_zone_cookie, zone_names
from bridge.http.console.words import local_time
from bridge.status.nodes import node_statuses
from bridge.status.processes import is_living
from bridge.status.report import NodeStatus
from bridge.store.status_views import ProcessHeartbeat


class SettingsPage:
    """The handlers."""

    def __init__(self, deps: ConsoleDeps) -> None:
        self._deps = deps

    async def show_settings(self, request: HttpRequest) -> Response:
        """The page."""
        return await self._render(request)

    async def choose_zone(self, request: HttpRequest) -> Response:
        """Show times in another zone, in this browser; an empty name is that of the bridge's machine."""
        name = (await read_form(request) or {}).get("zone", "").strip()
        if name and find_zone(name) is None:
            return await self._render(request, 400, f"This machine knows no time zone {name[:40]!r}.")
        cookie = write_zone_cookie(name, root=self._deps.root, is_secure=self._deps.origin.is_secure)
        return RedirectResponse(f"{self._deps.root}/settings", 303, {"Set-Cookie": cookie})

    async def _render(self, request: HttpRequest, status: int = 200, wrong: str = "") -> Response:
        listing, (processes, nodes) = self._deps.list_settings(), await self._read_processes()
        return render_page(
            self._deps, request, "settings.html",
            status=status, wrong=wrong, here="settings", zone=read_zone(request.cookies)[0], zones=zone_names(),
            now=local_time(self._deps.clock()), listing=listing, local=local_time, keys=self._deps.keys,
            chosen=[one for one in listing.settings if one.place],
            others=[one for one in listing.settings if not one.place],
            waiting=[one for one in listing.settings if one.is_changed], processes=processes, nodes=nodes,
        )  # fmt: skip

    async def settings_json(self, _request: HttpRequest) -> Response:
        """The same for programs."""
        running, nodes = await self._read_processes()
        processes = [
            {"process": one.process, "node": one.node, "started_at": format_instant(one.started_at)} for one in running
        ]
        keys = [{"name": one.name, "role": one.role} for one in self._deps.keys]
        listing = asdict(self._deps.list_settings())
        listed = [
            {"node": one.node, "since": format_instant(one.since), "version": one.version}
            | {"last_seen_at": format_instant(one.last_seen_at), "is_gone": one.is_gone}
            for one in nodes
        ]
        return JSONResponse(listing | {"processes": processes, "nodes": listed, "console_keys": keys})

    async def _read_processes(self) -> tuple[list[ProcessHeartbeat], tuple[NodeStatus, ...]]:
        """Those that run now, and the nodes that share the store."""
        found, now = (await self._deps.store.status_details()).processes, self._deps.clock()
        return [one for one in found if is_living(one, now)], node_statuses(found, now)
