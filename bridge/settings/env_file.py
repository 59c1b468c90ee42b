"""The environment of a command: the process's own, and the file `.env` beside the settings file in use.

What the process has wins. Nothing of `.env` becomes part of the process's own environment, so that no library and no
other program sees it, and only names that trackbridge asks for are ever looked up.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.core.model import SourceLocation
from bridge.core.regular_file import read_regular_file
from bridge.settings.table import CONFIG, SECRET_SUFFIX

ENV_FILE = ".env"
PLACEHOLDER = "REPLACE_ME"
"""What stands in a value that is still to be set."""
MOST_BYTES = 1024 * 1024
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*", re.ASCII)
_QUOTED = re.compile(r"'[^']*'|\"[^\"\\$`]*\"")
_NOT_TAKEN = frozenset({CONFIG.name, "BRIDGE_DEBUG"})
"""Names that are needed before the file is found, or however its reading ends."""


class Environment(Mapping[str, str]):
    """Values by name. `env_file` is the `.env` that was read, None if there is none.

    `has_found_config` is whether the settings file was found in the working folder, as against named.
    """

    def __init__(self, own: Mapping[str, str], config: Path | None = None) -> None:
        self.env_file: Path | None = None
        self.has_found_config = False
        self._places: dict[str, SourceLocation] = {}
        self._values = dict(own)
        named = named_config(own, config)
        if named is None and Path(CONFIG.default).is_file():
            named = _require_own_config(Path(CONFIG.default))
            self._values[CONFIG.name] = CONFIG.default
            self.has_found_config = True
        if named is not None:
            self._add_file(named.with_name(ENV_FILE), own)

    def _add_file(self, path: Path, own: Mapping[str, str]) -> None:
        content = read_env_file(path)
        if content is None:
            return
        self.env_file = path
        for name, (value, place) in content.items():
            if name in _NOT_TAKEN:
                raise SettingsError(f"{name} cannot be set in this file; set it in the environment", place=place)
            if name not in own:
                self._values[name] = value
                self._places[name] = place

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def place_of(self, name: str) -> SourceLocation | None:
        """Where `.env` has the value of this name; None for one of the process's own environment."""
        return self._places.get(name)


def named_config(environment: Mapping[str, str], config: Path | None) -> Path | None:
    """The settings file that an option or the environment names; None where neither does."""
    return config or (Path(environment[CONFIG.name]) if environment.get(CONFIG.name) else None)


def read_env_file(path: Path) -> dict[str, tuple[str, SourceLocation]] | None:
    """Each name of the file with its value and place; None where there is no file.

    Raises SettingsError for a file of another user, one that others may write, and a line that is no `NAME=VALUE`.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            return None  # `.env` may be a device: container engines hide a file so
        _require_own_file(path, status)
        text = read_regular_file(path, most=MOST_BYTES).decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path}: is not UTF-8; save it as UTF-8") from None
    found: dict[str, tuple[str, SourceLocation]] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        entry = _read_line(line, SourceLocation(str(path), number, 1))
        if entry is None:
            continue
        name, value, place = entry
        if name in found:
            raise SettingsError(f"{name} is set twice, here and in line {found[name][1].line}; keep one", place=place)
        found[name] = value, place
    return found


def write_env_value(path: Path, name: str, value: str) -> None:
    """Set one name in the file, whose other lines stay byte by byte; afterwards only its owner may read it.

    The value holds no single quote and no line break. Raises SettingsError.
    """
    path = path.resolve()
    before = read_env_file(path) or {}
    text = path.read_bytes().decode() if path.exists() else ""
    lines = text.splitlines(keepends=True)
    if name in before:
        number = before[name][1].line - 1
        lines[number] = f"{name}='{value}'{lines[number][len(lines[number].splitlines()[0]) :]}"
    else:
        missing_end = "\n" if text and text.splitlines()[-1] == lines[-1] else ""
        lines.append(f"{missing_end}{name}='{value}'\n")
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write("".join(lines).encode())
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise SettingsError(f"{path}: cannot be written: {error.strerror}") from None


def _require_own_config(path: Path) -> Path:
    """A settings file that nobody named must be this user's: it can send what the environment holds anywhere."""
    status = path.stat()
    if status.st_uid not in {os.geteuid(), 0} or status.st_mode & stat.S_IWOTH:
        raise SettingsError(
            f"{path.absolute()} is or can be another user's, so it is not read by itself; if it is meant, set "
            f"BRIDGE_CONFIG={path}, else change to another folder"
        )
    return path


def _require_own_file(path: Path, status: os.stat_result) -> None:
    user = os.geteuid()
    if status.st_uid != user:
        raise SettingsError(
            f"{path} belongs to user {status.st_uid}, and this is user {user}; run trackbridge as user "
            f"{status.st_uid}, or give the file to this one: `chown {user} {path}`"
        )
    if stat.S_IMODE(status.st_mode) & (stat.S_IWGRP | stat.S_IWOTH):
        raise SettingsError(f"other users may write {path}; `chmod 600 {path}`, and look at what it holds")


def exposed_env_file(path: Path) -> str | None:
    """That other users may read the file, and the command that takes this from them; None if none may."""
    if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH):
        return f"other users of this machine may read {path}, which holds secrets: `chmod 600 {path}`"
    return None


def warn_of_env_file(environment: Mapping[str, str]) -> Iterator[str]:
    """A warning where other users may read the secrets of `.env`."""
    if isinstance(environment, Environment) and environment.env_file is not None:
        exposed = exposed_env_file(environment.env_file)
        if exposed:
            yield exposed


def refuse_placeholders(environment: Mapping[str, str]) -> None:
    """Raise SettingsError that names the line of the first value that is still to be set."""
    for name, value in environment.items():
        place = environment.place_of(name) if isinstance(environment, Environment) else None
        ours = place is not None or name.startswith("BRIDGE_") or name.endswith(SECRET_SUFFIX)
        if ours and PLACEHOLDER in value:
            at = f"{place.path}:{place.line}: " if place else ""
            raise SettingsError(f"{at}{name} still holds {PLACEHOLDER}; put its value there, or delete the line")


def _read_line(line: str, place: SourceLocation) -> tuple[str, str, SourceLocation] | None:
    """Name, value and the value's place; None for a blank line or a comment. No message repeats what the line holds."""
    if not line.strip() or line.lstrip().startswith("#"):
        return None
    found = _LINE.fullmatch(line.strip())
    if found is None:
        raise SettingsError("is no NAME=VALUE; a comment begins with #", place=place)
    name, value = found.groups()
    if value[:1] in {"'", '"'}:
        if not _QUOTED.fullmatch(value):
            raise SettingsError(
                f"the value of {name} must end with its quote; put one with quotes, $ or \\ in single quotes",
                place=place,
            )
        return name, value[1:-1], place
    if re.search(r"\s#", value) or value.startswith("#"):
        raise SettingsError(
            f"the value of {name} holds a #; put it in single quotes, and comments on a line", place=place
        )
    return name, value, place
