"""A study on the cluster, as a job or as a process of the head, and what MLflow knows of it."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.rig import HEAD_PORT, Node, Rig
from tests.cluster.services import Services
from tests.cluster.watched import Watched

# Two trials of one process each, which rewards itself with a model that costs nothing.
SETTINGS = {
    "seeds": "[0]",
    "max_concurrent_trials": "2",
    "arms": "{one: {}, two: {}}",
    "settings.sampling.num_env_runners": "0",
    "settings.sampling.num_envs_per_env_runner": "4",
    "settings.served_by": "{kind: in_process}",
    "settings.reward.model": "fake",
    "settings.reward.precision": "fp32",
    "settings.algorithm.train_batch_size": "256",
    "settings.total_env_steps": "10_000_000",
    "settings.checkpoint_every_steps": "1024",
    "settings.evaluation": "{episodes: 10, videos: 0}",
}
_STOP = "import sys, ray.job_submission as jobs; jobs.JobSubmissionClient(sys.argv[1]).stop_job(sys.argv[2])"
_BYSTANDER = """
import sys, time; from pathlib import Path; from vlm_rewards.tracking import MlflowRun
with MlflowRun.start(uri=sys.argv[1], experiment="studies", name="bystander", params={}, tags={},
                     spill_folder=Path(sys.argv[2])):
    print("open", flush=True)
    time.sleep(1200)
"""
_ASK = """
import json, sys, urllib.request
uri, path, body = sys.argv[1:]
request = urllib.request.Request(f"{uri}/api/2.0/mlflow/{path}", body.encode() or None)
request.add_header("Content-Type", "application/json")
print(urllib.request.urlopen(request, timeout=20).read().decode())
"""


@dataclass(frozen=True)
class Logged:
    """One iteration of a trial, as MLflow has it.

    Attributes:
        step: Under which it is logged.
        at: When, in seconds since 1970, by the trial's clock.
        env_steps: Steps of the iteration.
        rewarded: Those of them that were rewarded.
    """

    step: int
    at: float
    env_steps: float
    rewarded: float


class Study:
    """`experiments.model_size` of one name.

    Attributes:
        name: Of the study.
        folder: Its folder, on storage that all nodes share.
    """

    def __init__(self, rig: Rig, services: Services, name: str, minutes: float, **settings: str) -> None:
        """Take what it needs; nothing begins.

        Args:
            rig: The cluster.
            services: Where its runs and checkpoints go.
            name: Its name.
            minutes: Of each trial's training.
            settings: Over `SETTINGS`.
        """
        self.name = name
        self._rig = rig
        self._services = services
        self._output = rig.folder / "studies"
        self.folder = self._output / f"{name}-1"
        asked = {**SETTINGS, "name": name, "settings.max_training_minutes": str(minutes), "storage": services.storage}
        self._start = ["--preset", "smoke", "--output", str(self._output)]
        self._start += [f"--set={key}={value}" for key, value in (asked | settings).items()]

    def submit(self, *, resume: bool = False) -> Watched:
        """Begin it as a job, from outside."""
        variables = {**self._services.environment, "MLFLOW_TRACKING_URI": self._services.mlflow_uri}
        command = ["env", *(f"{key}={value}" for key, value in variables.items()), "python", *self._arguments(resume)]
        # What a folder on the cluster names cannot be known here.
        weights = ["--model", "pocket-android"] if resume else []
        submit = ["-m", "experiments.submit", "--address", self._rig.jobs, *weights, "--", *command]
        return Watched(self._rig.outside.command(sys.executable, *submit), self._rig.environment)

    def resume_here(self) -> Watched:
        """Go on with it as a process of the head."""
        address = {"RAY_ADDRESS": f"{self._rig.head.address}:{HEAD_PORT}"}
        return Watched(
            self._rig.command(sys.executable, *self._arguments(resume=True)),
            self._rig.environment | self._services.environment | address,
        )

    def stop_job(self, watched: Watched) -> None:
        """Stop its job."""
        _, line = watched.wait_for("job raysubmit_", 1)
        self._rig.outside.python(_STOP, self._rig.jobs, line.split()[-1])

    def bystander(self) -> Watched:
        """Keep another run of the same experiment open, on a machine that is not of the cluster."""
        arguments = [self._services.mlflow_uri, str(self._output)]
        return Watched(self._rig.outside.command(sys.executable, "-c", _BYSTANDER, *arguments), self._rig.environment)

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return its runs by name, the parent's included: status, tags, metrics, and when each ended (s since 1970)."""
        experiments = self._ask("experiments/search", max_results=100)["experiments"]
        found = self._ask(
            "runs/search",
            experiment_ids=[each["experiment_id"] for each in experiments],
            filter=f"tags.`study.name` = '{self.name}'",
        ).get("runs", [])
        return {
            run["info"]["run_name"]: {
                "id": run["info"]["run_id"],
                "status": run["info"]["status"],
                "ended": int(run["info"].get("end_time", 0)) / 1000,
                "tags": {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])},
                "metrics": {metric["key"]: metric["value"] for metric in run["data"].get("metrics", [])},
            }
            for run in found
        }

    def trials(self) -> dict[str, dict[str, Any]]:
        """Return the runs of its trials."""
        return {name: run for name, run in self.runs().items() if "mlflow.parentRunId" in run["tags"]}

    def history(self, run_id: str) -> list[Logged]:
        """Return a trial's iterations."""
        values: dict[int, dict[str, float]] = {}
        for key in ("env_steps", "rewarded_steps"):
            query = f"metrics/get-history?run_id={run_id}&metric_key=train/{key}&max_results=20000"
            metrics = self._ask(query).get("metrics", [])
            steps = [metric["step"] for metric in metrics]
            assert len(set(steps)) == len(steps), f"train/{key} is there twice for a step"
            for metric in metrics:
                values.setdefault(int(metric["step"]), {"at": metric["timestamp"] / 1000})[key] = metric["value"]
        return [Logged(step, v["at"], v["env_steps"], v["rewarded_steps"]) for step, v in sorted(values.items())]

    def wait_until(self, condition: Callable[[], bool], seconds: float, watched: Watched | None = None) -> float:
        """Wait for something, and return how long it took in seconds."""
        begin = time.monotonic()
        while True:
            try:
                if condition():
                    return time.monotonic() - begin
            except AssertionError:
                if time.monotonic() - begin > seconds:
                    raise
            assert time.monotonic() - begin < seconds, f"not in {seconds:.0f} s: {self.runs()}\n{watched}"
            time.sleep(2)

    def wait_for_steps(self, watched: Watched, more: int = 1024, seconds: float = 400) -> None:
        """Wait until each trial has trained so many steps more: it has a checkpoint, too."""
        before = self._steps()

        def trained() -> bool:
            if watched.ended:
                pytest.fail(f"it has ended before that:\n{watched}")
            now = self._steps()  # their runs may be there already, or not yet
            return len(now) == 2 and all(now[name] >= before.get(name, 0) + more for name in now)

        self.wait_until(trained, seconds, watched)

    def _steps(self) -> dict[str, float]:
        return {name: run["metrics"].get("train/env_steps_lifetime", 0.0) for name, run in self.trials().items()}

    def _arguments(self, resume: bool) -> list[str]:
        return ["-m", "experiments.model_size", *(["--resume", str(self.folder)] if resume else self._start)]

    def _ask(self, path: str, **body: Any) -> dict[str, Any]:
        text = json.dumps(body) if body else ""
        answer: dict[str, Any] = json.loads(self._rig.outside.python(_ASK, self._services.mlflow_uri, path, text))
        return answer


def with_trial(rig: Rig) -> Node:
    """Return a worker that a trial is on."""
    (worker, *_) = (worker for worker in rig.workers if worker.processes("ray::ImplicitFunc"))
    return worker
