"""`trackbridge example add`: an example file made of a body or of a kept webhook, with invented personal data.

`mapping/tools/anonymize.py` decides what is personal and replaces it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl

from bridge import mapping
from bridge.cli.argument_parser import quote_argument
from bridge.cli.environment import read_environment
from bridge.cli.list_show import existing_store
from bridge.cli.options import argument, command_options, option, optional_argument, repeated_option, topic_option
from bridge.cli.send import read_file
from bridge.cli.terminal import print_text
from bridge.cli.try_mapping import require_topic
from bridge.core import json_text
from bridge.core.errors import MappingError, SettingsError
from bridge.core.json_text import Json
from bridge.mapping import Mapping
from bridge.mapping.files import EXAMPLES, mapping_files, shipped_mappings
from bridge.mapping.tools import examples
from bridge.mapping.tools.anonymize import Anonymizer, anonymize_form
from bridge.mapping.tools.examples import MappingExample
from bridge.mapping.tools.personal_data import regions_in
from bridge.settings.table import MAPPINGS
from bridge.signature.locators import LocatorRoot
from bridge.store.protocol import WebhookDetail
from bridge.yaml import dump
from bridge.yaml.document import DEEPEST
from bridge.yaml.problems import Problems

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_OF_THE_WAY = frozenset(
    {
        *("accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection", "date"),
        *("content-length", "content-type", "expect", "forwarded", "host", "keep-alive", "pragma", "te", "via"),
        *("traceparent", "tracestate", "transfer-encoding", "user-agent", "x-forwarded-for", "x-forwarded-host"),
        *("x-forwarded-port", "x-forwarded-proto", "x-real-ip", "x-request-id"),
    }
)
"""Headers that say how a request travelled, and nothing to a mapping."""
_CREDENTIAL = re.compile(r"auth|cookie|token|secret|signature|hmac|password|api-?key|credential|-sign$|-sig$")


@dataclass(slots=True)
class _ExampleInput:
    """What an example is made of, as it came."""

    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


@command_options
class ExampleAddOptions:
    """The options of `example add`."""

    provider: str = argument(str, "PROVIDER", meaning="a mapping's provider, or a path to a mapping file")
    file: Path | None = optional_argument(Path, "FILE", meaning="the body")
    from_webhook: str | None = option(str, "ID", meaning="a kept webhook (wh_…) instead of a file")
    topic: str | None = topic_option()
    header: Sequence[str] = repeated_option(str, "'K: V'", meaning="a header; may be repeated")
    var: Sequence[str] = repeated_option(str, "K=V", meaning="a var; may be repeated")
    name: str = option(str, preset="usual", meaning="what sets it apart from others (default: %(default)s)")
    to: Path | None = option(Path, "FOLDER", meaning="where to (default: examples/PROVIDER by the mapping)")


def run_example_add(options: ExampleAddOptions) -> int:
    """Write the example, and say what was replaced."""
    path, known = _find_mapping(options.provider)
    given = _read_input(options)
    for name, value in (_split_pair(text, ":", "--header") for text in options.header):
        given.headers[name] = value
    if options.topic:
        _name_topic(known, given, options.topic)
    variables = dict(_split_pair(text, "=", "--var") for text in options.var)
    plain = MappingExample(
        "",
        *_body_as_example(given.body),
        headers=_readable_headers(known, given.headers),
        query=_safe_headers(known, given),
        vars=variables,
    )
    _require_writable(plain)
    made, inventor = _anonymized_body(plain)
    expect = examples.example_outcome(known, made)
    topic = next(iter(examples.example_topics(known, made)), None)
    if options.topic and topic != options.topic:
        raise SettingsError(
            f"{known.title} says its topic in the body, where it is {topic or 'missing'}, not {options.topic}"
        )
    target = _target_path(options, path, known.provider, topic)
    require_topic(known, examples.example_topics(known, made))
    _write_example(target, made, expect)
    _report_example(target, inventor, expect)
    if _iter_paths(examples.example_outcome(known, plain)) != _iter_paths(expect):
        print_text("note: with the invented values it comes to other fields than with the given ones", error=True)
    return 0


# -------------------------------------------------------------------------------------------------------- what is given


def _find_mapping(provider: str) -> tuple[Path, Mapping]:
    """The file and the mapping of a provider, the operator's before the shipped one."""
    path = Path(provider)
    if path.suffix in {".yaml", ".yml"}:
        return path, mapping.parse_mapping(read_file(path), name=path.name)
    known = []
    files = mapping_files(MAPPINGS.read(read_environment()))[::-1]
    for file in sorted(files, key=lambda each: each.stem != provider):
        try:
            found = mapping.load_mapping(file)
        except MappingError:
            if file.stem == provider:
                raise
            continue
        if found.provider == provider:
            return file, found
        known.append(found.provider)
    raise SettingsError(
        f"there is no mapping for `{quote_argument(provider)}`; known are {', '.join(sorted({*known}))}"
    )


def _read_input(options: ExampleAddOptions) -> _ExampleInput:
    match options.file, options.from_webhook:
        case Path() as file, None:
            return _ExampleInput(read_file(file))
        case None, str() as public_id:
            return asyncio.run(_kept_webhook(public_id))
        case _:
            raise SettingsError("an example is made of a FILE or of --from-webhook ID: give one of them")


async def _kept_webhook(public_id: str) -> _ExampleInput:
    store = existing_store()
    try:
        found = await store.show_detail(public_id)
    finally:
        await store.close()
    one = found[0]
    if not isinstance(one, WebhookDetail):
        raise SettingsError(f"{public_id} is no webhook; their ids begin with wh_")
    if one.body_gone:
        raise SettingsError(f"the body of {public_id} was kept long enough and is gone")
    return _ExampleInput(one.webhook.body, dict(one.webhook.headers), dict(one.webhook.query))


def _name_topic(known: Mapping, given: _ExampleInput, topic: str) -> None:
    """Put the topic where the provider sends it outside the body."""
    for place in known.recipe.topic:
        if place.root is LocatorRoot.HEADER:
            given.headers = {name: value for name, value in given.headers.items() if name.lower() != place.name}
            given.headers[place.written] = topic
            return
        if place.root is LocatorRoot.QUERY:
            given.query[place.name] = topic
            return


def _body_as_example(content: bytes) -> tuple[Json, Json]:
    """What a body says, as examples write it, and nothing expected yet."""
    try:
        return json_text.parse_json(content, strict=False), None
    except ValueError:
        pass
    try:
        text = content.decode()
    except UnicodeDecodeError:
        text = ""
    if text and parse_qsl(text, strict_parsing=False) and not text.lstrip().startswith(("{", "[", "<")):
        return text, None
    raise SettingsError("the body is neither JSON nor a form, so it cannot be made an example")


def _require_writable(plain: MappingExample) -> None:
    """Raise SettingsError for what a file of an example cannot hold."""
    if _is_deeper(plain.body, DEEPEST):
        raise SettingsError(f"the body is nested over {DEEPEST} deep, so it cannot be made an example")
    try:
        json_text.write_json([plain.body, dict(plain.headers), dict(plain.query), dict(plain.vars)])
    except ValueError:
        raise SettingsError(
            "the body, a header or a var holds half a character (a lone surrogate), so it cannot be made an example"
        ) from None


def _is_deeper(document: Json, most: int) -> bool:
    """Whether objects and lists are nested in more than so many levels."""
    level = [document]
    for _ in range(most + 1):
        level = [
            below
            for each in level
            for below in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
    return bool(level)


def _readable_headers(known: Mapping, headers: dict[str, str]) -> dict[str, str]:
    """The headers that a mapping can read: none that prove the request, and none of its way."""
    proof = known.recipe.proof
    hidden = {proof.place.name} if proof.place is not None and proof.place.root is LocatorRoot.HEADER else set()
    hidden |= known.recipe.hidden_headers | _OF_THE_WAY
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in hidden and not _CREDENTIAL.search(name.lower())
    }


def _safe_headers(known: Mapping, given: _ExampleInput) -> dict[str, str]:
    hidden = known.recipe.hidden_query
    return {
        name: value
        for name, value in given.query.items()
        if name not in hidden and not _CREDENTIAL.search(name.lower())
    }


# --------------------------------------------------------------------------------------------------- what is invented


def _anonymized_body(plain: MappingExample) -> tuple[MappingExample, Anonymizer]:
    inventor = Anonymizer(regions_in(plain.vars))
    kept = {name: value for name, value in plain.headers.items() if name.lower().endswith(("-topic", "-id", "-event"))}
    loose = {name: value for name, value in plain.headers.items() if name not in kept}
    for document in (plain.body, loose, plain.query):
        if not isinstance(document, str):
            inventor.learn_values(document)
    body = anonymize_form(plain.body, inventor) if isinstance(plain.body, str) else inventor.replace_values(plain.body)
    replaced = inventor.replace_values(loose)
    headers = {name: kept.get(name, replaced.get(name, "")) for name in plain.headers}
    return replace(plain, body=body, headers=headers, query=inventor.replace_values(dict(plain.query))), inventor


def _write_example(target: Path, made: MappingExample, expect: Json) -> None:
    given = {"headers": dict(made.headers), "query": dict(made.query), "vars": dict(made.vars), "body": made.body}
    text = dump.dump_document(
        {"given": {key: value for key, value in given.items() if value or key == "body"}, "expect": expect}
    )
    problems = Problems()
    again = examples.read_example(f"{text}\n", name=target.name, problems=problems)
    if again is None or again.body != made.body or again.expect != expect:
        told = "; ".join(str(problem) for problem in problems.all_problems) or "it reads back as something else"
        raise SettingsError(f"this body cannot be written as an example: {told}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except FileExistsError:
        raise SettingsError(f"{target} is there already; give another --name") from None
    except OSError as error:
        raise SettingsError(f"{target}: cannot be written: {error.strerror}") from None


def _target_path(options: ExampleAddOptions, path: Path, provider: str, topic: str | None) -> Path:
    if not _NAME.fullmatch(options.name):
        raise SettingsError(f"--name must be of letters, digits, `_` and `-`, got {quote_argument(options.name)!r}")
    folder: Path | None = options.to
    if folder is None:
        if path.parent == shipped_mappings() and path.parent.name == "shipped":
            raise SettingsError(
                f"the mapping of {provider} belongs to the installed package; say where with --to FOLDER"
            )
        folder = path.parent / EXAMPLES / provider
    stem = re.sub(r"[^A-Za-z0-9_.-]", "_", topic or "no_topic").lstrip(".")
    return folder / f"{stem}.{options.name}.yaml"


# ------------------------------------------------------------------------------------------------------- what is told


def _report_example(target: Path, inventor: Anonymizer, expect: Json) -> None:
    print_text(str(target))
    counts = [f"{count} {kind.value}" for kind, count in inventor.met.most_common()]
    print_text(f"replaced: {', '.join(counts) or 'nothing'}; read it before you publish it", error=True)
    match expect:
        case dict():
            print_text(f"expects: {' '.join(f'{key}: {reason}' for key, reason in expect.items())}", error=True)
        case _:
            print_text(f"expects: {', '.join(event['event_type'] for event in expect) or 'no event'}", error=True)


def _iter_paths(expect: Json, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every path of a document, for comparing shapes."""
    return list(_format_steps(expect, path))


def _format_steps(value: Json, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _format_steps(below, (*path, key))
    elif isinstance(value, list):
        for item in value:
            yield from _format_steps(item, (*path, "*"))
    else:
        yield path


def _split_pair(text: str, separator: str, option: str) -> tuple[str, str]:
    name, found, value = text.partition(separator)
    if not found or not name.strip():
        raise SettingsError(f"{option} takes K{separator}V, got {quote_argument(text)!r}")
    return name.strip(), value.strip()
