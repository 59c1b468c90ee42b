"""The layout holds: imports point down only, at the top and inside the folders that have floors of their own."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

BRIDGE = Path(__file__).parents[1] / "bridge"
FILES = sorted(BRIDGE.rglob("*.py"))
MOST_LINES = 400
MOST_FILES = 3

FLOORS: dict[str, tuple[str, ...]] = {
    "bridge": (
        "__init__ core",
        "yaml",
        "contract signature",
        "mapping store",
        "destinations",
        "status",
        "http pipeline",
        "settings",
        "app",
        "runtime",
        "cli",
        "__main__",
    ),
    "bridge.mapping": (
        "expressions language",
        "functions object_reader",
        "schema",
        "engine misplaced_keys",
        "vars",
        "definition",
        "read_definition",
        "codegen",
        "broken files lint",
        "__init__",
        "tools",
    ),
    "bridge.destinations": (
        "__init__ answer_words option_values protocol retry_after self_loop",
        "language track",
        "engine",
        "reloadable",
        "kinds",
        "tools",
    ),
    "bridge.store": (
        "__init__ callbacks claims codec row_filter status_views views",
        "console_protocol follow_protocol group_commit list_protocol rules status_protocol token_protocol",
        "protocol",
        "in_steps postgres sqlite",
        "moving",
        "by_hand engines spool",
    ),
    "bridge.store.moving": (
        "__init__ insert_rows",
        "webhook_rows",
        "table_copies",
        "source target",
        "counters",
        "move_store",
    ),
    "bridge.store.postgres": (
        "__init__ migrations",
        "db schema",
        "tables",
        "admin",
        "follow_verbs list_verbs prepare status_verbs token_verbs",
        "store",
        "server",
    ),
    "bridge.store.sqlite": (
        "__init__ migrations",
        "schema",
        "db",
        "tables",
        "ingest",
        "admin backup file_modes",
        "follow_verbs list_verbs status_verbs token_verbs",
        "store",
    ),
}
"""The rooms of each package, from the ground up.

A room imports from the floors below its own, and from no room beside it.
"""


def module_of(path: Path) -> str:
    """The dotted name of a file."""
    return ".".join(path.relative_to(BRIDGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def imports(path: Path) -> Iterator[str]:
    """Every module of the project that a file imports, also where only types need it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "bridge":
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "bridge")


def room(module: str, package: str) -> str | None:
    """The room of a package in which a module lies, None where it lies elsewhere.

    A package's own file is `__init__`.
    """
    if module == package:
        return "__init__"
    return module.removeprefix(f"{package}.").split(".")[0] if module.startswith(f"{package}.") else None


def arrows(package: str) -> Iterator[tuple[str, str, str]]:
    """From which room to which other room of a package something is imported, and where."""
    for module, path in MODULES.items():
        here = room(module, package)
        for named in imports(path):
            there = room(named, package)
            if here is not None and there is not None and here != there:
                yield here, there, str(path.relative_to(BRIDGE))


@pytest.mark.parametrize("package", FLOORS)
def test_every_import_points_to_a_floor_below(package: str) -> None:
    floor = {name: number for number, names in enumerate(FLOORS[package]) for name in names.split()}
    wrong = [
        f"{where}: {here} (floor {floor[here]}) imports from {there} (floor {floor[there]})"
        for here, there, where in arrows(package)
        if floor[there] >= floor[here]
    ]
    assert wrong == []


@pytest.mark.parametrize("package", FLOORS)
def test_every_room_has_its_floor(package: str) -> None:
    rooms = {room(module, package) for module in MODULES} - {None}
    named = [name for names in FLOORS[package] for name in names.split()]
    assert sorted(named) == sorted(name for name in rooms if name is not None)


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {module: set(imports(path)) - {module} for module, path in MODULES.items()}
    while free := {module for module, named in left.items() if not named & left.keys()}:
        left = {module: named for module, named in left.items() if module not in free}
    assert left == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BRIDGE)))
def test_every_file_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(BRIDGE)))
def test_no_file_is_longer_than_a_reader_can_hold(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


# ------------------------------------------------------------------------------------------------------- names


def test_every_class_name_is_unique() -> None:
    named = Counter(
        node.name for path in FILES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)
    )
    assert {name: count for name, count in named.items() if count > 1} == {}


def test_no_public_function_name_of_a_module_is_in_more_than_three_files() -> None:
    named = Counter(
        node.name
        for path in FILES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_")
    )
    assert {name: count for name, count in named.items() if count > MOST_FILES} == {}


def test_most_function_names_are_of_more_than_one_word() -> None:
    names = [
        node.name.strip("_")
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__")
    ]
    single = [name for name in names if "_" not in name]
    assert len(single) <= len(names) // 5


# -------------------------------------------------------------------------------------------------- docstrings

NAMED = re.compile(r"`([a-z0-9.]*[a-z]_[a-z0-9_]+|[A-Z][a-z]+[A-Z]\w*)`|[Rr]aises ([A-Z]\w+)")
"""What a docstring calls by a name: with an underscore or several capitals in backticks, and what is raised."""
ELSEWHERE = {"HttpParserInvalidURLError", "SystemExit", "postal_code", "wait_for_sale", "wh_12"}
"""Names of Python, of a library, of mappings, and of examples."""


class DocstringRemover(ast.NodeTransformer):
    """Takes the docstrings out of a module, and what they call by a name."""

    def __init__(self) -> None:
        self.named: set[str] = set()

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        if not (isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)):
            return node
        self.named |= {part for names in NAMED.findall(node.value.value) for part in "".join(names).split(".")}
        return None


def test_docstrings_name_what_is_in_the_code() -> None:
    remover = DocstringRemover()
    code = [ast.unparse(remover.visit(ast.parse(path.read_text()))) for path in FILES]
    code += [path.read_text() for path in BRIDGE.rglob("*.sql")]
    assert remover.named - ELSEWHERE - set(re.findall(r"\w+", "\n".join(code))) == set()
