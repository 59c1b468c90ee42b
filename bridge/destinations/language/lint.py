"""What a destination file says that compiles but is probably a mistake: each at its place, with its remedy.

What cannot come out right is an error, what is suspicious a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridge import contract
from bridge.core.suggestions import suggest_nearest
from bridge.destinations.language.event_paths import EventPaths, field_names, outer_paths
from bridge.destinations.language.parts import AnswerDefinition, PathUse, PlatformDefinition, SendRule
from bridge.destinations.language.words import ADDRESSES
from bridge.mapping.codegen.expression_compiler import CompileInfo, iter_expressions
from bridge.mapping.codegen.required_fields import find_written_node
from bridge.mapping.expressions.parser import ExpressionNode as Tree
from bridge.mapping.lint.suggestions import nearest_name
from bridge.yaml.document import MappingNode, Node, Scalar, SequenceNode
from bridge.yaml.problems import Problems

_CALL = "function_expression"
_OF_IDENTIFIERS = frozenset({"hashed", "normal"})
"""Functions whose value may be sent for purpose ads; their second argument is the rule of an identifier."""
_ENCODERS = frozenset({"percent_encode", "query"})
_DATA = frozenset({"event", "items", "note"})
_VALUES = frozenset({"attemptedValue", "value"})
"""Fields of answers that repeat what was sent."""
_LEFT = frozenset({"value_left"})
_OURS = frozenset({"event_id", "test", "consent"})
_CLOSED: tuple[tuple[str, ...], ...] = ((), ("user_data",))
_ORIGIN = re.compile(r"https?://[^/?#]+(?=[/?#]|$)")
_SAFE_ORIGIN = re.compile(r"https://[^/?#\s@]+(?=[/?#]|$)")
_BRACED = re.compile(r"[{}<>]")
"""What stands for a var in other languages, and in no address."""
_RULE_PLACE = 1


def lint_platform(parts: PlatformDefinition, compile_info: CompileInfo, problems: Problems) -> None:
    """Hold a file to the contract of events, to the language's rules, and to what a person's data needs."""
    _PlatformLint(parts, compile_info, problems).lint_all()


class _PlatformLint:
    def __init__(self, parts: PlatformDefinition, compile_info: CompileInfo, problems: Problems) -> None:
        self._parts = parts
        self._trees = compile_info.trees
        self._problems = problems
        self._event_path = EventPaths(parts, compile_info.trees).path_of

    def lint_all(self) -> None:
        """Every rule, part by part."""
        for scalar, tree in list(self._trees.items()):
            self._lint_event_paths(scalar, tree)
            self._lint_identity_rules(scalar, tree)
        reachable = True
        for send in self._parts.sends:
            if not reachable:
                self._problems.add_warning(send.place, "an entry before this one takes every event: it is never used")
            self._lint_send(send)
            reachable = reachable and (send.when is not None or send.event_types is not None)
        self._lint_follows()
        self._lint_address()
        self._lint_token_address()
        self._lint_answers()
        self._lint_unread()

    # ----------------------------------------------------------------------------------------------------- follows

    def _lint_follows(self) -> None:
        """What is followed is found by its order, and is sent itself; what follows says what is left."""
        follows = self._parts.follows
        for name, rule in follows.items():
            for followed in rule.event_types:
                if followed not in contract.CONVERSIONS:
                    known = ", ".join(sorted(contract.CONVERSIONS))
                    told = f"`{followed}` is not found by its order; what can be followed is {known}"
                    self._problems.add_error(rule.place, told)
                elif followed == name or followed in follows:
                    self._problems.add_error(rule.place, f"`{followed}` follows another event itself")
            if self._parts.events.get(name) != "=":
                told = f'an event that follows another has its name: write `{name}: "="` under `events`'
                self._problems.add_error(rule.place, told)
        reads = [(one, tree) for one, tree in self._trees.items() if _mentions(tree, _LEFT)]
        if follows and not reads:
            place = next(iter(follows.values())).place
            self._problems.add_warning(place, "nothing reads `value_left`, which is what is left of the event followed")
        for scalar, _ in [] if follows else reads:
            self._problems.add_error(scalar.place, "`value_left` is of an event that `follows` another: declare that")

    # ------------------------------------------------------------------------------------------------- event paths

    def _lint_event_paths(self, scalar: Scalar, tree: Tree) -> None:
        for part in outer_paths(tree):
            path = self._event_path(part)
            if path is None:
                continue
            for length in range(1, len(path) + 1):
                self._lint_event_name(scalar, part, path[:length])

    def _lint_event_name(self, scalar: Scalar, part: Tree, path: tuple[str, ...]) -> None:
        section, name = path[:-1], path[-1]
        known = [one[-1] for one in contract.FIELDS if one[:-1] == section]
        if section not in _CLOSED or name in known or (not section and name in _OURS):
            return
        near = nearest_name(name, known)
        where = ".".join(("event", *section))
        if near is not None:
            self._problems.add_error(scalar.location_at(part.at), f"{where} has no `{name}`; did you mean `{near}`?")
        else:
            self._problems.add_warning(
                scalar.location_at(part.at), f"{where} has no `{name}` in the contract; it is there only if you send it"
            )

    # ---------------------------------------------------------------------------------------------- personal data

    def _lint_identity_rules(self, scalar: Scalar, tree: Tree) -> None:
        for call in _calls_of(tree, _OF_IDENTIFIERS):
            if len(call.children) <= _RULE_PLACE:
                continue
            rule = call.children[_RULE_PLACE]
            if rule.value == "email" and self._parts.kind.startswith(("ga4", "google")):
                self._problems.add_warning(
                    scalar.location_at(rule.at), "Google has an e-mail rule of its own: write 'email_google'"
                )

    def _lint_send(self, send: SendRule) -> None:
        for use in (*(use for group in send.identify for use in group), *send.require):
            self._lint_item_path(send.item, use)
        if self._parts.purpose != "ads":
            return
        for scalar in iter_expressions(send.item):
            tree = self._trees.get(scalar)
            if tree is None:
                continue
            for leaf in _value_leaves(tree):
                path = self._event_path(leaf)
                if path is not None and path[:1] == ("user_data",):
                    told = "goes to an ad platform in clear: write hashed(…, 'rule'), or normal(…, 'rule') if it must"
                    self._problems.add_warning(scalar.location_at(leaf.at), f"`{'.'.join(path)}` {told}")
                if path == ("properties", "value") and not self._names_currency(tree):
                    told = "is sent also where its currency is not known: write choose(order.currency, …, `null`)"
                    self._problems.add_warning(scalar.location_at(leaf.at), f"the value {told}")

    def _names_currency(self, tree: Tree) -> bool:
        return any(self._event_path(part) == ("properties", "currency") for part in outer_paths(tree))

    def _lint_item_path(self, item: MappingNode, use: PathUse) -> None:
        if find_written_node(item, use.path) is not None:
            return
        known = list(_item_paths(item, ()))
        self._problems.add_error(
            use.place, f"no item has `{'.'.join(use.path)}`{suggest_nearest('.'.join(use.path), known)}"
        )

    # --------------------------------------------------------------------------------------------------- request

    def _lint_address(self) -> None:
        """Scheme, host and port depend on no event, and what an event adds to an address is encoded."""
        for part in (self._parts.request, self._parts.verdict):
            if part is not None:
                self._lint_url(part.url)

    def _lint_url(self, url: Scalar) -> None:
        if not url.is_expression:
            if _BRACED.search(url.text):
                told = "an address with a var is an expression: write =format('https://{}/…', destination.vars.NAME)"
                self._problems.add_error(url.place, told)
            elif not _ORIGIN.match(url.text):
                self._problems.add_error(url.place, "url must begin with https:// and name a host")
            return
        tree = self._trees.get(url)
        for part in _plain_data(tree) if tree is not None else ():
            self._problems.add_error(
                url.location_at(part.at), "what comes from an event must be encoded here: write percent_encode(…)"
            )
        if tree is not None and _mentions(tree, _DATA) and not _has_fixed_origin(tree):
            self._problems.add_error(
                url.place,
                "where a request goes must not depend on an event: write format('https://HOST/…{}', …), with what "
                "comes from the event behind the host",
            )

    def _lint_token_address(self) -> None:
        """Where secrets are sent to depends on no event, and is encrypted."""
        auth = self._parts.request.auth if self._parts.request is not None else None
        for name in ADDRESSES:
            url = auth.parameters.get_value(name) if auth is not None else None
            if not isinstance(url, Scalar):
                continue
            tree = self._trees.get(url)
            if not url.is_expression and not _SAFE_ORIGIN.match(url.text):
                self._problems.add_error(url.place, f"{name} must begin with https:// and name a host")
            elif tree is not None and _mentions(tree, _DATA):
                self._problems.add_error(url.place, f"{name} must not depend on an event")

    # --------------------------------------------------------------------------------------------------- answers

    def _lint_answers(self) -> None:
        reachable = True
        for answer in self._parts.answers:
            if not reachable:
                self._problems.add_warning(answer.place, "an answer before this one always holds: it is never used")
            self._lint_reasons(answer)
            reachable = reachable and answer.when is not None

    def _lint_reasons(self, answer: AnswerDefinition) -> None:
        each = answer.each.reason if answer.each is not None else None
        for scalar in (answer.reason, answer.note, each):
            tree = self._trees.get(scalar) if scalar is not None else None
            named = next((one for one in _fields_of(tree) if one.value in _VALUES), None) if tree is not None else None
            if scalar is not None and named is not None:
                self._problems.add_warning(
                    scalar.location_at(named.at), f"`{named.value}` may repeat personal data: a reason is words only"
                )

    def _lint_unread(self) -> None:
        paths = {path for tree in self._trees.values() for path in _all_paths(tree)}
        read = {name for path in paths for name in path[2:3] if path[:2] == ("destination", "vars")}
        secrets = {name for path in paths for name in path[1:2] if path[0] == "secrets"}
        for name, option in self._parts.vars.items():
            if name not in read:
                self._problems.add_warning(option.place, f"nothing reads the var `{name}`")
        for name, option in self._parts.secrets.items():
            if name not in secrets:
                self._problems.add_warning(option.place, f"nothing reads the secret `{name}`")


# ------------------------------------------------------------------------------------------------------------ trees


def _all_paths(tree: Tree) -> Iterator[tuple[str, ...]]:
    names = field_names(tree)
    if names:
        yield names
    for child in tree.children:
        yield from _all_paths(child)


def _value_leaves(tree: Tree) -> Iterator[Tree]:
    """The paths whose values may be what the expression gives; conditions and hashed parts are none."""
    if field_names(tree):
        yield tree
    elif tree.kind == _CALL:
        if tree.value not in _OF_IDENTIFIERS:
            for child in tree.children[1 if tree.value == "choose" else 0 :]:
                yield from _value_leaves(child)
    elif tree.kind == "and_expression":
        yield from _value_leaves(tree.children[-1])
    elif tree.kind not in {"comparator", "not_expression", "expref"}:
        for child in tree.children:
            yield from _value_leaves(child)


def _fields_of(tree: Tree) -> Iterator[Tree]:
    if tree.kind == "field":
        yield tree
    for child in tree.children:
        yield from _fields_of(child)


def _calls_of(tree: Tree, names: frozenset[str]) -> Iterator[Tree]:
    if tree.kind == _CALL and tree.value in names:
        yield tree
    for child in tree.children:
        yield from _calls_of(child, names)


def _mentions(tree: Tree, names: frozenset[str]) -> bool:
    return any(field_names(part)[0] in names for part in outer_paths(tree))


def _plain_data(tree: Tree) -> Iterator[Tree]:
    """The paths of events or items that no encoder is around."""
    if field_names(tree):
        if field_names(tree)[0] in _DATA:
            yield tree
    elif not (tree.kind == _CALL and tree.value in _ENCODERS):
        for child in tree.children:
            yield from _plain_data(child)


def _has_fixed_origin(tree: Tree) -> bool:
    """Whether an address is `format('https://HOST/…', …)` whose host reads neither event nor items."""
    if tree.kind != _CALL or tree.value != "format" or tree.children[0].kind != "literal":
        return False
    origin = _ORIGIN.match(str(tree.children[0].value))
    if origin is None:
        return False
    return not any(_mentions(child, _DATA) for child in tree.children[1 : 1 + origin[0].count("{}")])


def _item_paths(node: Node, path: tuple[str, ...]) -> Iterator[str]:
    match node:
        case MappingNode() if "for_each" not in node.entries:
            for key, entry in node.entries.items():
                yield ".".join((*path, key))
                yield from _item_paths(entry.value, (*path, key))
        case Scalar() | SequenceNode() | MappingNode():
            return
