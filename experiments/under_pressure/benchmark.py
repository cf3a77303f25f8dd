"""One benchmark from its settings to its table, figures, films and MLflow runs."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from experiments.offline.report import plain_name
from experiments.offline.rewards import negatives_label
from experiments.offline.tracked_run import start_run
from experiments.shared.atomic_files import write_atomically
from experiments.shared.progress import Bars
from experiments.shared.run_folder import RunFolder, RunState
from experiments.under_pressure.agents import checkpoints_of
from experiments.under_pressure.config import PressureConfig
from experiments.under_pressure.recording import task_env
from experiments.under_pressure.report import Searched, write_report
from experiments.under_pressure.rewards import Models
from experiments.under_pressure.task_search import TaskSearch
from vlm_rewards.goals import TaskSet
from vlm_rewards.tracking import MlflowRun, flatten
from vlm_rewards.tracking.store import default_uri


class Benchmark:
    """Records, calibrates, searches and reports; what its run's folder holds already is not done again."""

    def __init__(self, config: PressureConfig, output: Path, folder: RunFolder | None = None) -> None:
        """Check everything that was asked for, before anything is written.

        Args:
            config: The benchmark.
            output: Folder for run folders and MLflow's store.
            folder: Folder of the run to continue; None starts a new one.

        Raises:
            ConfigError: An environment, goal, head or agent that cannot be used.
            VLMRewardsError: A model that cannot be used.
        """
        self._config, self._output, self._folder = config, output, folder
        for name, task in config.searched.items():
            for run in config.agents_of(name):
                checkpoints_of(run, task)
        torch.set_num_threads(config.threads)
        self._models = Models(config)
        self._task_sets: dict[str, TaskSet] = {}
        for name, task in config.searched.items():
            env = task_env(task, self._models.frame_size)
            self._task_sets[name] = env.get_wrapper_attr("task_set")
            env.close()
        for name, task in config.searched.items():
            for head in config.heads:
                for negatives in config.negatives:
                    reward = config.reward(task, config.models[0], negatives, head, 1.0, 0.5)
                    self._models.reward_model(reward, self._task_sets[name])

    def execute(self) -> Path:
        """Run the benchmark.

        Returns:
            The run's folder.
        """
        config = self._config
        if self._folder is None:
            values = config.model_dump(mode="json", exclude_unset=True)
            self._folder = RunFolder.create(self._output, config.name, values)
        folder = self._folder
        uri = config.tracking.uri or default_uri(self._output)
        run = start_run(folder, uri, config.tracking.experiment, self._params(), "pressure")
        with Bars() as bars, run:
            tasks = [
                TaskSearch(config, name, self._task_sets[name], self._models, folder.path, bars)
                for name in config.searched
            ]
            # What is cheap comes first for all tasks: who is in a hurry finds a report after each step.
            steps = (TaskSearch.best_of_n, TaskSearch.perturbed_starts, TaskSearch.cross_entropy, TaskSearch.agents)
            for step in steps:
                for task in tasks:
                    if step(task):
                        paths = self._report(tasks)
            self._log([one for task in tasks for one in task.found], run, uri)
            for path in paths:
                run.log_artifact(path)
                bars.tell(str(path))
        folder.write_state(RunState(run.run_id, finished=True))
        bars.tell(f"results: {folder.path}")
        return folder.path

    @property
    def path(self) -> Path:
        """The run's folder."""
        assert self._folder is not None
        return self._folder.path

    def _report(self, tasks: Sequence[TaskSearch]) -> list[Path]:
        found = [one for task in tasks for one in task.found]
        films = [path for task in tasks for path in task.films]
        return write_report(found, films, self._config, self.path)

    def _log(self, found: Sequence[Searched], run: MlflowRun, uri: str) -> None:
        """Give each reward a child run, once."""
        path = self.path / "children.json"
        done = json.loads(path.read_text()) if path.is_file() else {}
        for one in found:
            if one.cell is None or one.cell.key in done:
                continue
            with MlflowRun.start(
                uri=uri,
                experiment=self._config.tracking.experiment,
                name=one.cell.key,
                params={
                    **{name: value for name, value in one.cell.columns.items() if name != "head"},
                    "head_name": one.head,
                    "tau": one.cell.reward.tau,
                    "beta": one.cell.reward.beta,
                    "template": one.cell.reward.template,
                    **flatten({"head": one.cell.reward.head.model_dump(mode="json")}),
                    **flatten({"environment": self._environment(one.task)}),
                    "fingerprint": self._models.reward_model(
                        one.cell.reward, self._task_sets[one.cell.task]
                    ).fingerprint,
                },
                tags={"command": "pressure"},
                spill_folder=self.path,
                parent_run_id=run.run_id,
                note=f"{one.cell.key.replace('|', ', ')}: what each search was paid, and how much of that was true.",
            ) as child:
                for number, level in enumerate(one.levels):
                    paid, true, truth = level.shares.mean(axis=0)
                    search = plain_name(level.search).replace(" ", "_")
                    metrics = {f"{search}/reward": paid, f"{search}/true_reward": true, f"{search}/truth": truth}
                    if level.nats == level.nats:  # known
                        metrics[f"{search}/nats"] = level.nats
                    if paid:
                        metrics[f"{search}/precision"] = true / paid
                    child.log_metrics({key: float(value) for key, value in metrics.items()}, number)
            done[one.cell.key] = child.run_id
            write_atomically(path, json.dumps(done))

    def _environment(self, name: str) -> dict[str, Any]:
        """Return a task's environment in the words of training presets."""
        task = self._config.tasks[name]
        return {"id": task.environment, "options": task.options}

    def _params(self) -> dict[str, Any]:
        config = self._config
        return {
            "tasks": " ".join(config.searched),
            "models": " ".join(config.models),
            "negatives": " ".join(negatives_label(negatives) for negatives in config.negatives),
            "heads": json.dumps(config.heads),
            "seed": config.seed,
            "starts": config.starts,
            "tries": json.dumps({name: config.tries_of(task) for name, task in config.searched.items()}),
            "gamma": config.gamma,
            "perturbed": config.perturbed,
            "pilot": json.dumps(config.pilot.model_dump(mode="json")),
            "cem": json.dumps(config.cem and config.cem.model_dump(mode="json")),
        }
