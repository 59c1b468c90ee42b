"""`trackbridge alert --test`: send one message to where alerts go, and say whether it was taken."""

from __future__ import annotations

import asyncio
import socket

from bridge.cli.environment import read_environment
from bridge.cli.options import command_options, flag_option
from bridge.cli.terminal import print_text
from bridge.core.errors import AlertFailed, SettingsError
from bridge.pipeline.alert_channels import AlertChannel, make_channels
from bridge.settings.alerts import read_alerts

TITLE = "trackbridge on {host}: this is a test of alerts"
LINES = ("Nothing is wrong. An alert comes when something needs you, and when that is over.",)


@command_options
class AlertOptions:
    """The options of `alert`."""

    test: bool = flag_option("send a message to each")


def run_alert(options: AlertOptions) -> int:
    """Name where alerts go, and test it; 1 where a message was not taken."""
    channels = make_channels(read_alerts(read_environment()))
    if not channels:
        raise SettingsError("alerts go nowhere; set BRIDGE_ALERT_URL, or BRIDGE_ALERT_EMAIL and BRIDGE_SMTP_SERVER")
    if not options.test:
        print_text(f"alerts go to {' and '.join(one.name for one in channels)}; `trackbridge alert --test` sends one")
        return 0
    results = asyncio.run(_test_all(channels))
    return 0 if all(results) else 1


async def _test_all(channels: tuple[AlertChannel, ...]) -> list[bool]:
    return [await _test_channel(one) for one in channels]


async def _test_channel(channel: AlertChannel) -> bool:
    try:
        await channel.send_alert(TITLE.format(host=socket.gethostname()), LINES)
    except AlertFailed as error:
        print_text(str(error), error=True)
        return False
    print_text(f"{channel.name}: taken")
    return True
