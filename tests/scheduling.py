"""How the tests are dealt out to the processes of xdist: files that need Ray to one of them, the others to the rest.

Ray starts once, and a file's fixtures are made once. Ray's tests take longest: they have the cores first.

xdist 3.8 tells its controller a test's group by changing the test's id, which pytest 9 does not let it do: with them,
`--dist loadgroup` alone deals every test out on its own. Here the processes write down which tests are Ray's.
"""

import json
import os
import tempfile
from functools import cached_property
from pathlib import Path

import pytest

RAY = "ray"
# That of the processes without Ray: their tests have a third of a core where Ray's want all of it.
NICENESS = 5
# Where the processes write it; they inherit it from the controller.
FOLDER = "VLM_REWARDS_TEST_GROUPS"
MADE = pytest.StashKey[tempfile.TemporaryDirectory]()


def needs_ray(item: pytest.Item) -> bool:
    """Whether a test uses the Ray session, by a fixture or because it says so with the mark `ray`."""
    return "ray_session" in getattr(item, "fixturenames", ()) or item.get_closest_marker(RAY) is not None


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder, in the controller."""
    if "PYTEST_XDIST_WORKER" not in os.environ and config.getoption("dist", "no") == "loadgroup":
        config.stash[MADE] = tempfile.TemporaryDirectory(prefix="test-groups-")
        os.environ[FOLDER] = config.stash[MADE].name


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove it."""
    if MADE in config.stash:
        config.stash[MADE].cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ray's tests first, then files of minutes: begun last, one would keep one process busy after all others."""
    items.sort(key=lambda item: (not needs_ray(item), item.get_closest_marker("long") is None))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Write down which tests are Ray's; first, for then the controller is told that the collection has ended."""
    if "PYTEST_XDIST_WORKER" in os.environ and FOLDER in os.environ:
        rays = [item.nodeid for item in session.items if needs_ray(item)]
        Path(os.environ[FOLDER], os.environ["PYTEST_XDIST_WORKER"]).write_text(json.dumps(rays))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Be nice from the first test on that is not Ray's; Ray's processes, which have begun by then, are not."""
    if "PYTEST_XDIST_WORKER" in os.environ and not needs_ray(item) and not os.nice(0):
        os.nice(NICENESS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """One group of Ray's tests, and one of each other file, so that what a file's fixtures make is made once."""
    from xdist.scheduler import LoadScopeScheduling

    class RayOrFile(LoadScopeScheduling):
        @cached_property
        def _ray(self) -> frozenset[str]:
            files = Path(os.environ[FOLDER]).iterdir()
            return frozenset(test for file in files for test in json.loads(file.read_text()))

        def _split_scope(self, nodeid: str) -> str:
            return RAY if nodeid in self._ray else nodeid.split("::")[0]

    return RayOrFile(config, log) if config.getvalue("dist") == "loadgroup" else None
