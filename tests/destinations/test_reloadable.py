"""The file of a destination that is in use can change: a good one is taken, a bad one leaves the old."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from declaring import ACME, NOW, SECRET, SET, deliveries, document

from bridge.core.delivery import Outgoing
from bridge.destinations.kinds import make_destination
from bridge.destinations.protocol import Destination
from bridge.destinations.reloadable import reload_destinations


@pytest.fixture
def acme(tmp_path: Path) -> Destination:
    (tmp_path / "acme.yaml").write_text(ACME)
    return make_destination("acme", "mine", SET, folder=tmp_path)


def sent(destination: Destination) -> dict[str, object]:
    [made] = destination.make_requests(deliveries(document()), now=NOW)
    assert isinstance(made, Outgoing)
    [item] = json.loads(made.body)["data"]
    assert isinstance(item, dict)
    return item


def test_a_changed_file_is_used_after_it_was_taken_and_not_before(acme: Destination, tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(
        ACME.replace("purchase: Bought", "purchase: Sale").replace("events: 3", "events: 2")
    )
    reloaded = reload_destinations([acme], tmp_path)
    assert (sent(acme)["name"], acme.batch) == ("Bought", 3)
    reloaded.take()
    assert (sent(acme)["name"], acme.batch) == ("Sale", 2)
    assert reload_destinations([acme], tmp_path).made == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (ACME.replace("=event_name", "=evnt_name"), "unknown name 'evnt_name'"),
        (
            ACME.replace("site: {default", "shop: {needed: true, help: Its number.}\n  site: {default"),
            "needs `shop`: Its",
        ),
        ("{", "acme.yaml:2:1"),
        (None, "no destination file declares the kind `acme` any more"),
    ],
)
def test_a_file_with_a_mistake_or_that_the_options_do_not_fit_leaves_the_old_one_in_use(
    acme: Destination, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | None, why: str
) -> None:
    file = tmp_path / "acme.yaml"
    file.unlink() if text is None else file.write_text(text)
    reloaded = reload_destinations([acme], tmp_path)
    reloaded.log_refused()
    reloaded.take()
    assert sent(acme)["name"] == "Bought"
    told = "\n".join(caplog.messages)
    assert why in told
    assert told.count("reload.refused destination=mine ") == 1
    assert SECRET not in told
