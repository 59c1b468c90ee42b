"""`trackbridge init`: make a folder in which `trackbridge serve` can be typed, with all that runs it for good.

The files are those of `bridge/deploy/`, with this folder, this program and this user written into them. No file that is
there is changed.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import bridge
from bridge.cli.options import command_options, optional_argument
from bridge.cli.terminal import print_text
from bridge.core.errors import SettingsError

TEMPLATES = Path(bridge.__file__).parent / "deploy"
FOLDER, USER = "/srv/trackbridge", "trackbridge"
"""What the templates have for the folder and for the user that runs trackbridge there."""
FILES = (
    ("env", ".env", "secrets: put in the values where it says REPLACE_ME"),
    ("bridge.yaml", "bridge.yaml", "several sources, destinations or keys; may stay as it is"),
    ("trackbridge.service", "deploy/trackbridge.service", "unit for systemd"),
    ("Caddyfile", "deploy/Caddyfile", "TLS proxy: Caddy"),
    ("nginx.conf", "deploy/nginx.conf", "TLS proxy: nginx"),
    ("crontab", "deploy/crontab", "a backup each night"),
    ("Containerfile", "Containerfile", "container instead of the unit"),
    ("compose.yaml", "compose.yaml", "container, with its store and settings"),
    ("dockerignore", ".dockerignore", "keeps secrets and the store out of the container's image"),
    ("gitignore", ".gitignore", "keeps secrets and the store out of git"),
)
"""Each template, the file that it becomes, and what that is for."""
_PLAIN = re.compile(r"[A-Za-z0-9/._+@-]+")


@command_options
class InitOptions:
    """The options of `init`."""

    folder: Path | None = optional_argument(Path, "FOLDER", meaning="the folder to make ready (default: this one)")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the files must know: the folder, the program `trackbridge`, and the user that runs it; each absolute."""

    folder: str
    program: str
    user: str


def run_init(options: InitOptions) -> int:
    """Make what is not there, and say what was made and what comes next."""
    folder = (options.folder or Path()).absolute()
    known = Surroundings(_require_plain(str(folder)), _require_plain(find_program()), _user_name())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "deploy").mkdir(exist_ok=True)
        for template, name, meaning in FILES:
            made = write_new_file(folder / name, fill_template(template, known), secret=name == ".env")
            print_text(f"{'made' if made else 'kept'}  {name:<26}  {meaning if made else 'it was there already'}")
    except OSError as error:
        raise SettingsError(f"{error.filename}: cannot be made: {error.strerror}") from None
    _say_what_is_next(options.folder, known)
    return 0


def fill_template(name: str, known: Surroundings) -> str:
    """A file of `bridge/deploy/` for these surroundings, with a new API key where one belongs."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    text = text.replace("A_NEW_KEY", secrets.token_hex(24))
    text = text.replace(f"{FOLDER}/.venv/bin/trackbridge", known.program)
    text = text.replace(" .venv/bin/trackbridge", f" {known.program}")
    return text.replace(FOLDER, known.folder).replace(f"User={USER}\n", f"User={known.user}\n")


def write_new_file(path: Path, text: str, *, secret: bool) -> bool:
    """Write a file that does not exist, whole or not at all; False where one does. Only its owner may read a secret.

    Raises OSError.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        os.fchmod(file.fileno(), 0o600 if secret else 0o644)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def find_program() -> str:
    """The path of this `trackbridge`; where it has none, what the templates have."""
    beside = Path(sys.executable).with_name("trackbridge")
    return str(beside) if beside.exists() else shutil.which("trackbridge") or f"{FOLDER}/.venv/bin/trackbridge"


def _user_name() -> str:
    """Who runs this; for root a user of its own, since nothing of trackbridge needs root."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() else USER
    except KeyError:
        return USER


def _require_plain(path: str) -> str:
    if not _PLAIN.fullmatch(path):
        raise SettingsError(
            f"{path}: units and cron cannot have this path as it is; use one of letters, digits and / . _ + @ -"
        )
    return path


def _say_what_is_next(folder: Path | None, known: Surroundings) -> None:
    if not os.geteuid():
        print_text(
            f"\nYou are root, and nothing of trackbridge needs that. Give the folder to a user of its own: "
            f"`useradd --system --home-dir {known.folder} {USER}; chown -R {USER}: {known.folder}`.",
            lines=True,
        )
    into = f"cd {folder} and " if folder else ""
    print_text(
        f"\nNext: {into}put the secrets into .env, then type `trackbridge serve`. The guide for all the rest is "
        "GO_LIVE.md in the folder .github of trackbridge.",
        lines=True,
    )
