"""What all tests share: no test touches the operator's environment, and on CI none may be skipped that could run.

And what keeps the suite quick and calm on a busy machine. Not concerned with what any test says.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from itertools import chain, islice
from pathlib import Path

import hypothesis
import pytest
from oracles import NOT_INSTALLED

pytest_plugins = ["engines"]
ON_CI = os.environ.get("CI") == "true"
SHARED = Path(__file__).parents[2] / "shared"
"""Collected bodies and vectors; where the folder is absent, the tests that read it say so as BESIDE."""
BESIDE = "beside this checkout"
NO_HISTORY = "the history of this checkout cannot be read"
"""A copy of the files, or a clone of the newest commit alone: what needs an earlier commit cannot run there."""
STARTERS = ("serving", "subprocess", "process_tree", "opened_browser")
"""A test file that has one of these names starts processes."""
BROWSER = ("opened_browser",)
"""One that has this name starts a browser, to which Python's version is nothing."""
EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "100"))
"""How many examples are drawn where a test does not say."""
SHARE = os.environ.get("SHARE")
"""Which Python this is, `oldest` or `newest`, in a run that shares the suite out between two, as CI does.

Each file that starts processes is run on one of them, turn about; those with a browser on the oldest. Of all other
tests, the oldest runs every case and the newest the first one.
"""
LONGEST = "RuleBasedStateMachine"
"""A test file that has this name takes a minute and more in one test: whoever has it last is waited for by all."""

if "PYTEST_XDIST_WORKER" in os.environ:
    # The lines of processes that tests start are not counted: it would make each of 2,000 twice as slow, for 4 % more.
    for _name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        os.environ.pop(_name, None)
for _name in list(os.environ):
    if _name.startswith("BRIDGE_") or _name.endswith("_WEBHOOK_SECRET"):
        del os.environ[_name]

hypothesis.settings.register_profile(
    "calm", max_examples=EXAMPLES, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)  # how long an example takes says how busy the machine is
hypothesis.settings.load_profile("calm")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are cores: hundreds of tests wait for a lease, a pause or a process."""
    return 2 * (os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every worker of xdist begins with its share of the files that start processes.

    So they wait at the same time, and the quick tests, which are easily shared out, are what is left for the end. xdist
    gives each worker as many tests in a row.
    """
    items[:] = _share_of(items)
    shares = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    early = [tests for tests in files.values() if _begins_early(tests)]
    early.sort(key=lambda tests: not _has_any(tests[0], (LONGEST,)))
    rest = chain.from_iterable(tests for tests in files.values() if not _begins_early(tests))
    ordered: list[pytest.Item] = []
    for share in range(shares):
        own = list(chain.from_iterable(early[share::shares]))
        ordered += own + list(islice(rest, max(0, len(items) // shares - len(own))))
    items[:] = [*ordered, *rest]


def _share_of(items: list[pytest.Item]) -> list[pytest.Item]:
    if SHARE is None:
        return items
    starters = sorted({item.path for item in items if _has_any(item, STARTERS) and not _has_any(item, BROWSER)})
    mine = set(starters[SHARE == "newest" :: 2])
    if SHARE == "oldest":
        return [item for item in items if item.path in mine or item.path not in starters]
    cases: dict[str, pytest.Item] = {}
    for item in items:
        if item.path in mine:
            cases[item.nodeid] = item
        elif item.path not in starters and not _has_any(item, BROWSER):
            cases.setdefault(item.nodeid.partition("[")[0], item)
    return list(cases.values())


def _has_any(item: pytest.Item, names: Sequence[str]) -> bool:
    return any(hasattr(getattr(item, "module", None), name) for name in names)


def _begins_early(tests: list[pytest.Item]) -> bool:
    return _has_any(tests[0], (*STARTERS, LONGEST))


def _should_run(report: pytest.TestReport | pytest.CollectReport) -> bool:
    why = str(report.longrepr)
    if NO_HISTORY in why:
        return False
    if NOT_INSTALLED in why:
        return ON_CI and os.environ.get("ORACLES") == "true"
    return ON_CI and (SHARED.is_dir() or BESIDE not in why)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and _should_run(report):
        report.outcome = "failed"
        report.longrepr = f"skipped, and on CI nothing may be: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if report.skipped and _should_run(report):
        report.outcome = "failed"
        report.longrepr = f"skipped, and on CI nothing may be: {report.longrepr}"
    return report
