"""`trackbridge doctor`: look at everything around the bridge that it depends on, and say what is wrong, a line each.

It looks at the machine, the settings and what is reachable; `trackbridge status` says how the work itself goes. Exit
status 1 where a person is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from bridge.app import utc_now
from bridge.cli import machine_checks, network_checks
from bridge.cli.environment import read_environment
from bridge.cli.list_show import write_json
from bridge.cli.machine_checks import CheckResult
from bridge.cli.options import command_options, config_option, format_option
from bridge.cli.terminal import print_text
from bridge.core.errors import BridgeError
from bridge.mapping import BrokenMapping
from bridge.pipeline.alert_channels import make_channels
from bridge.settings import Settings, secret_strength
from bridge.settings.env_file import Environment, exposed_env_file
from bridge.settings.load import load_configuration
from bridge.settings.sources import LoadedMapping


@command_options
class DoctorOptions:
    """The options of `doctor`."""

    config: Path | None = config_option()
    format: Literal["text", "json"] = format_option()


def run_doctor(options: DoctorOptions) -> int:
    """Print each result as it is found, what is well too; 1 where a person is needed."""
    found = []
    for one in check_everything(options.config):
        found.append(one)
        if options.format == "text":
            print_text(f"{_MARKS[one.state]:<5}  {one.name:<12}  {one.text}")
    wrong = sum(one.state == "wrong" for one in found)
    if options.format == "json":
        write_json([{"name": one.name, "state": one.state, "text": one.text} for one in found])
    else:
        print_text(f"\n{wrong} of {len(found)} need you" if wrong else "\nnothing needs you", lines=True)
    return 1 if wrong else 0


_MARKS = {"ok": "ok", "note": "note", "wrong": "WRONG"}


def check_everything(config: Path | None) -> Iterator[CheckResult]:
    """Every check. Those that need the settings are left out where these cannot be read, which is said."""
    yield from machine_checks.check_python()
    yield from machine_checks.check_open_files()
    try:
        environment = read_environment(config)
    except BridgeError as error:
        yield CheckResult("settings", "wrong", str(error))
        return
    yield from check_env_file(environment)
    try:
        configured, mappings = load_configuration(environment, config, tell=False)
    except BridgeError as error:
        yield CheckResult("settings", "wrong", str(error))
        return
    yield from _check_settings(configured, mappings)
    yield from machine_checks.check_store_files(configured.store)
    yield from machine_checks.check_disk(configured.store, least=configured.bounds.min_free)
    yield from network_checks.check_destinations(configured, now=utc_now)
    yield from network_checks.check_public_address(configured, environment)
    yield from _check_alerts(configured)


def check_env_file(environment: Environment) -> Iterator[CheckResult]:
    """Whether others may read the secrets."""
    if environment.env_file is not None:
        exposed = exposed_env_file(environment.env_file)
        if exposed:
            yield CheckResult("permissions", "wrong", exposed)
        else:
            yield CheckResult("permissions", "ok", f"{environment.env_file} is for its owner alone")


def _check_settings(configured: Settings, mappings: dict[str, LoadedMapping]) -> Iterator[CheckResult]:
    broken = [one for one in mappings.values() if isinstance(one, BrokenMapping)]
    yield from (CheckResult("mappings", "wrong", str(problem)) for one in broken for problem in one.problems)
    sound = sorted(mappings.keys() - {one.provider for one in broken})
    yield CheckResult("mappings", "ok", f"{len(sound)} without a mistake: {', '.join(sound)}")
    problems = [problem.text for problem in secret_strength.strength_problems(configured, mappings)]
    yield from (CheckResult("settings", "wrong", text) for text in problems)
    yield from (CheckResult("settings", "note", text) for text in configured.warnings if "`chmod" not in text)
    if not any(one.secrets for one in configured.sources):
        text = "no source has a secret, so no webhook is taken; set one, such as STRIPE_WEBHOOK_SECRET"
        yield CheckResult("settings", "wrong", text)
    elif not problems:
        yield CheckResult("settings", "ok", _count_settings(configured))


def _check_alerts(configured: Settings) -> Iterator[CheckResult]:
    names = [one.name for one in make_channels(configured.alerts)]
    if names:
        yield CheckResult("alerts", "ok", f"go to {' and '.join(names)}; `trackbridge alert --test` sends one")
    else:
        text = "go nowhere; set BRIDGE_ALERT_URL or BRIDGE_ALERT_EMAIL to be told when something needs you"
        yield CheckResult("alerts", "note", text)


def _count_settings(configured: Settings) -> str:
    with_secret = sorted(one.name for one in configured.sources if one.secrets)
    names = sorted(one.name for one in configured.destinations)
    return f"sources with a secret: {', '.join(with_secret)}; destinations: {', '.join(names) or 'none'}"
