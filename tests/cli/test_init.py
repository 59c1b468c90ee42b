"""`trackbridge init`: a folder that is ready to serve."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml
from peers import serving, trackbridge, typed

from bridge.cli.init import FILES, TEMPLATES

PATHS = [name for _, name, _ in FILES]


def made(folder: Path) -> Path:
    done = typed(folder, {}, "init", "shop")
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "shop"


def test_every_file_is_made_and_only_the_secrets_are_closed_to_others(tmp_path: Path) -> None:
    shop = made(tmp_path)
    assert sorted(str(path.relative_to(shop)) for path in shop.rglob("*") if path.is_file()) == sorted(PATHS)
    modes = {name: stat.S_IMODE((shop / name).stat().st_mode) for name in PATHS}
    assert modes == dict.fromkeys(PATHS, 0o644) | {".env": 0o600}


@pytest.mark.parametrize("name", PATHS)
def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    done = typed(tmp_path, {}, "init")
    assert f"kept  {name}" in done.stdout
    assert path.read_text() == "mine"
    assert len(list(path.parent.glob(f"{path.name}*"))) == 1


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    assert "kept  .env" in typed(tmp_path, {}, "init").stdout
    assert not (tmp_path / "elsewhere").exists()


def test_serve_refuses_each_placeholder_by_its_line_until_all_have_values(tmp_path: Path) -> None:
    shop = made(tmp_path)
    env = shop / ".env"
    named = []
    while "=REPLACE_ME" in env.read_text():
        done = typed(shop, {}, "serve")
        found = re.match(r"trackbridge: \.env:(\d+): (\w+) still holds REPLACE_ME; put its value", done.stderr)
        assert found, done.stderr
        lines = env.read_text().splitlines()
        assert lines[int(found[1]) - 1] == f"{found[2]}=REPLACE_ME"
        lines[int(found[1]) - 1] = f"{found[2]}={'http://127.0.0.1:9' if found[2].endswith('URL') else 'x' * 24}"
        named.append(found[2])
        env.write_text("\n".join(lines))
    assert named == ["STRIPE_WEBHOOK_SECRET", "SHOPIFY_WEBHOOK_SECRET", "BRIDGE_TRACK_URL", "BRIDGE_TRACK_KEY"]
    with serving(shop, {}) as bridge:
        assert bridge.greeting.count("secret set") == 2
        assert "1 API key" in bridge.greeting


def test_what_is_not_used_may_be_deleted(tmp_path: Path) -> None:
    shop = made(tmp_path)
    env = shop / ".env"
    env.write_text(re.sub(r"^[A-Z_]+=REPLACE_ME\n", "", env.read_text(), flags=re.MULTILINE))
    with serving(shop, {}) as bridge:
        assert "none: events are kept and shown, not delivered" in bridge.greeting


def test_the_api_key_is_another_in_each_folder_and_no_command_prints_it(tmp_path: Path) -> None:
    keys = set()
    for name in ("a", "b"):
        done = typed(tmp_path, {}, "init", name)
        [key] = re.findall(r"^BRIDGE_API_KEYS=([0-9a-f]{48})$", (tmp_path / name / ".env").read_text(), re.MULTILINE)
        assert key not in done.stdout
        keys.add(key)
    assert len(keys) == 2


def test_the_files_name_this_folder_and_this_program(tmp_path: Path) -> None:
    shop = made(tmp_path)
    for name in ("deploy/trackbridge.service", "deploy/crontab"):
        text = (shop / name).read_text()
        assert str(shop) in text
        assert "/srv/trackbridge" not in text
        [program] = set(re.findall(r"(/\S*/trackbridge) (?:serve|backup)", text))
        assert Path(program).exists()


def test_a_folder_that_units_and_cron_cannot_name_is_refused(tmp_path: Path) -> None:
    done = typed(tmp_path, {}, "init", "my shop")
    assert (done.returncode, "use one of letters" in done.stderr, list(tmp_path.iterdir())) == (1, True, [])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = typed(tmp_path, {}, "init", "file/shop")
    assert (done.returncode, "cannot be made" in done.stderr) == (1, True)


# ----------------------------------------------------------------------------------------------------- what is made


def service(path: Path) -> dict[str, str]:
    unit = ConfigParser(interpolation=None, strict=False, delimiters=["="])
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # names of systemd have capitals
    unit.read_string(path.read_text())
    return dict(unit["Service"])


def test_all_units_are_hardened_alike() -> None:
    own = {"ExecStart", "EnvironmentFile"}
    [one, *others] = [
        {name: value for name, value in service(TEMPLATES / f"trackbridge{role}.service").items() if name not in own}
        for role in ("", "-web", "-worker")
    ]
    assert others == [one, one]
    assert one["ProtectSystem"] == "strict"
    assert one["ReadWritePaths"] == one["WorkingDirectory"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_unit_and_rates_it_as_the_guide_says(tmp_path: Path) -> None:
    unit = made(tmp_path) / "deploy" / "trackbridge.service"
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=100", str(unit)]
    rated = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = re.search(r"exposure level for trackbridge.service: ([0-9.]+)", rated)
    assert found
    assert float(found[1]) <= 1.5
    assert f"rates the unit {found[1]}" in (TEMPLATES.parents[1] / ".github" / "GO_LIVE.md").read_text()


def test_the_container_has_the_driver_for_postgresql() -> None:
    [installs] = [line for line in (TEMPLATES / "Containerfile").read_text().splitlines() if "'install'" in line]
    assert "f'{wheel}[postgres]' for wheel in" in installs


def test_the_container_runs_as_nobody_special_without_a_shell_and_writes_to_its_volume_alone(tmp_path: Path) -> None:
    shop = made(tmp_path)
    compose = yaml.safe_load((shop / "compose.yaml").read_text())["services"]["trackbridge"]
    assert (compose["read_only"], compose["cap_drop"], compose["env_file"]) == (True, ["ALL"], ".env")
    steps = re.findall(r"^([A-Z]+) (.*)$", (shop / "Containerfile").read_text(), re.MULTILINE)
    assert ("USER", "10001:10001") in steps
    assert all(words.startswith("[") for step, words in steps if step in {"RUN", "CMD", "ENTRYPOINT"})
    assert all(words.partition("CMD ")[2].startswith("[") for step, words in steps if step == "HEALTHCHECK")
    assert (shop / compose["build"]["dockerfile"]).is_file()


def test_the_backup_line_makes_a_backup_as_cron_would_run_it(tmp_path: Path) -> None:
    shop = made(tmp_path)
    (shop / ".env").unlink()
    with serving(shop, {}):
        pass
    line = (shop / "deploy" / "crontab").read_text().splitlines()[1].removeprefix("0 3 * * *").replace("\\%", "%")
    subprocess.run(["/bin/sh", "-c", line], cwd="/", env={}, check=True, capture_output=True)
    [backup] = (shop / "backups").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", backup.name)
    assert trackbridge(shop, {"BRIDGE_STORE": f"sqlite:////{tmp_path}/new.db"}, "restore", str(backup)).returncode == 0
