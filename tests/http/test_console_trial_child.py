"""The child that tries drafts keeps what it can of the trial before; its answers are those of a child that just began."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from made_up_mapping import CLUB, club_webhook
from msgspec.structs import replace as replaced

from bridge.core.conversions import KnownConversion
from bridge.http.console.mapping_process import MappingProcess
from bridge.http.console.mapping_trial import CheckedMapping, CheckQuestion, DraftAnswer, DraftQuestion, TrialWebhook

VARS = "vars: {plan: {default: basic}}\n"
RUNNING = CLUB.replace("title: Club\n", "title: Club\n" + VARS).replace(
    "        currency:", "        plan: =source.vars.plan\n        currency:"
)
"""Its events have a var of the source."""
RECALLING = RUNNING.replace(
    "    dedupe: =body.order\n",
    "    dedupe: =body.order\n    recall: {event_type: lead, dedupe: =body.first, take: [user_data], wait: 1h}\n",
)
EXAMPLE = "given:\n  body: {type: order.seen}\nexpect: {ignored: no rule for this topic}\n"


def asked(folder: Path, text: str, number: int, **more: object) -> DraftQuestion:
    """A question about a draft that no other question has."""
    webhooks = tuple(TrialWebhook(replaced(club_webhook(one), number=one)) for one in range(1, 5))
    given = {"source": "club", "scope": "club", "vars": {}, "webhooks": webhooks, "shown": 0} | more
    return DraftQuestion(folder / "club.yaml", f"{text}# {number}\n".encode(), text.encode(), **given)  # type: ignore[arg-type]


def test_a_child_that_answered_before_answers_what_a_new_one_answers(tmp_path: Path) -> None:
    (tmp_path / "examples" / "club").mkdir(parents=True)
    (tmp_path / "club.yaml").write_text(RUNNING)
    example = tmp_path / "examples" / "club" / "seen.yaml"
    changed = (TrialWebhook(replaced(club_webhook(2, total="7.00"), number=2)),)
    other = (*changed, TrialWebhook(replaced(club_webhook(9), number=9)))
    questions = [
        asked(tmp_path, RUNNING, 1),
        asked(tmp_path, RUNNING, 2, webhooks=other),
        asked(tmp_path, RUNNING, 3),
        asked(tmp_path, RUNNING, 4, vars={"plan": "gold"}),
        asked(tmp_path, RUNNING, 5, vars={"plan": "gold"}, scope="other"),
        asked(tmp_path, RUNNING.replace("=body.currency", "SEK"), 6),
        asked(tmp_path, RECALLING, 7),
    ]

    async def story() -> None:
        lasting = MappingProcess()
        for number, question in enumerate(questions):
            example.write_text(EXAMPLE if number % 2 else EXAMPLE.replace("no rule", "a rule"))
            answer = await lasting.ask(question, DraftAnswer)
            assert answer == await MappingProcess().ask(question, DraftAnswer), number
            errors = [one for one in answer.problems if one.severity == "error"]
            assert len(errors) == (number + 1) % 2, "the example is read as it is now"
        assert (await lasting.ask(CheckQuestion(tmp_path / "club.yaml"), CheckedMapping)).examples == 1

    asyncio.run(story())


def test_what_earlier_events_are_known_decides_anew_what_the_mapping_in_use_makes(tmp_path: Path) -> None:
    path = tmp_path / "club.yaml"
    path.write_text(RECALLING)

    async def story() -> None:
        process = MappingProcess()
        one = TrialWebhook(replaced(club_webhook(1, first="C-0"), number=1))
        answer = await process.ask(asked(tmp_path, RECALLING, 1, webhooks=(one,)), DraftAnswer)
        (needed,) = answer.now
        assert needed.needs
        known = KnownConversion(json.dumps({"user_data": {"city": "Bonn"}}).encode(), by="evt_0")
        for lent, found in ((True, [known]), (False, [])):
            again = TrialWebhook(one.webhook, dict.fromkeys(needed.needs, found))
            answer = await process.ask(asked(tmp_path, RECALLING, 2, webhooks=(again,)), DraftAnswer)
            assert answer.now == answer.then
            assert ("Bonn" in str(answer.now)) is lent

    asyncio.run(story())
