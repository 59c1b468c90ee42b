"""The command `trackbridge`: parses the arguments, runs one command, reports an error in one line.

Each command is a file that declares its options and is imported only when the command was typed, so that
`trackbridge --help` is quick. Exit status: 0 done, 1 could not
be done, 2 wrong arguments, 70 a fault of trackbridge itself, 130 Ctrl-C. With BRIDGE_DEBUG=1 the traceback of a fault
follows, which may show what a webhook held.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Container, Sequence
from importlib import import_module
from pathlib import Path
from typing import TypeAlias, get_type_hints

from bridge import __version__
from bridge.cli import options, streams
from bridge.cli.argument_parser import VisibleParser
from bridge.cli.interrupts import keep_interrupts
from bridge.cli.terminal import say_error
from bridge.core.errors import BridgeError, SettingsError
from bridge.core.visible_text import make_visible

COMMANDS = {
    "init": ("init", "make a folder ready to serve: settings, secrets, units, proxies, container"),
    "serve": ("serve", "receive, translate and deliver"),
    "demo": ("demo", "show it working on a throw-away store, with made-up secrets"),
    "send": ("send", "sign a body as its provider would, and post it"),
    "connect": ("connect", "authorise trackbridge at a platform in a browser, and keep the refresh token"),
    "send-event": ("send_event", "send one event to a test destination, and say what its answer means"),
    "try": ("try_mapping", "print the events that one body becomes, offline"),
    "diff": ("diff", "compare what two mappings make of kept webhooks, or of bodies"),
    "check": ("check", "report every problem of mapping files"),
    "schema": ("schema", "print a JSON Schema, for editors and validators"),
    "example": ("example", "make examples, which check runs, of real webhooks"),
    "list": ("list_show", "list webhooks, events or deliveries, newest first"),
    "status": ("status", "show how everything stands; ends with 1 where a person is needed"),
    "coverage": ("coverage", "show what became of events at each destination, and what is known of their persons"),
    "verdict": ("verdict", "ask a platform what became of the requests that it took, such as Google Ads"),
    "sources": ("sources", "list the sources with address, secret, last webhook and vars"),
    "doctor": ("doctor", "look at the machine, the settings and the network; ends with 1 where a person is needed"),
    "alert": ("alert", "say where alerts go; with --test send one"),
    "console": ("console", "print a link that opens the web console, once"),
    "find": ("find", "find an order, an e-mail or an id among what is kept"),
    "metrics": ("metrics", "print a Prometheus scrape configuration for /metrics"),
    "show": ("list_show", "show one webhook, event or delivery in full"),
    "explain": ("explain", "show where each field of a kept webhook's events comes from"),
    "retry": ("retry_replay", "send deliveries again: dead ones, or waiting ones now"),
    "replay": ("retry_replay", "put webhooks through their mapping again"),
    "release": ("release", "tell duplicates as conversions of their own"),
    "resume": ("resume", "probe a paused destination at once"),
    "done": ("done", "say that a privacy request was acted on"),
    "deliver": ("retry_replay", "give kept events to a destination that was set later"),
    "migrate": ("migrate", "bring the store to this version; with --finish remove what only earlier versions need"),
    "backup": ("backup", "copy the store into a new folder, while serve runs or not"),
    "restore": ("restore", "put a backup back where BRIDGE_STORE names no store"),
    "move": ("move", "move a SQLite store to a PostgreSQL server"),
    "completion": ("completion", "print the script with which bash, zsh or fish completes commands"),
}
"""Each command in the order of the help: the file that has it as `run_<name>(options)` (`-` is `_`), its meaning."""
VERBS = {"example": {"add": "make an example of a body or a kept webhook, with invented persons in it"}}
"""The verbs of a command that has some: each is `run_<name>_<verb>(options)` in the command's file."""
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001  it has no public name
"""Where a command or a verb is added."""


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
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]  # httpx's own command: click, rich, 5 MB, 50 ms
    words = sys.argv[1:] if argv is None else argv
    command = next((word for word in words if not word.startswith("-")), "")
    typed = make_parser({command}).parse_args(words)
    try:
        Path.cwd()
    except FileNotFoundError:
        raise SettingsError("the working folder was deleted; change to one that exists") from None
    run: Callable[[argparse.Namespace], int] = typed.run
    return run(typed)


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


def make_parser(commands: Container[str]) -> argparse.ArgumentParser:
    """A parser that knows every command by its name, and the options of these commands."""
    parser: argparse.ArgumentParser = VisibleParser(
        prog="trackbridge",
        description="Keeps webhooks before it answers them, maps them to track events, delivers them upstream.",
    )
    parser.add_argument("--version", action="version", version=f"trackbridge {__version__}")
    adding = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (file, meaning) in COMMANDS.items():
        command = _add_parser(adding, name, meaning)
        if name not in commands:
            continue
        if name not in VERBS:
            _add_options(command, file, name)
            continue
        verbs = command.add_subparsers(title="verbs", metavar="VERB", required=True)
        for verb, meaning_of_verb in VERBS[name].items():
            _add_options(_add_parser(verbs, verb, meaning_of_verb), file, f"{name}_{verb}")
    return parser


def _add_parser(adding: Subparsers, name: str, meaning: str) -> argparse.ArgumentParser:
    return adding.add_parser(name, help=meaning, description=f"{meaning[0].upper()}{meaning[1:]}.")


def _add_options(parser: argparse.ArgumentParser, file: str, name: str) -> None:
    """Import a command, and let the parser take the options that its function has for its argument."""
    run: Callable[[object], int] = getattr(import_module(f"bridge.cli.{file}"), f"run_{name.replace('-', '_')}")
    kind: type[object] = get_type_hints(run)["options"]
    options.add_options(parser, kind)
    parser.set_defaults(run=lambda typed: run(options.read_options(kind, typed)))
