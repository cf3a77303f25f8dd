"""A time budget for each test: what waits or computes for longer fails, before the suite has become slow.

A test's time is its own and that of the fixtures made for it first. Those marked `long` have more than the usual, and
`@pytest.mark.budget(seconds)` gives as much as it says. On a machine that has other work the budgets stretch.
"""

import os
from collections.abc import Generator

import pytest

# Two quiet cores; most tests take milliseconds.
USUAL_S = 30.0
# A training or a study with all its parts.
LONG_S = 120.0
SPENT = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("time_budget", "seconds that a test may take, its fixtures included; 0: any", default=str(USUAL_S))


def stretch() -> float:
    """How many times longer than on a quiet machine something may take now, 1 or more.

    The suite itself keeps each of its processes at work: that much is no other's.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    cores = os.cpu_count() or 1
    return max(1.0, os.getloadavg()[0] / max(processes, cores))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a test that passed too late into a failure that says so."""
    report = yield
    if call.when == "teardown":
        return report
    spent = item.stash.get(SPENT, 0.0) + report.duration
    item.stash[SPENT] = spent
    mark = item.get_closest_marker("budget")
    usual = float(item.config.getini("time_budget"))
    long = usual and max(usual, LONG_S) if item.get_closest_marker("long") else usual
    budget = float(mark.args[0]) if mark else long
    if call.when == "call" and report.passed and budget and spent > budget * (factor := stretch()):
        busy = f", times {factor:.1f} on this busy machine" if factor > 1 else ""
        report.outcome = "failed"
        report.longrepr = (
            f"{item.nodeid} passed, but took {spent:.1f} s with its fixtures; its budget is {budget:g} s{busy}. "
            "Make it faster (what does it wait for?), move a measurement to benchmarks/, or give it more with "
            "@pytest.mark.budget(seconds) and the reason"
        )
    return report
