"""`trackbridge metrics`: print the scrape configuration that Prometheus needs.

It prints no key, only the name of the file that holds it.
"""

from __future__ import annotations

from bridge import settings
from bridge.cli.environment import read_environment
from bridge.cli.options import command_options, option
from bridge.cli.terminal import print_text
from bridge.http.health import is_loopback
from bridge.http.metrics_key import key_file
from bridge.settings.addresses import read_addresses
from bridge.settings.table import ADMIN, METRICS_KEY
from bridge.store.engines import beside_store

FILE_OF_YOURS = "/etc/prometheus/trackbridge-metrics-key"
"""What is for a file that the operator makes, where a setting gives the key."""


@command_options
class MetricsOptions:
    """The options of `metrics`."""

    target: str | None = option(
        str,
        "HOST:PORT",
        meaning="where Prometheus reaches the bridge (default: $BRIDGE_ADMIN, else $BRIDGE_HOST:$BRIDGE_PORT)",
    )


def run_metrics(options: MetricsOptions) -> int:
    """Print a scrape configuration: https://prometheus.io/docs/prometheus/latest/configuration/configuration/."""
    environment = read_environment()
    admin, at = ADMIN.read(environment), read_addresses(environment)
    target = options.target or (_join_host_port(*admin) if admin else _join_host_port(at.host, at.port))
    lines = ["scrape_configs:", "  - job_name: trackbridge"]
    if at.prefix and not admin:
        lines.append(f"    metrics_path: {at.prefix}/metrics")
    if not (admin and is_loopback(admin[0]) and target == _join_host_port(*admin)):
        lines.append(f"    authorization: {{credentials_file: {_key_file()}}}")
    lines.append(f'    static_configs: [{{targets: ["{target}"]}}]')
    print_text("\n".join(lines), lines=True)
    return 0


def _key_file() -> str:
    """The file with the key; says on standard error what is still to be done for it."""
    if METRICS_KEY.read(read_environment()) is not None:
        print_text(f"trackbridge: write the key of BRIDGE_METRICS_KEY itself to {FILE_OF_YOURS}, mode 0600", error=True)
        return FILE_OF_YOURS
    path = key_file(beside_store(settings.store_url(read_environment()))).absolute()
    if not path.exists():
        print_text(f"trackbridge: {path} is made by the first `trackbridge serve`", error=True)
    else:
        print_text(f"trackbridge: Prometheus must be able to read {path}, or a copy of it", error=True)
    return str(path)


def _join_host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
