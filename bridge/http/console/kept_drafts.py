"""The drafts of mappings that people work on: kept at each try, found again, discarded after a dry run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.core.errors import StoreUnavailable
from bridge.http.console.action_plan import ActionPlan, ActionRefused, PlanRow, describe_state
from bridge.http.console.deps import ConsoleDeps
from bridge.http.console.mapping_files import MappingFile
from bridge.http.console.words import local_time
from bridge.store.by_hand import ActingPerson
from bridge.store.status_views import ActionTaken, MappingDraft

DISCARD = "discard a draft"
"""What the record of actions calls it."""


@dataclass(frozen=True, slots=True)
class KeptDraft:
    """A draft as pages show it. `is_behind` is whether the file is another one than that which it was begun from."""

    who: str
    at: str
    text: str
    is_behind: bool


async def find_drafts(deps: ConsoleDeps, files: Sequence[MappingFile]) -> dict[str, list[KeptDraft]]:
    """Everybody's drafts by the names of these files, those that were worked on last first."""
    drafts = await deps.store.read_drafts()
    return {file.name: [_shown(one, file) for one in drafts if one.mapping == file.name] for file in files}


async def find_draft(deps: ConsoleDeps, file: MappingFile, *, who: str) -> KeptDraft | None:
    """A person's draft of a file."""
    return next((one for one in (await find_drafts(deps, [file]))[file.name] if one.who == who), None)


def _shown(one: MappingDraft, file: MappingFile) -> KeptDraft:
    is_behind = one.begun_from != file.text.digest
    return KeptDraft(one.who, local_time(one.at), one.text.decode("utf-8", "replace"), is_behind)


async def save_draft(deps: ConsoleDeps, file: MappingFile, text: str, *, who: str) -> KeptDraft | None:
    """Keep what a person tried. None where it could not be kept: trying it does not depend on that."""
    try:
        await deps.store.keep_draft(MappingDraft(file.name, who, deps.clock(), file.text.digest, text.encode()))
    except StoreUnavailable:
        return None
    return await find_draft(deps, file, who=who)


async def plan_discard(deps: ConsoleDeps, asked: Mapping[str, str]) -> ActionPlan:
    """What discarding somebody's draft would do. Raises ActionRefused where there is none."""
    name, who = asked.get("id", ""), asked.get("of", "")
    drafts = await deps.store.read_drafts()
    draft = next((one for one in drafts if (one.mapping, one.who) == (name, who)), None)
    if draft is None:
        raise ActionRefused("There is no such draft, or not any more.")

    async def run(by: ActingPerson) -> int:
        is_gone = await deps.store.drop_draft(name, who=who)
        await deps.store.record_action(ActionTaken(by.now, by.who, DISCARD, f"{name}.yaml"))
        return int(is_gone)

    return ActionPlan(
        verb="discard",
        asked=asked,
        title=f"Discard the draft of {name}.yaml?",
        done="Discard it",
        text="It cannot be had back. The file stays as it is.",
        subject=f"{name}.yaml",
        rows=(PlanRow(f"{name}.yaml", who, f"draft of {who}, {local_time(draft.at)}", "deleted", "bad"),),
        count=1,
        state=describe_state(draft.at, draft.text.hex()),
        run=run,
    )
