"""The suite's own rules, on small suites made for it: budgets fail what is slow, and one process gets all Ray tests."""

from pathlib import Path

import pytest

from tests import time_budget

ROOT = Path(__file__).resolve().parents[1]
SLOW = """
import time
import pytest

@pytest.fixture(scope="module")
def made():
    time.sleep(0.2)

def test_slow(): time.sleep(0.2)

def test_slow_fixtures(made): pass

def test_quick(made): pass

@pytest.mark.budget(5)
def test_allowed(): time.sleep(0.2)
"""


@pytest.fixture
def suite(pytester, monkeypatch):
    monkeypatch.setattr(time_budget, "stretch", lambda: 1.0)
    pytester.makeini("[pytest]\ntime_budget = 0.1\nmarkers =\n  budget\n  ray\n  long\n")
    return pytester


def test_what_takes_longer_than_its_budget_fails_and_says_what_to_do(suite):
    suite.makepyfile(SLOW)
    result = suite.runpytest_inprocess("-p", "tests.time_budget", "-rf")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*test_slow passed, but took 0.* its budget is 0.1 s. Make it faster*"])
    result.stdout.fnmatch_lines(["*test_slow_fixtures passed, but took 0.*"])


def test_a_failure_of_its_own_is_reported_as_itself(suite):
    suite.makepyfile("import time\ndef test_wrong():\n    time.sleep(0.2)\n    assert 1 == 2")
    result = suite.runpytest_inprocess("-p", "tests.time_budget")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert 1 == 2*"])
    result.stdout.no_fnmatch_line("*budget*")


def test_budgets_stretch_with_the_work_of_others_alone(monkeypatch):
    monkeypatch.setattr(time_budget.os, "cpu_count", lambda: 2)
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "2")
    factors = {}
    for load in (0.1, 2.0, 6.0):
        monkeypatch.setattr(time_budget.os, "getloadavg", lambda load=load: (load, 0, 0))
        factors[load] = time_budget.stretch()
    assert factors == {0.1: 1.0, 2.0: 1.0, 6.0: 3.0}


def test_ray_tests_have_one_process_and_a_file_is_never_torn_apart(suite, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    where = "import os, pytest\ndef where(name): print('RAN', name, os.environ['PYTEST_XDIST_WORKER'])\n"
    suite.makeconftest("import pytest\n@pytest.fixture(scope='session')\ndef ray_session(): pass\n")
    for name in "abc":
        tests = [
            f"def test_plain_{i}():\n    where('plain-{name}')\n"
            f"def test_ray_{i}(ray_session):\n    where('ray-{name}')\n"
            f"@pytest.mark.ray\ndef test_marked_{i}():\n    where('ray-{name}')\n"
            for i in range(6)
        ]
        suite.makepyfile(**{f"test_{name}": where + "".join(tests)})
    options = ["-p", "tests.scheduling", "-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder", "-rP"]
    result = suite.runpytest_subprocess(*options)
    result.assert_outcomes(passed=54)
    ran = {tuple(line.split()[1:]) for line in result.outlines if line.startswith("RAN ")}
    processes = {}
    for name, process in ran:
        processes.setdefault(name, set()).add(process)
    assert set(processes) == {f"{kind}-{name}" for kind in ("ray", "plain") for name in "abc"}
    assert all(len(each) == 1 for each in processes.values()), processes
    assert processes["ray-a"] == processes["ray-b"] == processes["ray-c"]
