"""The settings file: YAML, for several sources, destinations or keys.

Every scalar is text (`NO` is Norway), `${NAME}` reads the environment, and each mistake is reported at its line. A file
that is too large, nested too deep or full of aliases is refused while it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from bridge.core.errors import SettingsError
from bridge.core.model import SourceLocation
from bridge.core.regular_file import read_regular_file
from bridge.core.suggestions import nearest_word, suggest_or_list
from bridge.settings.table import DestinationSettings, KeySettings, Settings, SourceSettings

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
MOST_BYTES = 1 << 20
DEEPEST = 16
"""Levels of a file; the settings need six."""
MOST_ALIASES = 20


class _LimitExceeded(yaml.MarkedYAMLError):
    """A file goes beyond a limit."""


class _BoundedLoader(yaml.BaseLoader):
    """Composes a file of any text without running out of stack: PyYAML itself calls itself for each level."""

    _depth = 0
    _aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs lack its type
        self._aliases += isinstance(event, yaml.AliasEvent)
        if self._aliases > MOST_ALIASES:
            raise _LimitExceeded(
                problem=f"over {MOST_ALIASES} aliases; write the values out", problem_mark=event.start_mark
            )
        self._depth += 1
        if self._depth > DEEPEST:
            raise _LimitExceeded(problem=f"nested over {DEEPEST} deep", problem_mark=event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class SettingsFile:
    """A settings file, read with its lines so that each mistake is reported at its place."""

    SECTIONS = ("sources", "destinations", "api_keys")
    SOURCE = ("mapping", "secrets", "vars", "to", "public_url", "scope")
    KEY = ("name", "key", "rate", "scope", "to")

    def __init__(self, path: Path, environment: Mapping[str, str], rate: int) -> None:
        self.path = path
        self.environment = environment
        self.rate = rate

    def read_settings(self) -> Settings:
        """All that the file sets. Raises SettingsError with file:line:column."""
        root = self._read_root()
        sections = self._read_mapping(root, self.SECTIONS) if root is not None else {}
        sources = self._read_mapping(sections["sources"]) if "sources" in sections else {}
        destinations = self._read_mapping(sections["destinations"]) if "destinations" in sections else {}
        keys = self._read_items(sections["api_keys"]) if "api_keys" in sections else []
        return Settings(
            sources=tuple(self._read_source(name, node) for name, node in sources.items()),
            destinations=tuple(self._read_destination(name, node) for name, node in destinations.items()),
            keys=tuple(key for number, node in enumerate(keys, start=1) for key in self._read_key(number, node)),
        )

    def _read_root(self) -> yaml.Node | None:
        try:
            return yaml.compose(self._read_content(), Loader=_BoundedLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
            what = "" if isinstance(error, _LimitExceeded) else "no YAML: "
            problem = getattr(error, "problem", None) or "cannot be read"
            if "alias" in problem and what:  # it would repeat the text, which may be a secret
                problem = "a text that begins with `*` needs quotes"
            raise SettingsError(f"{self.path}{where}: {what}{problem}") from None

    def _read_content(self) -> str:
        try:
            content = read_regular_file(self.path, most=MOST_BYTES)
        except OSError as error:
            raise SettingsError(
                f"{self.path}: cannot be read: {error.strerror}; check BRIDGE_CONFIG or --config"
            ) from None
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise SettingsError(f"{self.path}: is not UTF-8; save it as UTF-8") from None

    def _read_source(self, name: str, node: yaml.Node) -> SourceSettings:
        self._resolve_name(name, node)
        fields = self._read_mapping(node, self.SOURCE)
        mapping = self._read_text(fields["mapping"]) if "mapping" in fields else name
        secrets = self._read_secrets(fields["secrets"]) if "secrets" in fields else []
        return SourceSettings(
            name=name,
            mapping=mapping,
            secrets=tuple(secret for secret, _ in secrets),
            places=tuple(place for _, place in secrets),
            vars={key: self._read_text(value) for key, value in self._read_mapping(fields["vars"]).items()}
            if "vars" in fields
            else {},
            to=self._read_texts(fields["to"]) if "to" in fields else None,
            public_url=self._read_text(fields["public_url"]) if "public_url" in fields else None,
            scope=self._read_text(fields["scope"]) if "scope" in fields else None,
        )

    def _read_destination(self, name: str, node: yaml.Node) -> DestinationSettings:
        self._resolve_name(name, node)
        fields = self._read_mapping(node)
        options = {key: self._read_text(value) for key, value in fields.items() if key != "kind"}
        return DestinationSettings(name, self._read_text(fields["kind"]) if "kind" in fields else "track", options)

    def _read_key(self, number: int, node: yaml.Node) -> Iterator[KeySettings]:
        """None where the `${NAME}` it reads is unset: /v1/track then answers 401, and the start says so."""
        if isinstance(node, yaml.ScalarNode):
            key = self._expand_names(node)
            if key is not None:
                yield KeySettings(f"file-{number}", key, self.rate, place=self._location_of(node))
            return
        fields = self._read_mapping(node, self.KEY)
        if "key" not in fields:
            raise self._problem_at(node, "an API key needs `key:`")
        key = self._expand_names(fields["key"])
        if key is None:
            return
        rate = self._read_text(fields["rate"]) if "rate" in fields else str(self.rate)
        if not re.fullmatch(r"[0-9]{1,9}", rate):
            raise self._problem_at(fields["rate"], "`rate` must be a whole number of requests a minute, 0 for no limit")
        name = self._read_text(fields["name"]) if "name" in fields else f"file-{number}"
        self._resolve_name(name, node)
        scope = self._read_text(fields["scope"]) if "scope" in fields else None
        to = self._read_texts(fields["to"]) if "to" in fields else None
        yield KeySettings(name, key, int(rate), scope, to, self._location_of(fields["key"]))

    def _read_secrets(self, node: yaml.Node) -> list[tuple[str, SourceLocation]]:
        nodes = self._read_items(node) if isinstance(node, yaml.SequenceNode) else [node]
        return [(secret, self._location_of(item)) for item in nodes if (secret := self._expand_names(item)) is not None]

    # -- one node at a time

    def _read_mapping(self, node: yaml.Node, known: Sequence[str] | None = None) -> dict[str, yaml.Node]:
        if isinstance(node, yaml.ScalarNode) and node.value in {"", "~", "null"}:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise self._problem_at(node, "must be `name: value` lines")
        fields: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._problem_at(key_node, "a key must be text")
            key = str(key_node.value)
            if key in fields:
                raise self._problem_at(key_node, f"`{key}` stands twice; keep one")
            if known is not None and key not in known:
                what = f"unknown key `{key}`" if nearest_word(key, known) else "unknown key"  # else it may be a secret
                raise self._problem_at(key_node, f"{what}; {suggest_or_list(key, known)}")
            fields[key] = value
        return fields

    def _read_items(self, node: yaml.Node) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            raise self._problem_at(node, "must be a list: `[one, two]`")
        return list(node.value)

    def _read_texts(self, node: yaml.Node) -> tuple[str, ...]:
        return tuple(self._read_text(item) for item in self._read_items(node))

    def _read_text(self, node: yaml.Node) -> str:
        text = self._expand_names(node)
        if text is None:
            names = ", ".join(_REFERENCE.findall(node.value))
            raise self._problem_at(node, f"{names} is not set in the environment; set it, or write the value here")
        return text

    def _expand_names(self, node: yaml.Node) -> str | None:
        """The text of a scalar with each `${NAME}` read from the environment; None where one is unset."""
        if not isinstance(node, yaml.ScalarNode):
            raise self._problem_at(node, "must be one value")
        names = _REFERENCE.findall(node.value)
        if any(name not in self.environment for name in names):
            return None
        text = _REFERENCE.sub(lambda match: self.environment[match[1]], node.value)
        if not text.strip():
            what = f"{', '.join(names)} is set but blank" if names else "is blank"
            raise self._problem_at(node, f"{what}; give it a value or take it out")
        return text

    def _resolve_name(self, name: str, node: yaml.Node) -> None:
        if not _NAME.fullmatch(name):
            raise self._problem_at(node, "a name is 1 to 64 letters, digits, `.`, `_` or `-`")

    def _location_of(self, node: yaml.Node) -> SourceLocation:
        return SourceLocation(str(self.path), node.start_mark.line + 1, node.start_mark.column + 1)

    def _problem_at(self, node: yaml.Node, text: str) -> SettingsError:
        return SettingsError(f"{self._location_of(node)}: {text}")
