"""The console's playground: a draft of a mapping on kept webhooks, what it makes of each, and nothing changed by it."""

from __future__ import annotations

import html
import re
from pathlib import Path

import httpx
import pytest
from console_app import AUDITOR, SAME_ORIGIN, Console, with_console
from made_up_mapping import CLUB, club_webhook, keep_translated
from shipped_bodies import shipped_webhooks
from test_console_content import MARK, fill, marked_webhook
from test_console_mappings import folder_with, words_of

from bridge.core.model import Webhook
from bridge.http.console.action_plan import ActionRefused
from bridge.http.console.mapping_use import write_mapping
from bridge.mapping import parse_mapping
from bridge.store.protocol import RowFilter

TRY = "/ui/mappings/club/try"
MENDED = CLUB.replace("=decimal(body.total)", "=decimal(body.total.amount || body.total)")
"""Takes the amount also where it is an object."""


async def fill_club(console: Console, *more: Webhook) -> None:
    """Two orders that made events, and four that were set aside for their amounts."""
    source = parse_mapping(CLUB, name="club.yaml").bind_source("club", secrets=(), vars={})
    aside = [club_webhook(number, total={"amount": "5.00"}) for number in range(3, 7)]
    await keep_translated(console.store, source, [club_webhook(1), club_webhook(2), *aside, *more])
    await console.log_in()


async def post_draft(console: Console, draft: str, **more: str) -> httpx.Response:
    """Try a draft as the form does: lines end with CR LF."""
    form = {"draft": draft.replace("\n", "\r\n"), "state": "set_aside"} | more
    return await console.client.post(TRY, data=form, headers=SAME_ORIGIN)


def draft_of(page: str) -> str:
    """What is in the text area."""
    return html.unescape(re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)[0])


def test_a_draft_says_how_many_set_aside_webhooks_become_events_and_changes_nothing(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_club(console)
        before = await console.store.webhooks(RowFilter()), await console.store.events(RowFilter())
        page = (await console.client.get(TRY)).text
        assert "0 of 4 now become events" in words_of(page)
        assert draft_of(page) == CLUB
        page = (await post_draft(console, MENDED)).text
        assert "4 of 4 now become events" in words_of(page)
        assert draft_of(page) == MENDED, "the draft is there to go on with"
        assert page.count("purchase 5 EUR") == 5, "one is shown, four are listed"
        assert "4 of 4 now become events, 0 of 2 others change" in words_of(
            (await post_draft(console, MENDED, state="")).text
        )
        other = MENDED.replace("=body.currency", "SEK")
        page = (await post_draft(console, other, state="translated")).text
        assert "2 of 2 change" in words_of(page)
        assert "No webhook fits" in words_of((await post_draft(console, MENDED, topic="nothing")).text)
        assert (await console.store.webhooks(RowFilter()), await console.store.events(RowFilter())) == before
        assert await console.store.newest_actions(most=9) == ()
        assert Path(tmp_path, "maps", "club.yaml").read_text() == CLUB  # noqa: ASYNC240  a small file

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


def test_from_what_a_mapping_set_aside_a_link_leads_to_a_draft_that_is_tried_on_it(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_club(console)
        for path in ("/ui/", "/ui/needs"):
            page = words_of((await console.client.get(path)).text)
            assert page.count("4 set aside") == 1, "it is named once, where it can be mended"
            assert "trackbridge replay" not in page
        needs = (await console.client.get("/ui/needs")).text
        (link,) = re.findall(r'<a class="btn main" href="([^"]+)">Try a draft', needs)
        page = words_of((await console.client.get(html.unescape(link))).text)
        assert "0 of 4 now become events" in page
        assert "wh_6" in page

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


def test_what_was_ignored_on_purpose_is_no_failure_of_a_draft(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        ignoring = CLUB + "ignore:\n  order.seen: is no order\n"
        source = parse_mapping(ignoring, name="club.yaml").bind_source("club", secrets=(), vars={})
        aside = club_webhook(3, total={"amount": "5.00"})
        await keep_translated(console.store, source, [club_webhook(1), club_webhook(2, type="order.seen"), aside])
        await console.log_in()
        assert "1 of 1 now become events, 0 of 2 others change" in words_of(
            (await post_draft(console, MENDED, state="")).text
        )

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


def test_a_draft_shows_the_event_with_its_sources_or_the_line_for_which_there_is_none(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_club(console)
        page = (await post_draft(console, CLUB.replace("title: Club", "title: Club\n# a line"))).text
        assert "set aside: club.yaml:21:17: decimal() takes a number or text" in words_of(page)
        assert '<div class="l  failed" id="L21"' in page
        page = (await post_draft(console, MENDED)).text
        field = re.search(r'<div class="f" id="(f\d+)" data-hot="(b\d+) L20"[^>]*><dt>value</dt>.*?</div>', page)
        assert field is not None
        assert "total.amount" in words_of(field[0])
        line = re.search(rf'id="{field[2]}" data-to="{field[1]}"><span class="tx d\d">(.*?)</div>', page)
        assert line is not None
        assert words_of(line[1]).startswith('"amount" : "5.00"')
        page = (await post_draft(console, MENDED.replace("=person.email", "=lowr(person.email)"))).text
        assert "1 error in the draft" in words_of(page)
        assert "line 23, column 17" in words_of(page)
        assert "unknown function 'lowr'; did you mean 'lower'?" in words_of(page)

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


def test_personal_data_is_masked_whatever_the_draft_calls_it_until_it_is_asked_for(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_club(console, club_webhook(9, member={"email": "zoe9@example.com", "phone": "49301234567"}))
        draft = MENDED.replace("order_id: =body.order", "order_id: =body.member.phone || body.order")
        for more in ({}, {"pick": "wh_7"}, {"pick": "wh_7", "clear": ""}):
            page = (await post_draft(console, draft, state="", **more)).text
            assert "zoe" not in page
            assert "49301234567" not in page
        assert await console.store.newest_actions(most=9) == ()
        page = (await post_draft(console, draft, state="", on="wh_7", clear="1")).text
        assert page.count("zoe9@example.com") == 2, "in the body and in the event"
        assert "49301234567" in page
        (taken,) = await console.store.newest_actions(most=9)
        assert (taken.who, taken.what, taken.subject) == ("ines", "show personal data", "wh_7")

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


def test_who_may_only_look_sees_what_the_mapping_makes_and_tries_no_draft(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_club(console)
        await console.log_in(AUDITOR)
        page = (await console.client.get(f"{TRY}?clear=1&state=translated")).text
        assert "purchase 19.90 EUR" in page
        assert "zoe" not in page
        assert "readonly" in page
        assert (await post_draft(console, MENDED)).status_code == 403
        await console.log_in()
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.test"}, {}):
            assert (await console.client.post(TRY, data={"draft": MENDED}, headers=headers)).status_code == 403

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


def test_any_form_is_answered_in_words(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_club(console)
        for form, status in (
            ({"draft": "x" * 300_000}, 413), ({"draft": "\0"}, 200), ({"draft": ""}, 200), ({}, 200),
            ({"draft": "a: &a [*a]"}, 200), ({"draft": CLUB, "state": "nothing"}, 400), ({"draft": "é\ud7ff"}, 200),
            ({"draft": CLUB, "on": "wh_999"}, 200), ({"draft": CLUB, "on": "evt_'"}, 200),
        ):  # fmt: skip
            answer = await console.client.post(TRY, data=form, headers=SAME_ORIGIN)
            assert answer.status_code == status, form
        assert (await console.client.post("/ui/mappings/no/try", data={}, headers=SAME_ORIGIN)).status_code == 404
        answer = await console.client.post("/ui/mappings/club/draft", data={"draft": MENDED}, headers=SAME_ORIGIN)
        assert (answer.text, answer.headers["content-disposition"]) == (MENDED, 'attachment; filename="club.yaml"')

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


@pytest.mark.parametrize("name", ["shopify", "stripe"])
def test_the_text_in_use_makes_what_was_made_with_the_earlier_events_that_it_asks_for(
    tmp_path: Path, name: str
) -> None:
    async def story(console: Console) -> None:
        await fill(console.store, [marked_webhook(one) for one in shipped_webhooks(name)])
        await console.log_in(AUDITOR)
        page = (await console.client.get(f"/ui/mappings/{name}/try?state=translated")).text
        found = re.search(r"0 of (\d+) change", words_of(page))
        assert found is not None
        assert int(found[1]) > 20
        assert MARK.lower() not in page.lower()

    with_console(tmp_path, story)


# -------------------------------------------------------------------------------------------------- putting into use

USE = "/ui/actions/use"


async def use_draft(console: Console, draft: str, **more: str) -> httpx.Response:
    """Ask for the dry run, as the playground's button does, or do what it showed."""
    form = {"id": "club", "draft": draft.replace("\n", "\r\n")} | more
    return await console.client.post(USE, data=form, headers=SAME_ORIGIN)


def token_of(answer: httpx.Response) -> str:
    """The token of a dry run."""
    return str(re.findall(r'name="token" value="(\w+)"', answer.text)[0])


def test_a_draft_is_put_into_use_after_its_dry_run_and_what_was_set_aside_is_replayed(tmp_path: Path) -> None:
    folder = tmp_path / "maps"

    async def story(console: Console) -> None:
        await fill_club(console)
        shown = await use_draft(console, MENDED)
        assert shown.status_code == 200
        assert "4 of 4 now become events, 0 of 2 others change" in words_of(shown.text)
        assert sorted(one.name for one in folder.iterdir()) == ["club.yaml"]
        assert await console.store.newest_actions(most=9) == ()
        done = await use_draft(console, MENDED, token=token_of(shown))
        assert (done.status_code, done.headers["location"]) == (303, "/ui/mappings/club?did=use")
        assert {one.name: one.read_text() for one in folder.iterdir()} == {
            "club.yaml": MENDED, "club.yaml.bak": CLUB,
        }  # fmt: skip
        (taken,) = await console.store.newest_actions(most=9)
        assert (taken.who, taken.what, taken.subject) == ("ines", "put a mapping into use", "club.yaml")
        page = (await console.client.get(done.headers["location"])).text
        assert "club.yaml is in use now." in words_of(page)
        assert "4 set aside" in words_of(page)
        replay = await console.client.get("/ui/actions/replay?all=club")
        assert "Replay 4 webhooks?" in words_of(replay.text)
        assert replay.text.count("purchase 5 EUR") == 4
        again = await use_draft(console, MENDED, token=token_of(shown))
        assert "This text is in use already" in words_of(again.text)

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


def test_a_draft_is_not_put_into_use_when_its_dry_run_no_longer_fits(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_club(console)
        token = token_of(await use_draft(console, MENDED))
        source = parse_mapping(CLUB, name="club.yaml").bind_source("club", secrets=(), vars={})
        await keep_translated(console.store, source, [club_webhook(8, total={"amount": "7.00"})])
        for draft, wrong in ((MENDED, token), (f"{MENDED}# more\n", token), (MENDED, "0")):
            answer = await use_draft(console, draft, token=wrong)
            assert answer.status_code == 409
            assert "nothing was done" in answer.text
        await console.log_in(AUDITOR)
        assert (await use_draft(console, MENDED)).status_code == 403
        assert await console.store.newest_actions(most=9) == ()
        assert [one.name for one in (tmp_path / "maps").iterdir()] == ["club.yaml"]

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


@pytest.mark.parametrize(
    ("draft", "why"),
    [
        (CLUB.replace("=person.email", "=lowr(person.email)"), "unknown function 'lowr'"),
        (CLUB.replace("header:X-Club", "header:X-Other"), "changes how webhooks are verified"),
        (CLUB.replace("provider: club", "provider: stripe"), "is for another provider"),
        (CLUB, "is in use already"),
    ],
    ids=["errors", "webhook", "provider", "same"],
)
def test_some_drafts_are_never_put_into_use_from_here(tmp_path: Path, draft: str, why: str) -> None:
    async def story(console: Console) -> None:
        await console.log_in()
        answer = await use_draft(console, draft)
        assert answer.status_code == 409
        assert why in words_of(answer.text)
        assert "token" not in answer.text

    with_console(tmp_path, story, settings=folder_with(tmp_path, CLUB))


def test_without_a_folder_that_may_be_written_to_a_draft_is_only_downloaded(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await console.log_in()
        answer = await use_draft(console, CLUB, id="shopify")
        assert "Set BRIDGE_MAPPINGS to one" in words_of(answer.text)
        assert "Put into use" not in (await console.client.get("/ui/mappings/shopify/try")).text

    with_console(tmp_path, story)


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "club.yaml"
    target.write_text(CLUB)
    target.chmod(0o640)
    (tmp_path / ".club.yaml.new").mkdir()
    with pytest.raises(ActionRefused, match="Nothing was changed"):
        write_mapping(target, b"new")
    assert {one.name for one in tmp_path.iterdir()} == {"club.yaml", ".club.yaml.new"}
    assert target.read_text() == CLUB
    (tmp_path / ".club.yaml.new").rmdir()
    write_mapping(target, b"new")
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"new", 0o640)
