"""Actions of the console over the real application: a dry run first, refused if it no longer fits, written down."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from console_app import AUDITOR, SAME_ORIGIN, Console, with_console
from shipped_bodies import shipped_webhooks
from store_made import NOW, TRACK, event, order
from test_console_content import MARK, fill, marked_webhook

from bridge.core.model import Routed
from bridge.http.console.action_pages import shown_subject
from bridge.store.protocol import RowFilter

DEAD = RowFilter(state="dead")


def fields_of(answer: httpx.Response) -> dict[str, str]:
    """The hidden fields of the form that a dry run shows."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text))


async def fill_failed(console: Console) -> None:
    """Dead deliveries, and one webhook that is set aside."""
    paid_first = sorted(shipped_webhooks("shopify"), key=lambda one: one.topic != "orders/paid")
    await fill(console.store, [marked_webhook(one) for one in paid_first][:12])


async def confirm(console: Console, path: str) -> httpx.Response:
    """Ask for the dry run of an action, and do it."""
    shown = await console.client.get(path)
    assert shown.status_code == 200, shown.text
    return await console.client.post(path.partition("?")[0], data=fields_of(shown), headers=SAME_ORIGIN)


async def actions_of(console: Console, path: str = "/ui/needs") -> list[str]:
    """The actions that a page offers."""
    return re.findall(r'href="(/ui/actions/[^"]+)"', (await console.client.get(path)).text)


def test_a_group_of_dead_letters_is_retried_after_its_dry_run_and_written_down(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_failed(console)
        await console.log_in()
        (group,) = [one for one in await actions_of(console) if "retry?group" in one]
        dead = await console.store.deliveries(DEAD)
        shown = await console.client.get(group)
        assert f"Retry {len(dead)} deliveries?" in shown.text
        assert all(row.event in shown.text for row in dead)
        assert await console.store.deliveries(DEAD) == dead, "a dry run changes nothing"
        assert await console.store.newest_actions(most=9) == ()
        answer = await confirm(console, group)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/ui/needs?did=retry-{len(dead)}")
        assert await console.store.deliveries(DEAD) == []
        (taken,) = await console.store.newest_actions(most=9)
        assert (taken.who, taken.what, taken.count) == ("ines", "retry", len(dead))
        log = await console.client.get("/ui/actions.json")
        assert log.json()["actions"][0]["subject"] == "a group, state dead, destination track"
        notice = await console.client.get(answer.headers["location"])
        assert f"{len(dead)} deliveries are due now" in notice.text

    with_console(tmp_path, story)


def test_an_action_is_refused_when_its_dry_run_no_longer_fits(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_failed(console)
        await console.log_in()
        (group,) = [one for one in await actions_of(console) if "retry?group" in one]
        form = fields_of(await console.client.get(group))
        one = (await console.store.deliveries(DEAD))[0]
        await console.store.retry(RowFilter(ids=(one.id,)), now=NOW, below=None, limit=1)
        left = await console.store.deliveries(DEAD)
        for wrong in (form, form | {"token": ""}, form | {"token": "é"}, {"all": "track", "token": form["token"]}):
            answer = await console.client.post("/ui/actions/retry", data=wrong, headers=SAME_ORIGIN)
            assert answer.status_code == 409
            assert "nothing was done" in answer.text
        assert await console.store.deliveries(DEAD) == left
        assert await console.store.newest_actions(most=9) == ()
        again = fields_of(answer)
        assert (await console.client.post("/ui/actions/retry", data=again, headers=SAME_ORIGIN)).status_code == 303
        answer = await console.client.post("/ui/actions/retry", data=again, headers=SAME_ORIGIN)
        assert answer.status_code == 409, "a form that is sent twice acts once"

    with_console(tmp_path, story)


def test_who_may_only_look_sees_the_dry_run_and_does_nothing(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_failed(console)
        await console.log_in()
        (group,) = [one for one in await actions_of(console) if "retry?group" in one]
        form = fields_of(await console.client.get(group))
        await console.log_in(AUDITOR)
        shown = await console.client.get(group)
        assert fields_of(shown) == {}
        assert "may look, and change nothing" in shown.text
        for headers in (SAME_ORIGIN, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.test"}, {}):
            answer = await console.client.post("/ui/actions/retry", data=form, headers=headers)
            assert answer.status_code == 403
        assert await console.store.deliveries(DEAD) != []

    with_console(tmp_path, story)


def test_what_was_set_aside_is_replayed_once_one_sees_what_it_becomes(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_failed(console)
        await console.log_in()
        aside = await console.store.webhooks(RowFilter(state="set_aside"))
        (every,) = [one for one in await actions_of(console) if "/replay?" in one]
        shown = await console.client.get(every)
        assert f"Replay {len(aside)} webhook" in shown.text
        became = [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<td>(<span class=.*?)</td></tr>", shown.text)]
        assert len(became) == len(aside)
        assert any(one.startswith("purchase ") for one in became), became
        answer = await confirm(console, every)
        assert answer.headers["location"] == f"/ui/needs?did=replay-{len(aside)}"
        assert await console.store.webhooks(RowFilter(state="set_aside")) == []
        made = (await console.store.webhooks(RowFilter(state="translated")))[0]
        refused = await console.client.get(f"/ui/actions/replay?id={made.id}")
        assert (refused.status_code, "--dry-run" in refused.text) == (409, True)

    with_console(tmp_path, story, settings={"SHOPIFY_WEBHOOK_SECRET": "a-made-up-secret-of-a-shop"})


def test_one_webhook_and_one_delivery_are_mended_from_their_own_pages(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await fill_failed(console)
        await console.log_in()
        aside = (await console.store.webhooks(RowFilter(state="set_aside")))[0]
        (replay,) = await actions_of(console, f"/ui/webhooks/{aside.id}")
        assert (await confirm(console, replay)).headers["location"] == "/ui/needs?did=replay-1"
        dead = await console.store.deliveries(DEAD)
        (retry,) = await actions_of(console, f"/ui/events/{dead[0].event}")
        assert (await confirm(console, retry)).headers["location"] == "/ui/needs?did=retry-1"
        assert await console.store.deliveries(DEAD) == dead[1:]

    with_console(tmp_path, story)


def test_a_duplicate_that_differs_is_released_and_a_paused_destination_resumed(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        store = console.store
        for name, value in (("evt_a", "19.90"), ("evt_b", "29.90")):
            await store.accept_events([Routed(event(name, order("1001"), value=value), TRACK)], now=NOW)
        await store.pause_destination("track", reason=f"401 {MARK}", probe_at=NOW, now=NOW)
        await console.log_in()
        for state, ids in (("differing", ["evt_b"]), ("no_longer_made", []), ("fresh", ["evt_a"])):
            rows = (await console.client.get(f"/ui/events.json?state={state}")).json()["rows"]
            assert [row["id"] for row in rows] == ids
        assert 'value="no_longer_made">no longer made</option>' in (await console.client.get("/ui/events")).text
        offered = await actions_of(console)
        release = next(one for one in offered if "/release?" in one)
        resume = next(one for one in offered if "/resume?" in one)
        assert (await confirm(console, release)).headers["location"] == "/ui/needs?did=release-1"
        assert await store.events(RowFilter(state="duplicate")) == []
        assert MARK not in (await console.client.get(resume)).text
        assert (await confirm(console, resume)).headers["location"] == "/ui/destinations?did=resume-1"
        assert [one.what for one in await store.newest_actions(most=9)] == ["resume", "release"]

    with_console(tmp_path, story)


def test_no_page_of_actions_holds_a_personal_datum_and_no_form_breaks_one(tmp_path: Path) -> None:
    odd = ["", "x", "wh_1", "dlv_0", "evt_x", "\0", "<b>", "é" * 900, "9" * 40]

    async def story(console: Console) -> None:
        await fill_failed(console)
        await console.log_in()
        for path in [
            "/ui/needs",
            "/ui/actions",
            "/ui/destinations",
            "/ui/destinations.json",
            *await actions_of(console),
        ]:
            answer = await console.client.get(path)
            assert (answer.status_code, MARK.lower() in answer.text.lower()) == (200, False), path
        before = await console.store.state_counts()
        for verb in ("retry", "replay", "release", "resume", "none"):
            for value in odd:
                for name in ("id", "group", "all"):
                    got = await console.client.get(f"/ui/actions/{verb}", params={name: value})
                    form = {name: value, "token": value}
                    sent = await console.client.post(f"/ui/actions/{verb}", data=form, headers=SAME_ORIGIN)
                    assert max(got.status_code, sent.status_code) < 500, (verb, name, value)
        assert await console.store.state_counts() == before
        assert await console.store.newest_actions(most=9) == ()

    with_console(tmp_path, story)


def test_a_destination_shows_where_it_stands_and_what_became_of_its_events(tmp_path: Path) -> None:
    settings = {"BRIDGE_TRACK_URL": "https://track.example/v1/track", "BRIDGE_TRACK_KEY": "a-made-up-key-of-track"}

    async def story(console: Console) -> None:
        await fill_failed(console)
        await console.store.pause_destination("track", reason=f"401 {MARK}", probe_at=NOW, now=NOW)
        await console.log_in(AUDITOR)
        page = (await console.client.get("/ui/destinations")).text
        dead = len(await console.store.deliveries(DEAD))
        for said in ("track.example", "paused since", "Resume…", f"Retry {dead} dead…"):
            assert said in page
        (one,) = (await console.client.get("/ui/destinations.json")).json()["destinations"]
        assert (one["name"], one["host"], one["dead"]) == ("track", "track.example", dead)
        assert MARK not in str(one) + page

    with_console(tmp_path, story, settings=settings)


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("dlv_123456 dlv_7", "dlv_123456 dlv_7"),
        ("state dead, destination track", "state dead, destination track"),
        ("state dead, reason Ada", "state dead, reason •••"),
        ("ada@example.com", "•••@•••••••.•••"),
    ],
)
def test_the_log_names_ids_and_no_person(subject: str, shown: str) -> None:
    assert shown_subject(subject) == shown
