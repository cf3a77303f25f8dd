"""What the fork server gives Ray is what Ray would have started."""

import os
import signal
import sys

import psutil
import pytest
import ray

from tests.preloaded_workers.program import Program, running
from tests.preloaded_workers.setup_worker import request

pytestmark = pytest.mark.ray
ONCE = ("-m", "timeit", "-n", "1", "-r", "1", "-s")
FOREVER = (*ONCE, "print('it runs', flush=True)", "import time; time.sleep(100)")


@ray.remote(num_cpus=0)
class Worker:
    """Says what process it is."""

    def about(self, *names):
        import torch

        parent = psutil.Process(os.getppid()).cmdline()
        return {
            "forked": any("fork_server" in part for part in parent),
            "imported": "experiments.training.run" in sys.modules,
            "threads": torch.get_num_threads(),
            "main": sys.modules["__main__"].__name__,
            "environment": [os.environ.get(name) for name in names],
        }

    def end(self):
        os._exit(3)


def about(worker, *names):
    return ray.get(worker.about.remote(*names), timeout=60)


def test_a_worker_is_a_fork_that_has_all_imports(ray_session):
    told = about(Worker.remote(), "RAY_JOB_ID")
    job = ray.get_runtime_context().get_job_id()
    assert told == {"forked": True, "imported": True, "threads": 1, "main": "__main__", "environment": [job]}


def test_another_environment_is_imported_in(ray_session):
    worker = Worker.options(runtime_env={"env_vars": {"OMP_NUM_THREADS": "2"}}).remote()
    told = about(worker, "OMP_NUM_THREADS")
    assert (told["imported"], told["threads"], told["environment"]) == (False, 2, ["2"])


def test_one_that_dies_is_noticed_and_leaves_no_process(ray_session):
    worker = Worker.remote()
    about(worker)
    with pytest.raises(ray.exceptions.RayActorError):
        ray.get(worker.end.remote(), timeout=60)
    assert all(child.status() != psutil.STATUS_ZOMBIE for child in server().children(recursive=True))


def server():
    return next(child for child in psutil.Process().children() if "fork_server" in " ".join(child.cmdline()))


def test_a_program_is_a_fork_in_a_session_of_its_own_and_ends_with_its_own_status(forks, tmp_path):
    program = Program(forks, tmp_path / "log", *ONCE, WHAT, "pass", VLM_REWARDS_OUTPUT="here")
    assert program.wait(60) == 3
    parent, session, imported, variable, arguments = program.text.split(maxsplit=4)
    assert psutil.Process(int(parent)).ppid() == server().pid
    assert int(session) == program.pid
    assert (imported, variable) == ("True", "here")
    assert "timeit" in arguments


WHAT = """
import os, sys
print(os.getppid(), os.getsid(0), "torch" in sys.modules, os.environ["VLM_REWARDS_OUTPUT"], sys.argv, flush=True)
os._exit(3)
"""


def test_forks_draw_ids_of_their_own(forks, tmp_path):
    draw = "from ray import JobID, TaskID; print(TaskID.for_fake_task(JobID.from_int(1)).hex(), flush=True)"
    drawn = []
    for each in ("one", "other"):
        program = Program(forks, tmp_path / each, *ONCE, draw, "pass")
        assert program.wait(60) == 0
        drawn.append(program.text.split()[0])
    assert drawn[0] != drawn[1]


def test_programs_are_killed_with_their_block_and_by_signals(forks, tmp_path):
    with running(forks, tmp_path / "log", *FOREVER) as program:
        while "it runs" not in program.text:
            assert program.poll(0.05) is None
        with pytest.raises(TimeoutError, match="still runs"):
            program.wait(0.1)
    assert program.poll() == -signal.SIGKILL
    assert not psutil.pid_exists(program.pid)
    program.kill()  # once more is no error
    other = Program(forks, tmp_path / "other", *FOREVER)
    other.send_signal(signal.SIGTERM)
    assert other.wait(60) == -signal.SIGTERM


def test_rays_own_program_makes_what_the_fork_server_cannot(monkeypatch):
    worker = ["/ray/default_worker.py", "--node-id=1"]

    def asked(context, language="PYTHON"):
        return request([*worker, f"--serialized-runtime-env-context={context}", f"--language={language}"])

    monkeypatch.setenv("HERE", "there")
    monkeypatch.delenv("NEW", raising=False)
    found = asked('{"env_vars": {"NEW": "${HERE}/x"}, "command_prefix": ["cd", "\'/a b\'", "&&"]}')
    assert (found["argv"], found["cwd"], found["env"]["NEW"]) == (worker, "/a b", "there/x")
    assert asked("")["cwd"] == os.getcwd()
    for unknown in ('"py_executable": "uv run"', '"command_prefix": ["source", "x"]', '"env_vars": {"A": "${NO}"}'):
        assert asked(f"{{{unknown}}}") is None
    assert asked("{}", "JAVA") is None
