"""A draft of a mapping is there again after the page was closed, until it is discarded or put into use."""

from __future__ import annotations

import re
from pathlib import Path

from console_app import AUDITOR, SAME_ORIGIN, Console, with_console
from made_up_mapping import CLUB
from test_console_mappings import folder_with
from test_console_playground import MENDED, TRY, draft_of, fill_club, post_draft, token_of

LATER = MENDED.replace("title: Club", "title: Our club")
DISCARD = "/ui/actions/discard?id=club&of=ines"


def test_a_draft_is_there_again_after_the_page_was_closed_and_is_listed(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_club(console)
        assert draft_of((await console.client.get(TRY)).text) == CLUB
        page = (await post_draft(console, MENDED)).text
        assert re.search(r'title="\d{4}-[^"]+">kept<', page)
        await post_draft(console, LATER)
        assert draft_of((await console.client.get(TRY)).text) == LATER
        await post_draft(console, CLUB)
        assert draft_of((await console.client.get(TRY)).text) == LATER, "another page showed the file"
        listed = (await console.client.get("/ui/mappings")).text
        assert '<a class="link" href="/ui/mappings/club/try?of=ines">draft of ines</a>' in listed
        (club,) = [one for one in (await console.client.get("/ui/mappings.json")).json() if one["drafts"]]
        assert (club["name"], [one["who"] for one in club["drafts"]]) == ("club", ["ines"])
        async with console.browser() as other:
            await other.post("/ui/login", data={"key": AUDITOR}, headers=SAME_ORIGIN)
            assert "draft of ines" in (await other.get("/ui/mappings")).text
            assert "Our club" not in (await other.get(f"{TRY}?of=ines")).text, "who may look tries no draft"
        Path(tmp_path, "maps", "club.yaml").write_text(f"{CLUB}# more\n")  # noqa: ASYNC240  a small file
        assert "the file has changed since it was begun" in (await console.client.get(TRY)).text
        await post_draft(console, f"{CLUB}# more\n", kept="ines")
        assert "draft of ines" not in (await console.client.get("/ui/mappings")).text, "it is the file's text again"

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


def test_a_draft_is_discarded_after_a_dry_run_and_gone_once_it_is_in_use(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_club(console)
        await post_draft(console, MENDED)
        page = await console.client.get(DISCARD)
        assert "It cannot be had back." in page.text
        assert len(await console.store.read_drafts()) == 1, "a dry run changes nothing"
        asked = {"id": "club", "of": "ines"}
        await post_draft(console, LATER)
        old = await console.client.post(DISCARD, data=asked | {"token": token_of(page)}, headers=SAME_ORIGIN)
        assert old.status_code == 409, "it was worked on since"
        done = await console.client.post(DISCARD, data=asked | {"token": token_of(old)}, headers=SAME_ORIGIN)
        assert "The draft is discarded." in (await console.client.get(done.headers["location"])).text
        assert await console.store.read_drafts() == ()
        assert [(one.what, one.subject) for one in await console.store.newest_actions(most=9)] == [
            ("discard a draft", "club.yaml")
        ]
        assert "There is no such draft" in (await console.client.get(DISCARD)).text
        await post_draft(console, MENDED)
        form = {"id": "club", "draft": MENDED}
        page = await console.client.post("/ui/actions/use", data=form, headers=SAME_ORIGIN)
        await console.client.post("/ui/actions/use", data=form | {"token": token_of(page)}, headers=SAME_ORIGIN)
        assert Path(tmp_path, "maps", "club.yaml").read_text() == MENDED  # noqa: ASYNC240  a small file
        assert await console.store.read_drafts() == ()

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))
