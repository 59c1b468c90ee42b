"""The command `trackbridge`: parses the arguments, runs one command, reports an error in one line.

Each command is a file that is imported only when it runs, so that `--help` is quick. Exit status: 0 done, 1 could not
be done, 2 wrong arguments, 70 a fault of trackbridge itself, 130 Ctrl-C. With BRIDGE_DEBUG=1 the traceback of a fault
follows, which may show what a webhook held.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn, TypeAlias

from bridge import __version__
from bridge.cli import filter_options, streams
from bridge.cli.interrupts import keep_interrupts
from bridge.cli.terminal import say_error
from bridge.core.errors import BridgeError, SettingsError
from bridge.core.visible_text import make_visible

MOST_WORKERS = 64
Command = Callable[[argparse.Namespace], int]
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  it has no public name
"""Where a command is added."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status. Raises SystemExit for what was typed wrong, and nothing else."""
    streams.prepare_streams()
    try:
        with keep_interrupts():
            try:
                return _run_command(argv)
            finally:
                sys.stdout.flush()
    except BridgeError as error:
        say_error(error)
        return 1
    except KeyboardInterrupt:
        streams.drop_output()
        return 130
    except OSError as error:
        return _report_os_error(error)
    except Exception as error:  # noqa: BLE001  no traceback reaches a user
        return _report_fault(error)
    finally:
        streams.finish_errors()


def _run_command(argv: Sequence[str] | None) -> int:
    options = _make_parser().parse_args(argv)
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # httpx's own command: click, rich, 5 MB, 50 ms
    try:
        Path.cwd()
    except FileNotFoundError:
        raise SettingsError("the working folder was deleted; change to one that exists") from None
    command: Command = getattr(import_module(f"bridge.cli.{options.module}"), f"run_{options.module}")
    return command(options)


def _report_failure(text: str) -> int:
    streams.print_error(make_visible(f"trackbridge: {text}"))
    return 1


def _report_os_error(error: OSError) -> int:
    """A reader that has gone needs no word; anything else that the system refuses is named."""
    refusal = streams.output_error()
    if refusal is not None:
        streams.drop_output()
        return (
            1
            if isinstance(refusal, BrokenPipeError)
            else _report_failure(f"cannot write the output: {refusal.strerror}")
        )
    if error.filename is None:
        return _report_fault(error)
    return _report_failure(f"{error.filename!s}: {error.strerror}")


def _report_fault(error: Exception) -> int:
    streams.print_error(f"trackbridge: a fault of trackbridge itself ({type(error).__name__}); report it")
    if os.environ.get("BRIDGE_DEBUG") == "1":
        streams.print_error(make_visible("".join(traceback.format_exception(error)), lines=True))
    return 70


class _VisibleParser(argparse.ArgumentParser):
    """Repeats what was typed only as `make_visible` has it."""

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        super().exit(status, make_visible(message, lines=True) if message else None)


def _make_parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _VisibleParser(
        prog="trackbridge",
        description="Keeps webhooks before it answers them, maps them to track events, delivers them upstream.",
    )
    parser.add_argument("--version", action="version", version=f"trackbridge {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (
        _add_serve,
        _add_demo,
        _add_send,
        _add_try,
        _add_diff,
        _add_check,
        _add_schema,
        _add_example,
        _add_list,
        _add_status,
        _add_metrics,
        _add_show,
        _add_retry,
        _add_replay,
        _add_deliver,
        _add_backup,
        _add_restore,
    ):
        add(commands)
    return parser


def _add_command(commands: Commands, name: str, module: str, meaning: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.")
    parser.set_defaults(module=module)
    return parser


def _add_serve(commands: Commands) -> None:
    parser = _add_command(commands, "serve", "serve", "receive, translate and deliver")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_read_port, default=8000, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--role", choices=("web", "worker"),
        help="start only the processes that answer requests, or only those that translate and deliver (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--web", type=_read_workers, metavar="N",
        help="processes that answer requests, beside those that translate and deliver (default: 2, on one core 1); "
        "a second one answers about 1.4 times as many webhooks on two cores",
    )  # fmt: skip
    parser.add_argument("--reload", action="store_true", help="take changed mappings by itself (SIGHUP does it, too)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (default: $BRIDGE_CONFIG)")


def _add_demo(commands: Commands) -> None:
    parser = _add_command(commands, "demo", "demo", "show it working on a throw-away store, with made-up secrets")
    parser.add_argument("--once", action="store_true", help="end when all has arrived: 0 if it did, 1 if not")


def _add_send(commands: Commands) -> None:
    parser = _add_command(commands, "send", "send", "sign a body as its provider would, and post it")
    parser.add_argument("source", metavar="SOURCE", help="a source's name; for the shipped mappings the provider's")
    parser.add_argument("file", type=Path, metavar="FILE", help="the body, sent byte for byte")
    parser.add_argument("--to", required=True, metavar="URL", help="the bridge's address, or a full URL")
    parser.add_argument("--topic", metavar="T", help="the topic, where the provider sends it in a header")
    parser.add_argument(
        "--secret", type=_from_stdin, metavar="-",
        help="read the signing secret from standard input (default: the configured one, as $STRIPE_WEBHOOK_SECRET)",
    )  # fmt: skip
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (default: $BRIDGE_CONFIG)")


def _add_try(commands: Commands) -> None:
    parser = _add_command(commands, "try", "try_mapping", "print the events that one body becomes, offline")
    parser.add_argument("provider", metavar="PROVIDER", help="a mapping's provider, or a path to a mapping file")
    parser.add_argument("file", type=Path, metavar="FILE", help="the body")
    parser.add_argument("--topic", metavar="T", help="the topic, where the provider sends it in a header")
    parser.add_argument("--header", action="append", default=[], metavar="'K: V'", help="a header; may be repeated")
    parser.add_argument("--var", action="append", default=[], metavar="K=V", help="a var; may be repeated")
    parser.add_argument(
        "--earlier", action="append", default=[], type=Path, metavar="FILE",
        help="an earlier event that `recall` may find, or a list, as `try --format json` prints them; may be repeated",
    )  # fmt: skip
    parser.add_argument("--explain", action="store_true", help="where each field comes from, or why it is absent")
    _add_format(parser)


def _add_diff(commands: Commands) -> None:
    parser = _add_command(commands, "diff", "diff", "compare what two mappings make of kept webhooks, or of bodies")
    parser.add_argument("old", metavar="OLD", help="a mapping's provider, or a path to a mapping file")
    parser.add_argument("new", metavar="NEW", help="the same")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="bodies (default: the store's webhooks)")
    parser.add_argument("--since", metavar="SPAN", help="only webhooks received within 12h, 7d, 4w …")
    parser.add_argument("--topic", metavar="T", help="the bodies' topic, where the provider sends it in a header")
    parser.add_argument("--header", action="append", default=[], metavar="'K: V'", help="a header of the bodies")
    parser.add_argument(
        "--fail-on", default="", metavar="WHAT", help="end with 1 on lost-events, changed-value, or both with a comma"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (default: $BRIDGE_CONFIG)")
    _add_format(parser)


def _add_check(commands: Commands) -> None:
    parser = _add_command(commands, "check", "check", "report every problem of mapping files")
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="files or folders (default: what serve loads)"
    )
    parser.add_argument(
        "--format", choices=("text", "json", "github"), default="text", help="for people, machines, or GitHub's checks"
    )
    parser.add_argument("--strict", action="store_true", help="take warnings for errors")
    parser.add_argument("--no-examples", action="store_true", help="leave the examples beside the mappings alone")
    parser.add_argument("--watch", action="store_true", help="check again whenever a file changes, until Ctrl-C")


def _add_schema(commands: Commands) -> None:
    parser = _add_command(commands, "schema", "schema", "print a JSON Schema, for editors and validators")
    parser.add_argument("what", choices=("mapping", "example", "event"), help="of which kind of file, or of an event")


def _add_example(commands: Commands) -> None:
    parser = _add_command(commands, "example", "example", "make examples, which check runs, of real webhooks")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    meaning = "make an example of a body or a kept webhook, with invented persons in it"
    adding = verbs.add_parser("add", help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.")
    adding.add_argument("provider", metavar="PROVIDER", help="a mapping's provider, or a path to a mapping file")
    adding.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the body")
    adding.add_argument("--from-webhook", metavar="ID", help="a kept webhook (wh_…) instead of a file")
    adding.add_argument("--topic", metavar="T", help="the topic, where the provider sends it in a header")
    adding.add_argument("--header", action="append", default=[], metavar="'K: V'", help="a header; may be repeated")
    adding.add_argument("--var", action="append", default=[], metavar="K=V", help="a var; may be repeated")
    adding.add_argument("--name", default="usual", help="what sets it apart from others (default: %(default)s)")
    adding.add_argument(
        "--to", type=Path, metavar="FOLDER", help="where to (default: examples/PROVIDER by the mapping)"
    )


def _add_list(commands: Commands) -> None:
    parser = _add_command(commands, "list", "list_show", "list webhooks, events or deliveries, newest first")
    parser.add_argument("what", choices=("webhooks", "events", "deliveries"))
    filter_options.add_filter_options(parser)
    parser.add_argument(
        "--limit", type=_read_count, metavar="N", help="at most so many (the table shows 50 unless told)"
    )
    _add_format(parser)


def _add_show(commands: Commands) -> None:
    parser = _add_command(commands, "show", "list_show", "show one webhook, event or delivery in full")
    parser.add_argument("id", metavar="ID", help="wh_…, evt_… or dlv_…, as lists show it")
    parser.set_defaults(what="one")
    _add_format(parser)


def _add_retry(commands: Commands) -> None:
    parser = _add_command(commands, "retry", "retry_replay", "send deliveries again: dead ones, or waiting ones now")
    parser.add_argument("ids", nargs="*", metavar="ID", help="deliveries (dlv_…)")
    parser.add_argument("--all-dead", action="store_true", help="every dead letter")
    filter_options.add_filter_options(parser)
    _dry_run(parser)
    parser.set_defaults(verb="retry")


def _add_replay(commands: Commands) -> None:
    parser = _add_command(commands, "replay", "retry_replay", "put webhooks through their mapping again")
    parser.add_argument("ids", nargs="*", metavar="ID", help="webhooks (wh_…)")
    parser.add_argument("--set-aside", action="store_true", help="every webhook that was set aside")
    parser.add_argument(
        "--send-again", action="store_true", help="write over events that were made, deliver them twice"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (default: $BRIDGE_CONFIG)")
    filter_options.add_filter_options(parser)
    _dry_run(parser)
    parser.set_defaults(verb="replay")


def _dry_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="say how many and which, change nothing")


def _add_status(commands: Commands) -> None:
    parser = _add_command(
        commands, "status", "status", "show how everything stands; ends with 1 where a person is needed"
    )
    parser.add_argument("--watch", action="store_true", help="keep it fresh, until Ctrl-C")
    _add_format(parser)


def _add_metrics(commands: Commands) -> None:
    parser = _add_command(commands, "metrics", "metrics", "print a Prometheus scrape configuration for /metrics")
    parser.add_argument(
        "--target",
        metavar="HOST:PORT",
        help="where Prometheus reaches the bridge (default: $BRIDGE_ADMIN, else 127.0.0.1:8000)",
    )


def _add_deliver(commands: Commands) -> None:
    parser = _add_command(commands, "deliver", "retry_replay", "give kept events to a destination that was set later")
    parser.add_argument("destination", metavar="DESTINATION", help="a configured destination's name")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (default: $BRIDGE_CONFIG)")
    parser.set_defaults(verb="deliver")


def _add_backup(commands: Commands) -> None:
    parser = _add_command(commands, "backup", "backup", "copy the store into a new folder, while serve runs or not")
    parser.add_argument("target", type=Path, metavar="TARGET", help="the folder to make; it must not exist yet")


def _add_restore(commands: Commands) -> None:
    parser = _add_command(commands, "restore", "restore", "put a backup back where BRIDGE_STORE names no store")
    parser.add_argument("source", type=Path, metavar="BACKUP", help="a folder that `trackbridge backup` made")


def _add_format(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=("text", "json"), default="text", help="for people, or for machines")


def _read_port(text: str) -> int:
    number = _read_count(text)
    if number > 65535:  # noqa: PLR2004  the last port there is
        raise argparse.ArgumentTypeError("a port is at most 65535")
    return number


def _read_workers(text: str) -> int:
    number = _read_count(text)
    if not 1 <= number <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST_WORKERS}")
    return number


def _from_stdin(text: str) -> str:
    if text != "-":
        raise argparse.ArgumentTypeError(
            "a secret in an argument is seen by other users (ps) and stays in the shell's history; "
            "set <SOURCE>_WEBHOOK_SECRET, or write `--secret -` and give it on standard input"
        )
    return text


def _read_count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("must be a whole number")
    return int(text)
