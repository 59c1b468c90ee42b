"""JMESPath's own compliance suite, run through the compiler."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.core import json_text
from bridge.core.json_text import Json
from bridge.mapping.codegen.expressions import compile_standalone
from bridge.mapping.expressions.parser import ExpressionError
from bridge.mapping.expressions.runtime import CannotEvaluate, are_equal

SUITE = Path(__file__).parents[3] / "shared" / "data" / "jmespath-compliance"

pytestmark = pytest.mark.skipif(not SUITE.is_dir(), reason="the compliance suite is not beside this checkout")


def cases() -> Iterator[tuple[str, Json, dict[str, Json]]]:
    for path in sorted(SUITE.glob("*.json")):
        for number, group in enumerate(json_text.parse_json(path.read_bytes())):
            for case in group["cases"]:
                yield f"{path.stem}-{number}-{case['expression'][:40]}", group["given"], case


ALL = list(cases())


@pytest.mark.parametrize(("given", "case"), [(given, case) for _, given, case in ALL], ids=[name for name, *_ in ALL])
def test_the_compiler_passes_the_compliance_suite(given: Json, case: dict[str, Json]) -> None:
    if "error" in case:
        assert kind_of_failure(case["expression"], given) == case["error"]
    else:
        result = compile_standalone(case["expression"])(given)
        if "result" in case:
            assert are_equal(result, case["result"]), result


def kind_of_failure(expression: str, given: Json) -> str:
    try:
        result = compile_standalone(expression)(given)
    except (ExpressionError, CannotEvaluate) as error:
        return error.kind
    pytest.fail(f"came to {result}")


def test_the_suite_is_whole() -> None:
    assert len({name.split("-")[0] for name, *_ in ALL}) == 16
    assert len(ALL) > 850
