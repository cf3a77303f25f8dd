"""A training on the cluster, watched: each line that it prints with the time at which it came."""

import json
import subprocess
import sys
import threading
import time

from tests.cluster.rig import HEAD_PORT, ROOT, Node, Rig

# Env runners that compute their own rewards, from a reward model that costs nothing: what is tried here is the cluster.
SETTINGS = {
    "sampling.num_env_runners": "2",
    "sampling.num_envs_per_env_runner": "4",
    "served_by": "{kind: in_process}",
    "reward.model": "fake",
    "reward.precision": "fp32",
    "algorithm.train_batch_size": "256",
    "total_env_steps": "10_000_000",
    "evaluation.episodes": "10",
    "evaluation.videos": "0",
}


class Run:
    """`experiments.train` on a rig's head.

    Attributes:
        lines: What it has printed, with the seconds since it began.
    """

    def __init__(self, rig: Rig, name: str, minutes: float, **settings: str) -> None:
        """Begin a training of so many minutes: how many steps these are, the machine decides."""
        self.lines: list[tuple[float, str]] = []
        self._output = rig.folder / name
        arguments = [
            f"--set={key}={value}"
            for key, value in {**SETTINGS, "max_training_minutes": str(minutes), **settings}.items()
        ]
        self._begin = time.monotonic()
        self._process = subprocess.Popen(
            rig.command(sys.executable, "-m", "experiments.train", "--preset", "smoke", "--output", str(self._output),
                        *arguments),
            env={**rig.environment, "RAY_ADDRESS": f"{rig.head.address}:{HEAD_PORT}"},
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def now(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - self._begin

    def wait_for(self, text: str, seconds: float, after: float = 0.0) -> tuple[float, str]:
        """Wait for a line that holds a text, and return when it came and what it says."""
        deadline = time.monotonic() + seconds
        while True:
            for at, line in list(self.lines):
                if text in line and at >= after:
                    return at, line
            assert self._process.poll() is None or self._reader.is_alive(), f"it has ended without {text!r}:\n{self}"
            assert time.monotonic() < deadline, f"no {text!r} in {seconds:.0f} s:\n{self}"
            time.sleep(0.1)

    def finish(self, seconds: float) -> None:
        """Wait for its good end."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.stop()
            raise AssertionError(f"it has not ended in {seconds:.0f} s:\n{self}") from None
        self._reader.join(10)
        assert code == 0, str(self)

    def stop(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def steps(self) -> list[tuple[int, dict[str, float]]]:
        """Return what MLflow has of each iteration: the steps it is logged under, and its metrics."""
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{self._output / 'mlflow.db'}")
        run_id = self.state()["mlflow_run_id"]
        iterations: dict[int, dict[str, float]] = {}
        for name in client.get_run(run_id).data.metrics:
            if name.startswith(("train/", "cluster/")):
                for metric in client.get_metric_history(run_id, name):
                    iterations.setdefault(metric.step, {})[name] = metric.value
        return sorted(iterations.items())

    def state(self) -> dict[str, object]:
        """Return the run's own record of where it stands."""
        (path,) = self._output.glob("smoke-*/state.json")
        return json.loads(path.read_text())

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append((self.now(), line.rstrip()))

    def __str__(self) -> str:
        return "\n".join(f"{at:7.1f} s  {line}" for at, line in self.lines[-60:])


def with_runner(rig: Rig) -> tuple[Node, Node]:
    """Return a worker that an env runner is on, and the other one."""
    first, second = rig.workers
    return (first, second) if first.processes("ray::RewardEnvRunner") else (second, first)
