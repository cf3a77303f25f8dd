"""A training on the cluster."""

import json
import sys

from tests.cluster.rig import HEAD_PORT, Node, Rig
from tests.cluster.watched import Watched

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


class Run(Watched):
    """`experiments.train` on a rig's head."""

    def __init__(self, rig: Rig, name: str, minutes: float, **settings: str) -> None:
        """Begin a training of so many minutes: how many steps these are, the machine decides."""
        self._output = rig.folder / name
        arguments = [
            f"--set={key}={value}"
            for key, value in {**SETTINGS, "max_training_minutes": str(minutes), **settings}.items()
        ]
        super().__init__(
            rig.command(sys.executable, "-m", "experiments.train", "--preset", "smoke", "--output", str(self._output),
                        *arguments),
            {**rig.environment, "RAY_ADDRESS": f"{rig.head.address}:{HEAD_PORT}"},
        )  # fmt: skip

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


def with_runner(rig: Rig) -> tuple[Node, Node]:
    """Return a worker that an env runner is on, and the other one."""
    first, second = rig.workers
    return (first, second) if first.processes("ray::RewardEnvRunner") else (second, first)
