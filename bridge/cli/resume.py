"""`trackbridge resume NAME`: probe a paused destination at once, and say whether it works again."""

from __future__ import annotations

import asyncio
import time

from bridge.app import utc_now
from bridge.cli.acting_person import name_of_person
from bridge.cli.argument_parser import quote_argument
from bridge.cli.configured import configured_bridge
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store
from bridge.cli.options import argument, command_options
from bridge.cli.terminal import print_text
from bridge.core.errors import SettingsError
from bridge.status.processes import is_living
from bridge.store.by_hand import ActingPerson, resume_by_hand
from bridge.store.protocol import DestinationState, Store

PATIENCE = 20.0
"""Seconds to wait for the probe: a request takes ten at most."""
LOOK = 0.2


@command_options
class ResumeOptions:
    """The options of `resume`."""

    destination: str = argument(str, "DESTINATION", meaning="a paused destination's name, as status shows it")


def run_resume(options: ResumeOptions) -> int:
    """0 where it works again, or was not paused; 1 where it is still paused."""
    return asyncio.run(_resume_destination(options.destination))


async def _resume_destination(name: str) -> int:
    store = existing_store()
    try:
        before = await store.destination_state(name, now=utc_now())
        if before.paused is None:
            _require_known(name)
            print_text(f"{name} is not paused")
            return 0
        now = utc_now()
        await resume_by_hand(store, name, ActingPerson(name_of_person(None), now))
        processes = (await store.status_details()).processes
        if not any(one.process == "worker-deliver" and is_living(one, now) for one in processes):
            print_text(f"{name} is probed as soon as `trackbridge serve` runs; start it")
            return 1
        return _tell_result(name, await _wait_for_probe(store, before))
    finally:
        await store.close()


def _require_known(name: str) -> None:
    configured = configured_bridge(read_environment(), None)
    if configured.is_known and name not in configured.destinations:
        known = ", ".join(configured.destinations) or "none yet; set BRIDGE_TRACK_URL"
        raise SettingsError(f"there is no destination `{quote_argument(name)}`; known are {known}")


async def _wait_for_probe(store: Store, before: DestinationState) -> DestinationState | None:
    """The state after the probe; None where none was made in time."""
    patience = time.monotonic() + PATIENCE
    while time.monotonic() < patience:
        state = await store.destination_state(before.destination, now=utc_now())
        if state.paused is None or state.probes > before.probes:
            return state
        await asyncio.sleep(LOOK)
    return None


def _tell_result(name: str, state: DestinationState | None) -> int:
    if state is None:
        print_text(f"{name} was not probed within {PATIENCE:.0f} s; see the log of `trackbridge serve`")
    elif state.paused is None:
        print_text(f"{name} works again; what waits is delivered now")
        return 0
    else:
        print_text(f"{name} is still paused: {state.paused}")
    return 1
