"""The first run's form for a signing secret: saved beside the settings file and used at once, and shown nowhere."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx
import pytest
from console_app import AUDITOR, SAME_ORIGIN, Console, with_console
from peers import serving, trackbridge, until
from signed_requests import SESSION, STRIPE_SECRET, stripe

KEY = "an-owners-made-up-key"
PASTED = f"{STRIPE_SECRET}_pasted_by_its_owner"


def test_a_pasted_secret_is_used_at_once_and_stays_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    (tmp_path / "bridge.yaml").write_text("")
    file.touch(0o600)
    file.write_bytes(f"# ours\r\nBRIDGE_CONSOLE_KEYS=ines:change:{KEY}".encode())
    with serving(tmp_path, {}, "--web", "1") as bridge, httpx.Client(base_url=bridge.url, trust_env=False) as client:
        client.post("/ui/login", data={"key": KEY}, headers=SAME_ORIGIN)
        page = client.get("/ui/start?source=stripe").text
        assert f"<code>{file}</code>" in page, "it says where the secret goes"
        before = file.read_bytes()
        for wrong in ("tooshort", "it's a quote-holding-secret", "one\nand-a-second-line-of-it", "", "é\u202e" * 20):
            answer = client.post("/ui/start/secret", data={"source": "stripe", "secret": wrong}, headers=SAME_ORIGIN)
            assert answer.status_code == 409, wrong
            assert 'role="alert"' in answer.text
            assert not wrong or wrong not in answer.text
        assert file.read_bytes() == before
        answer = client.post(
            "/ui/start/secret", data={"source": "stripe", "secret": f" {PASTED}\n"}, headers=SAME_ORIGIN
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui/start?source=stripe&saved=1")
        assert file.read_bytes() == before + f"\nSTRIPE_WEBHOOK_SECRET='{PASTED}'\n".encode()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        page = client.get("/ui/start?source=stripe&saved=1").text
        assert "A secret is set. It is shown nowhere." in page
        headers, body = stripe(SESSION, secret=PASTED)
        assert client.post("/webhooks/stripe", content=body, headers=headers).status_code == 200
        until(lambda: "wh_" in client.get("/ui/webhooks.json").text, what="the webhook in its list")
        later = client.post("/ui/start/secret", data={"source": "stripe", "secret": "z" * 40}, headers=SAME_ORIGIN)
        assert later.status_code == 409, "who holds a key of the console cannot replace a secret that is right"
        actions = client.get("/ui/actions.json").text
        assert "set a signing secret" in actions
        shown = page + actions + client.get("/ui/settings").text + bridge.log.read_text()
        assert PASTED not in shown
    assert PASTED not in trackbridge(tmp_path, {}, "sources").stdout


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "serve reads .env only beside a settings file, and there is no bridge.yaml."),
        ({"STRIPE_WEBHOOK_SECRET": STRIPE_SECRET}, "STRIPE_WEBHOOK_SECRET is set in the environment of serve"),
    ],
)
def test_where_no_file_takes_it_the_page_says_why_and_shows_the_line(
    tmp_path: Path, settings: dict[str, str], why: str
) -> None:
    async def story(console: Console) -> None:
        await console.log_in()
        form = {"source": "stripe", "secret": PASTED}
        answer = await console.client.post("/ui/start/secret", data=form, headers=SAME_ORIGIN)
        assert answer.status_code == 409
        assert why in answer.text
        assert PASTED not in answer.text
        assert settings or '<code tabindex="0">STRIPE_WEBHOOK_SECRET=</code>' in answer.text

    with_console(tmp_path, story, settings=settings)


def test_a_key_that_may_only_look_saves_no_secret(tmp_path: Path) -> None:
    async def story(console: Console) -> None:
        await console.log_in(AUDITOR)
        assert 'name="secret"' not in (await console.client.get("/ui/start?source=stripe")).text
        form = {"source": "stripe", "secret": PASTED}
        answer = await console.client.post("/ui/start/secret", data=form, headers=SAME_ORIGIN)
        assert answer.status_code == 403

    with_console(tmp_path, story)
