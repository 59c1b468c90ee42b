"""What becomes of the deliveries of a declared destination: by item, without a request, and with nothing secret kept."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from declaring import ACME, SECRET, SET, acme, platform
from delivering import NOON, Seen, Time, delivery_loops, detail, lived, opened, rows, run

from bridge.app import utc_now
from bridge.core.delivery import DeliveryState, Outgoing, Response
from bridge.core.mapping_text import MappingText
from bridge.core.model import Event, Route, Routed
from bridge.destinations.engine.declared import DeclaredDestination, make_declared
from bridge.destinations.language import parse_platform
from bridge.pipeline.retry_policy import RetryPolicy
from bridge.status.kept_request import rebuild_request
from bridge.store.protocol import RowFilter
from bridge.store.sqlite.store import SqliteStore

SECOND = timedelta(seconds=1)


def events(*numbers: int, **more: Any) -> list[Routed]:
    """Purchases whose event_id is `evt_<number>`."""
    return [
        Routed(
            Event(
                id=f"evt_{number}",
                origin="key:one",
                event_type="purchase",
                test=False,
                text=json.dumps(
                    {
                        "event_type": "purchase",
                        "event_id": f"evt_{number}",
                        "timestamp": "2026-03-01T11:59:00Z",
                        "user_data": {"email": "jane@mail.example"},
                    }
                    | more
                ).encode(),
                occurred_at=NOON,
            ),
            (Route("mine"),),
        )
        for number in numbers
    ]


class Platform:
    """Acme, as a function of the numbers that a request holds."""

    def __init__(self, time: Time, judge: Callable[[list[int]], Response]) -> None:
        self.time = time
        self.judge = judge
        self.posted: list[list[int]] = []

    async def send(self, outgoing: Outgoing) -> Response:
        numbers = [int(item["id"].removeprefix("evt_")) for item in json.loads(outgoing.body)["data"]]
        self.posted.append(numbers)
        await asyncio.sleep(0)
        return self.judge(numbers)


def answered(status: int, **body: Any) -> Response:
    return Response(status, {}, json.dumps(body))


async def delivered(  # noqa: PLR0913  what a platform and its day are, by name
    store: SqliteStore,
    time: Time,
    judge: Callable[[list[int]], Response],
    given: list[Routed],
    *,
    one: DeclaredDestination | None = None,
    policy: RetryPolicy | None = None,
) -> Platform:
    await store.accept_events(given, now=time.now)
    upstream = Platform(time, judge)
    loops = delivery_loops(store, time, upstream.send, destination=one or acme(), seen=Seen(), policy=policy)
    await lived(loops, time)
    return upstream


def test_one_that_is_rejected_stands_alone_and_the_others_are_delivered(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(minutes=5))
        async with opened(tmp_path) as store:
            judge = lambda numbers: answered(200, failed=[{"index": 1, "message": "bad currency"}])  # noqa: E731
            upstream = await delivered(store, time, judge, events(1, 2, 3))
            assert upstream.posted == [[1, 2, 3]]
            assert [(row.state, row.reason) for row in await rows(store)] == [
                (DeliveryState.DELIVERED, None),
                (DeliveryState.DEAD, "bad currency"),
                (DeliveryState.DELIVERED, None),
            ]

    run(test)


def test_what_was_refused_with_a_bad_one_goes_again_at_once_and_uncounted(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(minutes=5))
        resent = acme(ACME.replace("rest: delivered", "rest: resend"))
        async with opened(tmp_path) as store:
            judge = lambda numbers: (  # noqa: E731
                answered(400, failed=[{"index": numbers.index(2), "message": "bad"}]) if 2 in numbers else answered(200)
            )
            upstream = await delivered(store, time, judge, events(1, 2, 3), one=resent)
            assert upstream.posted == [[1, 2, 3], [1, 3]]
            first, second, _ = await rows(store)
            assert (second.state, second.attempts) == (DeliveryState.DEAD, 1)
            assert (first.state, first.attempts) == (DeliveryState.DELIVERED, 1)

    run(test)


@pytest.mark.parametrize(
    "answer",
    [
        Response(200, {}, "<html>maintenance</html>"),
        Response(200, {}, ""),
        Response(200, {}, '{"failed": []}', cut=True),
        Response(400, {}, '{"failed": [{"ind', cut=True),
    ],
)
def test_an_answer_that_is_cut_or_no_json_delivers_nothing(tmp_path: Path, answer: Response) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(seconds=30))
        async with opened(tmp_path) as store:
            await delivered(store, time, lambda numbers: answer, events(1, 2, 3))
            assert {row.state for row in await rows(store)} == {DeliveryState.PENDING}

    run(test)


@pytest.mark.parametrize("at", [3, -1, None, "x", 1.5, True])
def test_an_entry_that_names_no_item_is_held_against_none(tmp_path: Path, at: Any) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(seconds=30))
        async with opened(tmp_path) as store:
            judge = lambda numbers: answered(200, failed=[{"index": at, "message": "bad"}])  # noqa: E731
            await delivered(store, time, judge, events(1, 2, 3))
            assert {row.state for row in await rows(store)} == {DeliveryState.DELIVERED}

    run(test)


def test_a_dead_token_pauses_and_no_event_is_at_fault(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(minutes=5))
        async with opened(tmp_path) as store:
            judge = lambda numbers: answered(200, code="expired", message="renew it")  # noqa: E731
            await delivered(store, time, judge, events(1, 2))
            assert {(row.state, row.attempts) for row in await rows(store)} == {(DeliveryState.PENDING, 0)}
            assert (await store.destination_state("mine", now=utc_now())).paused == "renew it"

    run(test)


def test_twenty_that_are_rejected_without_one_that_passes_pause_the_destination(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(minutes=1))
        async with opened(tmp_path) as store:
            judge = lambda numbers: answered(  # noqa: E731
                200, failed=[{"index": place, "message": "bad"} for place in range(len(numbers))]
            )
            await delivered(store, time, judge, events(*range(30)), policy=RetryPolicy(refused_alone=6))
            states = [row.state for row in await rows(store)]
            assert states.count(DeliveryState.DEAD) == 6
            paused = (await store.destination_state("mine", now=utc_now())).paused
            assert paused is not None
            assert "events in a row were refused" in paused

    run(test)


def test_an_event_too_old_is_skipped_without_a_request_and_the_others_go(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(minutes=1))
        async with opened(tmp_path) as store:
            old = events(1, timestamp="2026-02-01T00:00:00Z")
            upstream = await delivered(store, time, lambda numbers: answered(200), [*old, *events(2)])
            assert upstream.posted == [[2]]
            first, second = await rows(store)
            assert (first.state, first.reason) == (DeliveryState.SKIPPED, "too old")
            shown = await detail(store, first.id)
            assert [(one.outcome, one.status, one.counted) for one in shown.attempts] == [("skipped", None, False)]
            assert second.state is DeliveryState.DELIVERED

    run(test)


def test_an_event_dated_ahead_goes_when_the_platform_takes_it(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(hours=2))
        async with opened(tmp_path) as store:
            upstream = await delivered(
                store, time, lambda numbers: answered(200), events(1, timestamp="2026-03-01T13:00:00Z")
            )
            assert upstream.posted == [[1]]
            shown = await detail(store, (await store.deliveries(RowFilter()))[0].id)
            assert shown.attempts[-1].started_at >= NOON + timedelta(minutes=55)

    run(test)


def test_a_request_that_cannot_be_built_is_a_dead_letter_and_opens_no_circuit(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(minutes=1))
        broken = acme(
            ACME.replace(
                "body: {data: =items}",
                'body: {data: =items, sum: "=to_number(items[0].name)", n: "=decimal(items[0].name)"}',
            )
        )
        async with opened(tmp_path) as store:
            upstream = await delivered(store, time, lambda numbers: answered(200), events(1, 2), one=broken)
            assert upstream.posted == []
            reasons = {row.reason for row in await rows(store, "dead")}
            assert len(reasons) == 1
            assert str(reasons.pop()).startswith("the request cannot be built: acme.yaml:")
            assert (await store.destination_state("mine", now=utc_now())).paused is None

    run(test)


SPELT = {
    "itself": SECRET,
    "percent": quote(SECRET, safe="").replace("-", "%2D"),
    "escaped": SECRET.replace("a", "\\u0061"),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "basic": base64.b64encode(f"{SECRET}:".encode()).decode(),
}


@pytest.mark.parametrize("spelt", SPELT)
@pytest.mark.parametrize("auth", ["{kind: bearer, token: =secrets.token}", "{kind: basic, user: =secrets.token}"])
def test_a_secret_that_an_answer_repeats_is_kept_nowhere(tmp_path: Path, spelt: str, auth: str) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(minutes=1))
        one = acme(ACME.replace("{kind: bearer, token: =secrets.token}", auth))
        async with opened(tmp_path) as store:
            told = f"the token {SPELT[spelt]} may not"
            judge = lambda numbers: answered(200, failed=[{"index": 0, "message": told}], at=told)  # noqa: E731
            await delivered(store, time, judge, events(1), one=one)
            [row] = await rows(store)
            shown = await detail(store, row.id)
            kept = f"{row.reason} {[attempt.answer for attempt in shown.attempts]}"
            assert "[token]" in kept or "[authorization]" in kept or "[key]" in kept
            assert SECRET not in kept
            assert SPELT[spelt] not in kept

    run(test)


def test_the_end_of_a_long_reason_holds_no_part_of_a_secret(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(minutes=1))
        async with opened(tmp_path) as store:
            told = "x" * 195 + SECRET
            judge = lambda numbers: answered(200, failed=[{"index": 0, "message": told}])  # noqa: E731
            await delivered(store, time, judge, events(1))
            [row] = await rows(store)
            assert row.reason == "x" * 195 + "[toke"

    run(test)


def test_a_large_request_is_made_beside_the_event_loop(tmp_path: Path) -> None:
    async def test() -> None:
        time = Time(lasts=timedelta(minutes=1))
        made_in: set[int] = set()
        many = acme(ACME.replace("events: 3", "events: 1000"))
        make = many.make_requests

        def watched(*given: Any, **more: Any) -> Any:
            made_in.add(threading.get_ident())
            return make(*given, **more)

        many.make_requests = watched  # type: ignore[method-assign]  # it watches the real one
        async with opened(tmp_path) as store:
            upstream = await delivered(store, time, lambda numbers: answered(200), events(*range(60)), one=many)
            assert [len(numbers) for numbers in upstream.posted] == [60]
            assert made_in.isdisjoint({threading.get_ident()})

    run(test)


def test_the_request_of_a_delivery_is_made_again_by_the_file_that_made_it(tmp_path: Path) -> None:
    def make_masked(name: str, made_by: MappingText | None) -> tuple[DeclaredDestination, MappingText]:
        one = (
            platform(ACME.replace("em: =hashed", "email: =hashed").replace("[em, ", "[email, "))
            if made_by is None
            else (parse_platform(made_by.text, name=made_by.name))
        )
        return make_declared(one, name, SET, masked=True), one.text

    async def test() -> None:
        time = Time(lasts=timedelta(minutes=5))
        async with opened(tmp_path) as store:
            await delivered(store, time, lambda _: answered(200), events(1, 2))
            made = rebuild_request(await detail(store, "dlv_2"), make_masked)
            assert made is not None
            assert (made.made_by, made.is_kept, made.is_in_use) == (platform().text, True, False)
            assert made.request is not None
            assert made.request["headers"]["authorization"] == "Bearer [token]"
            [item] = made.request["body"]["data"]
            assert (item["id"], len(item["em"])) == ("evt_2", 64)

    run(test)
