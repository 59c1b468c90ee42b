"""The settings file: YAML, for several sources, destinations or keys.

Every scalar is text (`NO` is Norway), `${NAME}` reads the environment, and each mistake is reported at its line. A file
that is too large, nested too deep or full of aliases is refused while it is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bridge.core.errors import SettingsError
from bridge.core.model import SourceLocation
from bridge.core.regular_file import read_regular_file
from bridge.core.suggestions import nearest_word, suggest_or_list
from bridge.settings.model import DestinationSettings, KeySettings, Settings, SourceSettings
from bridge.yaml.document import MOST_BYTES, MappingNode, Node, Scalar, SequenceNode, read_document
from bridge.yaml.problems import Problems

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


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

    def _read_root(self) -> Node | None:
        problems, name = Problems(), str(self.path)
        root = read_document(self._read_content(), name=name, problems=problems, texts_only=True, may_be_empty=True)
        for problem in problems.errors:
            raise SettingsError(problem.text, place=problem.place)
        return root

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

    def _read_source(self, name: str, node: Node) -> SourceSettings:
        self._resolve_name(name, node)
        fields = self._read_mapping(node, self.SOURCE)
        mapping = self._read_text(fields["mapping"]) if "mapping" in fields else name
        secrets = self._read_secrets(fields["secrets"]) if "secrets" in fields else []
        given = self._read_mapping(fields["vars"]) if "vars" in fields else {}
        return SourceSettings(
            name=name,
            mapping=mapping,
            secrets=tuple(secret for secret, _ in secrets),
            places=tuple(place for _, place in secrets),
            vars={key: self._read_text(value) for key, value in given.items()},
            var_places={key: value.place for key, value in given.items() if isinstance(value, Scalar)},
            to=self._read_texts(fields["to"]) if "to" in fields else None,
            public_url=self._read_text(fields["public_url"]) if "public_url" in fields else None,
            scope=self._read_text(fields["scope"]) if "scope" in fields else None,
        )

    def _read_destination(self, name: str, node: Node) -> DestinationSettings:
        self._resolve_name(name, node)
        fields = self._read_mapping(node)
        options = {key: self._read_option(value) for key, value in fields.items() if key != "kind"}
        kind = self._read_text(fields["kind"]) if "kind" in fields else "track"
        return DestinationSettings(name, kind, options, node.place)

    def _read_option(self, node: Node) -> str | dict[str, str | None]:
        """One value, or a table of values, some of them nothing: `{purchase: Purchase, lead: null}`."""
        if not isinstance(node, MappingNode):
            return self._read_text(node)
        return {
            key: None if isinstance(value, Scalar) and _is_null(value) else self._read_text(value)
            for key, value in self._read_mapping(node).items()
        }

    def _read_key(self, number: int, node: Node) -> Iterator[KeySettings]:
        """None where the `${NAME}` it reads is unset: /v1/track then answers 401, and the start says so."""
        if isinstance(node, Scalar):
            key = self._expand_names(node)
            if key is not None:
                yield KeySettings(f"file-{number}", key, self.rate, place=node.place)
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
        yield KeySettings(name, key, int(rate), scope, to, fields["key"].place)

    def _read_secrets(self, node: Node) -> list[tuple[str, SourceLocation]]:
        nodes = self._read_items(node) if isinstance(node, SequenceNode) else [node]
        return [(secret, item.place) for item in nodes if (secret := self._expand_names(item)) is not None]

    # -- one node at a time

    def _read_mapping(self, node: Node, known: Sequence[str] | None = None) -> dict[str, Node]:
        if isinstance(node, Scalar) and _is_null(node):
            return {}
        if not isinstance(node, MappingNode):
            raise self._problem_at(node, "must be `name: value` lines")
        for key, entry in node.entries.items():
            if known is not None and key not in known:
                what = f"unknown key `{key}`" if nearest_word(key, known) else "unknown key"  # else it may be a secret
                raise self._problem_at(entry.key, f"{what}; {suggest_or_list(key, known)}")
        return {key: entry.value for key, entry in node.entries.items()}

    def _read_items(self, node: Node) -> list[Node]:
        if not isinstance(node, SequenceNode):
            raise self._problem_at(node, "must be a list: `[one, two]`")
        return list(node.items)

    def _read_texts(self, node: Node) -> tuple[str, ...]:
        return tuple(self._read_text(item) for item in self._read_items(node))

    def _read_text(self, node: Node) -> str:
        text = self._expand_names(node)
        if text is None:
            names = ", ".join(_REFERENCE.findall(self._read_scalar(node).text))
            raise self._problem_at(node, f"{names} is not set in the environment; set it, or write the value here")
        return text

    def _expand_names(self, node: Node) -> str | None:
        """The text of a scalar with each `${NAME}` read from the environment; None where one is unset."""
        scalar = self._read_scalar(node)
        names = _REFERENCE.findall(scalar.text)
        if any(name not in self.environment for name in names):
            return None
        text = _REFERENCE.sub(lambda match: self.environment[match[1]], scalar.text)
        if not text.strip():
            what = f"{', '.join(names)} is set but blank" if names else "is blank"
            raise self._problem_at(node, f"{what}; give it a value or take it out")
        return text

    def _read_scalar(self, node: Node) -> Scalar:
        if not isinstance(node, Scalar):
            raise self._problem_at(node, "must be one value")
        return node

    def _resolve_name(self, name: str, node: Node) -> None:
        if not _NAME.fullmatch(name):
            raise self._problem_at(node, "a name is 1 to 64 letters, digits, `.`, `_` or `-`")

    def _problem_at(self, node: Node, text: str) -> SettingsError:
        return SettingsError(text, place=node.place)


def _is_null(scalar: Scalar) -> bool:
    return scalar.style == "" and scalar.text in {"", "~", "null"}
