"""What trackbridge runs on: the lock fits pyproject.toml, and what is relied on of a package's inside is there."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from jmespath.lexer import Lexer
from jmespath.parser import Parser
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[1]
LOCK = (CHECKOUT / "requirements.lock").read_text()
PINS = {
    canonicalize_name(pin.name): pin
    for pin in map(Requirement, re.findall(r"^([a-z0-9].*?) *\\$", LOCK, re.MULTILINE | re.IGNORECASE))
}
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
NEEDED = [Requirement(text) for text in PROJECT["dependencies"]]

INSIDE = {"anyio", "httpcore", "httpx", "jmespath"}
"""The packages of whose inside something is relied on, save for those of the HTTP server."""
PARSER = (
    "BINDING_POWER _current_token _expression _match _match_multiple_tokens _parse_multi_select_hash _token_led_lparen "
    "_token_nud_literal _token_nud_quoted_identifier _token_nud_unquoted_identifier _token_led_dot"
)
LEXER = "_consume_literal _consume_until tokenize"


def version(name: str) -> str:
    [pin] = PINS[canonicalize_name(name)].specifier
    assert pin.operator == "=="
    return pin.version


def needed_by(name: str, seen: set[str]) -> Iterator[Requirement]:
    """What an installed package needs on this machine, and what that needs in turn."""
    seen.add(canonicalize_name(name))
    for one in map(Requirement, requires(name) or ()):
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            yield one
            if canonicalize_name(one.name) not in seen:
                yield from needed_by(one.name, seen)


# ----------------------------------------------------------------------------------------------------------- the lock


@pytest.mark.parametrize("one", NEEDED, ids=lambda one: one.name)
def test_the_lock_holds_each_dependency_at_a_release_that_fits(one: Requirement) -> None:
    assert one.specifier.contains(version(one.name), prereleases=True), "run .ci/lock"


def test_the_lock_holds_what_the_dependencies_need_in_turn() -> None:
    seen: set[str] = set()
    for top in NEEDED:
        for one in needed_by(top.name, seen):
            assert one.specifier.contains(version(one.name), prereleases=True), f"{one}; run .ci/lock"


def test_the_lock_holds_nothing_that_no_dependency_needs() -> None:
    seen: set[str] = set()
    for top in NEEDED:
        list(needed_by(top.name, seen))
    unmarked = {name for name, pin in PINS.items() if pin.marker is None}
    assert unmarked <= seen, "run .ci/lock"


def test_every_release_in_the_lock_has_hashes_and_none_has_an_address() -> None:
    entries = re.split(r"^(?=[a-z0-9])", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(PINS)
    for entry in entries:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry
    assert "://" not in LOCK
    assert not re.search(r"^\s*-(?!-hash=)", LOCK, re.MULTILINE)


# ------------------------------------------------------------------------------------------- what is inside a package


@pytest.mark.parametrize("name", sorted(INSIDE))
def test_a_package_whose_inside_is_relied_on_has_an_upper_bound(name: str) -> None:
    [one] = [one for one in NEEDED if one.name == name]
    assert any(part.operator == "<" for part in one.specifier)


def test_no_private_module_of_a_package_is_imported() -> None:
    for path in (CHECKOUT / "bridge").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not re.search(r"(^|\.)_(?!_future__|_main__)", name), f"{path}: {name}"


@pytest.mark.parametrize("name", PARSER.split())
def test_jmespaths_parser_has_what_ours_builds_on(name: str) -> None:
    assert hasattr(Parser, name)


@pytest.mark.parametrize("name", LEXER.split())
def test_jmespaths_lexer_has_what_ours_builds_on(name: str) -> None:
    assert hasattr(Lexer, name)


def test_jmespaths_lexer_says_where_it_is() -> None:
    lexer = Lexer()
    list(lexer.tokenize("ab.cd"))
    assert isinstance(vars(lexer)["_position"], int)


def test_our_parser_uses_no_other_private_name_of_jmespath() -> None:
    tree = ast.parse((CHECKOUT / "bridge" / "mapping" / "expressions" / "parser.py").read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    private = {name for name in used | defined if name.startswith("_") and not name.startswith("__")}
    theirs = {name for name in private if hasattr(Parser, name) or hasattr(Lexer, name)}
    assert theirs <= {*PARSER.split(), *LEXER.split()}


def test_httpx_works_without_its_command_line() -> None:
    assert importlib.util.find_spec("httpx._main") is not None
    script = (
        "import sys; sys.modules['httpx._main'] = None\n"
        "import httpx; httpx.Client(trust_env=False).close(); print('rich' in sys.modules or 'click' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
