"""The parts of a destination file, as the compiler takes them, with a problem for each mistake.

Unknown keys, wrong kinds of values and missing parts are found here; `compiler` checks expressions, `lint` their sense.
"""

from __future__ import annotations

import re
from datetime import timedelta

from bridge.core.instants import parse_length
from bridge.core.suggestions import suggest_or_list
from bridge.destinations.language.parts import (
    AnswerDefinition,
    AuthDefinition,
    EachDefinition,
    FollowsRule,
    PathUse,
    PlatformDefinition,
    PlatformLimits,
    PlatformOption,
    RequestDefinition,
    SendRule,
    SkipRule,
    VerdictDefinition,
)
from bridge.destinations.language.words import (
    ANSWER_KEYS,
    AUTH_KINDS,
    EACH_KEYS,
    EVENT_ROOTS,
    FOLLOWED_BY,
    FOLLOWS_KEYS,
    FORMATS,
    KEYS,
    LIMIT_KEYS,
    METHODS,
    OPTIONS,
    OUTCOMES,
    PURPOSES,
    REFUSED_KEYS,
    REQUEST_KEYS,
    RESTS,
    SEND_KEYS,
    VERDICT_KEYS,
    VERSION,
)
from bridge.mapping.language import NAME
from bridge.mapping.object_reader import ObjectReader
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

_KIND = re.compile(r"[a-z][a-z0-9_]*")
_BYTES = re.compile(r"([0-9]{1,9}) ?(B|KiB|MiB)?")
_UNITS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20}
_METHOD_DEFAULT = "POST"
MOST_EVENTS = 10_000


def read_platform_definition(root: Node, problems: Problems) -> PlatformDefinition:
    """The parts of a document."""
    return _PlatformReader(problems).read_root(root)


class _PlatformReader:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._parts = PlatformDefinition()

    def read_root(self, root: Node) -> PlatformDefinition:
        reader = ObjectReader.read_object(root, KEYS, self._problems, what="a destination")
        parts = self._parts
        parts.place = root.place
        self._read_head(reader)
        parts.vars = self._read_options(reader, "vars", ("needed", "default", "allowed", "help"))
        parts.secrets = self._read_options(reader, "secrets", ("needed", "help"))
        self._refuse_taken_names()
        parts.events = self._read_events(reader)
        parts.follows = self._read_follows(reader)
        parts.limits = self._read_limits(reader)
        self._read_lets(reader)
        parts.skips = [skip for node in reader.read_items("skip") if (skip := self._read_skip(node)) is not None]
        sends = [self._read_send(node) for node in reader.read_items("send", needed=True)]
        parts.sends = [send for send in sends if send is not None]
        request = reader.read_node("request", needed=True)
        parts.request = None if request is None else self._read_request(request)
        answers = [self._read_answer(node) for node in reader.read_items("answers")]
        parts.answers = [answer for answer in answers if answer is not None]
        verdict = reader.read_node("verdict")
        parts.verdict = None if verdict is None else self._read_verdict(verdict)
        return parts

    def _read_head(self, reader: ObjectReader) -> None:
        version = reader.read_scalar("destination", needed=True)
        if version is not None and version.value != VERSION:
            self._problems.add_error(
                version.place, f"this is version {VERSION} of the language: write `destination: {VERSION}`"
            )
        kind = reader.read_scalar("kind", needed=True)
        if kind is not None and (not _KIND.fullmatch(kind.text) or kind.text == "track"):
            text = "kind must be of a-z, 0-9 and `_`, begin with a letter, and not be `track`, which is built in"
            self._problems.add_error(kind.place, text)
        self._parts.kind = kind.text if kind is not None else ""
        self._parts.title = reader.read_text("title") or self._parts.kind
        self._parts.purpose = self._read_word(reader, "purpose", PURPOSES, needed=True) or ""

    def _read_word(self, reader: ObjectReader, key: str, words: tuple[str, ...], *, needed: bool = False) -> str | None:
        scalar = reader.read_scalar(key, needed=needed)
        if scalar is not None and scalar.text not in words:
            self._problems.add_error(scalar.place, f"`{key}` must be one of {', '.join(words)}")
            return None
        return scalar.text if scalar is not None else None

    # -------------------------------------------------------------------------------- what an operator sets

    def _read_options(self, reader: ObjectReader, section: str, keys: tuple[str, ...]) -> dict[str, PlatformOption]:
        options: dict[str, PlatformOption] = {}
        for name, (key, node) in reader.read_entries(section).items():
            if not NAME.fullmatch(name):
                self._problems.add_error(key.place, "a name must be of letters, digits and `_`")
            options[name] = self._read_option(name, key, node, keys, what=section.removesuffix("s"))
        return options

    def _read_option(self, name: str, key: Scalar, node: Node, keys: tuple[str, ...], *, what: str) -> PlatformOption:
        below = ObjectReader.read_object(node, keys, self._problems, what=f"the {what} {name}")
        needed, default = below.read_scalar("needed"), below.read_scalar("default")
        allowed = tuple(item.text for item in below.read_scalars("allowed"))
        if needed is not None and not isinstance(needed.value, bool):
            self._problems.add_error(needed.place, "needed must be true or false")
        if default is not None and needed is not None and needed.value is True:
            self._problems.add_error(default.place, "what is needed has no default; keep one of the two")
        if default is not None and allowed and default.text not in allowed:
            self._problems.add_error(default.place, f"the default must be one of {', '.join(allowed)}")
        return PlatformOption(
            name,
            key.place,
            needed=needed is not None and needed.value is True,
            default=None if default is None else default.text,
            allowed=allowed,
            help=below.read_text("help") or "",
        )

    def _refuse_taken_names(self) -> None:
        for option in (*self._parts.vars.values(), *self._parts.secrets.values()):
            if option.name in OPTIONS and option.name != "url":
                self._problems.add_error(option.place, f"`{option.name}` is an option of every destination")
        for name in self._parts.vars.keys() & self._parts.secrets.keys():
            self._problems.add_error(self._parts.secrets[name].place, f"`{name}` is a var, too; keep one of the two")

    def _read_events(self, reader: ObjectReader) -> dict[str, str | None]:
        reader.read_node("events", needed=True)
        events: dict[str, str | None] = {}
        for name, (_, node) in reader.read_entries("events").items():
            if isinstance(node, Scalar) and node.value is None:
                events[name] = None
            elif isinstance(node, Scalar) and (node.text == "=" or (node.text and not node.is_expression)):
                events[name] = node.text
            else:
                self._problems.add_error(
                    node.place, "must be the platform's name of the event, `=` for the same name, or null for none"
                )
        return events

    def _read_follows(self, reader: ObjectReader) -> dict[str, FollowsRule]:
        follows: dict[str, FollowsRule] = {}
        for name, (key, node) in reader.read_entries("follows").items():
            below = ObjectReader.read_object(node, FOLLOWS_KEYS, self._problems, what=f"follows of {name}")
            types = tuple(scalar.text for scalar in below.read_scalars("event_type", needed=True))
            by = below.read_scalar("by", needed=True)
            if by is not None and by.text != FOLLOWED_BY:
                told = f"`by` must be {FOLLOWED_BY}: the store finds the event that is followed by its order"
                self._problems.add_error(by.place, told)
            follows[name] = FollowsRule(key.place, types)
        return follows

    # ---------------------------------------------------------------------------------------------- limits

    def _read_limits(self, reader: ObjectReader) -> PlatformLimits:
        node = reader.read_node("limits")
        if node is None:
            return PlatformLimits()
        below = ObjectReader.read_object(node, LIMIT_KEYS, self._problems, what="limits")
        return PlatformLimits(
            events=self._read_count(below, "events", least=1, most=MOST_EVENTS) or 1,
            bytes=self._read_bytes(below),
            oldest=self._read_age(below, "oldest"),
            ahead=self._read_age(below, "ahead"),
            rate=self._read_count(below, "rate", least=1, most=1_000_000) or 0,
            together=below.read_expression("together"),
        )

    def _read_count(self, reader: ObjectReader, key: str, *, least: int, most: int) -> int | None:
        scalar = reader.read_scalar(key)
        if scalar is None:
            return None
        value = scalar.value
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self._problems.add_error(scalar.place, f"{key} must be a whole number from {least} to {most}")
            return None
        return value

    def _read_bytes(self, reader: ObjectReader) -> int | None:
        scalar = reader.read_scalar("bytes")
        if scalar is None:
            return None
        found = _BYTES.fullmatch(scalar.text)
        if found is None:
            self._problems.add_error(scalar.place, "bytes must be a number, or one with KiB or MiB, such as 475KiB")
            return None
        return int(found[1]) * _UNITS[found[2]]

    def _read_age(self, reader: ObjectReader, key: str) -> timedelta | None:
        scalar = reader.read_scalar(key)
        if scalar is None:
            return None
        length = parse_length(scalar.text)
        if length is None:
            self._problems.add_error(scalar.place, f"{key} must be a length of time such as 5m, 72h or 7d")
        return length

    # ------------------------------------------------------------------------------------------- let, skip, send

    def _read_lets(self, reader: ObjectReader) -> None:
        for name, (key, node) in reader.read_entries("let").items():
            if not NAME.fullmatch(name):
                self._problems.add_error(key.place, "a name must be of letters, digits and `_`")
            elif name in EVENT_ROOTS:
                self._problems.add_error(key.place, f"the name '{name}' is taken by a root")
            self._parts.lets[name] = (key, node)

    def _read_skip(self, node: Node) -> SkipRule | None:
        reader = ObjectReader.read_object(node, ("when", "reason"), self._problems, what="an entry of skip")
        when, reason = reader.read_expression("when", needed=True), reader.read_text("reason", needed=True)
        return SkipRule(when, reason) if when is not None and reason is not None else None

    def _read_send(self, node: Node) -> SendRule | None:
        reader = ObjectReader.read_object(node, SEND_KEYS, self._problems, what="an entry of send")
        item = reader.read_node("item", needed=True)
        types = tuple(scalar.text for scalar in reader.read_scalars("event_type")) or None
        when = reader.read_expression("when")
        identify = tuple(self._read_group(each) for each in reader.read_items("identify"))
        require = tuple(_path_of(scalar) for scalar in reader.read_scalars("require"))
        if item is None:
            return None
        if not isinstance(item, MappingNode) or "for_each" in item.entries:
            self._problems.add_error(item.place, "item must be one object")
            return None
        return SendRule(node.place, types, when, identify, require, item)

    def _read_group(self, node: Node) -> tuple[PathUse, ...]:
        items = node.items if isinstance(node, SequenceNode) else (node,)
        group = []
        for item in items:
            if isinstance(item, Scalar) and item.text and not item.is_expression:
                group.append(_path_of(item))
            else:
                self._problems.add_error(
                    item.place, "must be a path of the item, such as user.email, or a list of some"
                )
        return tuple(group)

    # ------------------------------------------------------------------------------------------------ request

    def _read_request(self, node: Node) -> RequestDefinition | None:
        reader = ObjectReader.read_object(node, REQUEST_KEYS, self._problems, what="request")
        url, headers, auth = (
            reader.read_scalar("url", needed=True),
            reader.read_node("headers"),
            reader.read_node("auth"),
        )
        if headers is not None and (not isinstance(headers, MappingNode) or "for_each" in headers.entries):
            self._problems.add_error(headers.place, "headers must be an object of names and values")
            headers = None
        method = self._read_word(reader, "method", METHODS) or _METHOD_DEFAULT
        kind = self._read_word(reader, "format", FORMATS) or "json"
        body = reader.read_node("body", needed=True)
        if url is None:
            return None
        return RequestDefinition(
            node.place, url, method, headers, None if auth is None else self._read_auth(auth), body, kind
        )

    def _read_auth(self, node: Node) -> AuthDefinition | None:
        if not isinstance(node, MappingNode):
            self._problems.add_error(node.place, "auth must be an object with `kind`")
            return None
        kind = node.get_value("kind")
        if not isinstance(kind, Scalar) or kind.text not in AUTH_KINDS:
            text = kind.text if isinstance(kind, Scalar) else ""
            place = node.place if kind is None else kind.place
            self._problems.add_error(place, f"auth.kind names no kind; {suggest_or_list(text, AUTH_KINDS)}")
            return None
        needs, may = AUTH_KINDS[kind.text]
        below = ObjectReader.read_object(node, ("kind", *needs, *may), self._problems, what=f"auth of kind {kind.text}")
        for key in needs:
            below.read_scalar(key, needed=True)
        entries = {key: entry for key, entry in node.entries.items() if key in {*needs, *may}}
        return AuthDefinition(kind.text, node.place, MappingNode(node.place, entries))

    # ------------------------------------------------------------------------------------------------ answers

    def _read_answer(self, node: Node) -> AnswerDefinition | None:
        reader = ObjectReader.read_object(node, ANSWER_KEYS, self._problems, what="an answer")
        outcome, each = self._read_outcome(reader), reader.read_node("each")
        rest = self._read_word(reader, "rest", RESTS)
        if outcome is None and each is None:
            if reader.read_node("is") is None:
                self._problems.add_error(node.place, "an answer needs `is` or `each`: it says nothing")
            return None
        if outcome is not None and each is not None:
            self._problems.add_error(node.place, "an answer has `is` for the whole request or `each` for its items")
        if rest is not None and each is None:
            self._problems.add_error(node.place, "`rest` stands beside `each`")
        read = None if each is None else self._read_each(each)
        return AnswerDefinition(
            node.place,
            reader.read_expression("when"),
            outcome,
            reader.read_scalar("reason"),
            reader.read_scalar("after"),
            reader.read_scalar("note"),
            read,
            rest or "retry",
        )

    def _read_outcome(self, reader: ObjectReader) -> Scalar | None:
        scalar = reader.read_scalar("is")
        if scalar is not None and not scalar.is_expression and scalar.text not in OUTCOMES:
            self._problems.add_error(scalar.place, f"`is` must be one of {', '.join(OUTCOMES)}")
            return None
        return scalar

    def _read_each(self, node: Node) -> EachDefinition | None:
        reader = ObjectReader.read_object(node, EACH_KEYS, self._problems, what="each")
        name, source = reader.read_scalar("for_each", needed=True), reader.read_expression("in", needed=True)
        outcome = self._read_outcome(reader)
        if name is None or source is None:
            return None
        if not NAME.fullmatch(name.text):
            self._problems.add_error(name.place, "for_each must be a name of letters, digits and `_`")
            return None
        return EachDefinition(
            name.text,
            source,
            reader.read_expression("when"),
            reader.read_expression("at"),
            outcome,
            reader.read_scalar("reason"),
        )

    # ------------------------------------------------------------------------------------------------ verdict

    def _read_verdict(self, node: Node) -> VerdictDefinition | None:
        reader = ObjectReader.read_object(node, VERDICT_KEYS, self._problems, what="verdict")
        url, pending = reader.read_expression("url", needed=True), reader.read_expression("pending")
        after, success = self._read_age(reader, "after"), reader.read_expression("success")
        refused = reader.read_node("refused", needed=True)
        if refused is None:
            return None
        below = ObjectReader.read_object(refused, REFUSED_KEYS, self._problems, what="refused")
        name, source = below.read_scalar("for_each", needed=True), below.read_expression("in", needed=True)
        reason, count = below.read_expression("reason", needed=True), below.read_expression("count", needed=True)
        if url is None or name is None or source is None or reason is None or count is None:
            return None
        return VerdictDefinition(node.place, url, pending, name.text, source, reason, count, after, success)


def _path_of(scalar: Scalar) -> PathUse:
    return PathUse(tuple(scalar.text.split(".")), scalar.place)
