"""What the fork server gives Ray is what Ray would have started."""

import os
import sys

import psutil
import pytest
import ray


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
    (server,) = (child for child in psutil.Process().children() if "fork_server" in " ".join(child.cmdline()))
    assert all(child.status() != psutil.STATUS_ZOMBIE for child in server.children())
