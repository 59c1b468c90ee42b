"""`trackbridge completion SHELL`: print the script with which a shell completes commands, options and files.

trackbridge completion bash > ~/.local/share/bash-completion/completions/trackbridge
trackbridge completion zsh > "${fpath[1]}/_trackbridge"
trackbridge completion fish > ~/.config/fish/completions/trackbridge.fish
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import shtab

from bridge.cli import COMMANDS, make_parser
from bridge.cli.options import argument_of, command_options
from bridge.cli.terminal import print_text


@command_options
class CompletionOptions:
    """The options of `completion`."""

    shell: Literal["bash", "zsh", "fish"] = argument_of(("bash", "zsh", "fish"), meaning="the shell")


def run_completion(options: CompletionOptions) -> int:
    """Print the script."""
    parser = make_parser(COMMANDS)
    for each in _all_parsers(parser):
        for action in each._actions:  # noqa: SLF001  argparse lists them nowhere else
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]  # how shtab is told
    print_text(shtab.complete(parser, shell=options.shell), lines=True)
    return 0


def _all_parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser and those of its commands and verbs."""
    yield parser
    for action in parser._actions:  # noqa: SLF001  as above
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  it has no public name
            for each in action.choices.values():
                yield from _all_parsers(each)
