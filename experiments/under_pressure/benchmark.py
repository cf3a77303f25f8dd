"""One benchmark from its settings to its table, figures, films and MLflow runs."""

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

from experiments.offline.config import model_label
from experiments.offline.evaluation import start_run
from experiments.offline.report import plain_name
from experiments.offline.rewards import negatives_label
from experiments.shared.atomic_files import write_atomically
from experiments.shared.progress import Bars
from experiments.shared.run_folder import RunFolder, RunState
from experiments.under_pressure.agents import checkpoints_of, record_agent
from experiments.under_pressure.config import PAPER, PressureConfig, TaskSpec
from experiments.under_pressure.cross_entropy import CrossEntropySearch
from experiments.under_pressure.films import film, worst_false_positives
from experiments.under_pressure.levels import Level, best_of_n_levels
from experiments.under_pressure.outcomes import Episodes, Outcomes, outcomes, true_outcomes
from experiments.under_pressure.recording import (
    Recorder,
    Recording,
    Start,
    act_at_random,
    follow,
    plan_starts,
    task_env,
)
from experiments.under_pressure.report import Searched, write_report
from experiments.under_pressure.results import FoundLevels
from experiments.under_pressure.rewards import Calibration, Cell, Models, agreed_scores, calibrate, cells_of
from experiments.under_pressure.scripts import act_by_script
from vlm_rewards.goals import TaskSet
from vlm_rewards.tracking import MlflowRun, flatten
from vlm_rewards.tracking.store import default_uri

TRUTH = "truth"
"""Head that stands for the environment's own reward: the same search on it is what the others are compared with."""


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
        self._agents = [(name, Path(run)) for name, _, run in (agent.partition("=") for agent in config.agents)]
        for name, run in self._agents:
            checkpoints_of(run, config.tasks[name])
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
            tasks = [_Task(self, name, bars) for name in config.searched]
            # What is cheap comes first for all tasks: who is in a hurry finds a report after each step.
            for step in (_Task.best_of_n, _Task.cross_entropy, _Task.agents):
                for task in tasks:
                    if step(task):
                        paths = self._report(tasks)
            self._log([one for task in tasks for one in task.found], run, uri)
            for path in paths:
                run.log_artifact(path)
                bars.say(str(path))
        folder.write_state(RunState(run.run_id, finished=True))
        bars.say(f"results: {folder.path}; MLflow run {run.run_id} in {uri}")
        return folder.path

    @property
    def path(self) -> Path:
        """The run's folder."""
        assert self._folder is not None
        return self._folder.path

    def _report(self, tasks: Sequence["_Task"]) -> list[Path]:
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
            "pilot": json.dumps(config.pilot.model_dump(mode="json")),
            "cem": json.dumps(config.cem and config.cem.model_dump(mode="json")),
        }


class _Task:
    """One task's part of the benchmark.

    Attributes:
        found: The truth and each reward, with the levels of the searches that are done.
        films: Films of false positives.
    """

    def __init__(self, benchmark: Benchmark, name: str, bars: Bars) -> None:
        self._benchmark, self._name, self._bars = benchmark, name, bars
        self._config, self._models = benchmark._config, benchmark._models
        self._task: TaskSpec = self._config.tasks[name]
        self._task_set = benchmark._task_sets[name]
        self._starts = plan_starts(self._task_set, self._config.starts, self._config.seed)
        self._levels = FoundLevels(benchmark.path / "levels")
        self.found: list[Searched] = []
        self.films: list[Path] = []

    def best_of_n(self) -> bool:
        """Find the truth and each reward, with what the best of n random episodes is like, and make films."""
        config, name = self._config, self._name
        calibrations = self._calibrations()
        episodes = self._recorded("random", self._record_random)
        cells = [cell for cell in cells_of(self._only_this(), calibrations) if cell.task == name]
        ns = [n for n in config.levels if n <= config.tries_of(self._task)]
        reference = best_of_n_levels(true_outcomes(episodes.episodes, config.gamma), ns)
        self.found = [Searched(name, TRUTH, None, None, reference)]
        alone: dict[str, Any] = {}
        for number, cell in enumerate(cells, start=1):
            self._bars.show(f"{name}: rewards", number, len(cells))
            judged = self._judged(cell, episodes, alone)
            scored = outcomes(episodes.episodes, judged, cell.reward.beta, config.gamma)
            calibration = calibrations[name, cell.model, negatives_label(cell.negatives)]
            self.found.append(Searched(name, cell.head, cell, calibration, best_of_n_levels(scored, ns)))
            if cell.head == PAPER and cell.model == config.models[-1] and config.films:
                self.films += self._film(cell, episodes, judged, scored)
        return True

    def _only_this(self) -> PressureConfig:
        return self._config.model_copy(update={"only": (self._name,)})

    def _judged(self, cell: Cell, episodes: Recording, alone: dict[str, Any]) -> Any:
        """Return a reward's scores; heads that differ in what must agree share those of single states."""
        plain = cell.reward.head.model_dump_json(exclude={"agree"})
        common = f"{cell.model}|{negatives_label(cell.negatives)}|"
        if alone and not next(iter(alone)).startswith(common):
            alone.clear()  # cells of one model and negative set follow each other
        key = common + plain
        if key not in alone:
            alone[key] = self._models.scores(cell.reward, self._task_set, episodes)
        return agreed_scores(alone[key], cell.reward.head.agree)

    def _recorded(self, what: str, record: Any) -> Recording:
        path = self._benchmark.path / "episodes" / f"{plain_name(self._name)}-{what}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            record().save(path)
        return Recording.load(path)

    def _record_random(self) -> Recording:
        actors = [act_at_random] * self._config.tries_of(self._task)
        return self._record(self._starts, actors, self._models.encoders, self._config.seed, "random episodes")

    def _record_pilot(self) -> Recording:
        pilot = self._config.pilot
        starts = plan_starts(self._task_set, pilot.starts, pilot.seed)
        actors = [act_at_random] * pilot.random + [act_by_script] * pilot.scripted
        return self._record(starts, actors, self._models.encoders, pilot.seed, "pilot episodes")

    def _record(self, starts: list[Start], actors: Any, encoders: Mapping[str, Any], seed: int, what: str) -> Recording:
        env = task_env(self._task, self._models.frame_size)
        try:
            show = functools.partial(self._bars.show, f"{self._name}: {what}")
            return Recorder(self._task, encoders, env).record(starts, actors, seed, show)
        finally:
            env.close()

    def _calibrations(self) -> dict[tuple[str, str, str], Calibration]:
        config = self._config
        path = self._benchmark.path / f"calibration-{plain_name(self._name)}.json"
        known = json.loads(path.read_text()) if path.is_file() else {}
        result = {}
        for model in config.models:
            for negatives in config.negatives:
                label = negatives_label(negatives)
                key = f"{model_label(model)}|{label}"
                if key not in known:
                    pilot = self._recorded("pilot", self._record_pilot)
                    reward = config.reward(self._task, model, negatives, PAPER, 1.0, 0.5)
                    chosen = calibrate(
                        self._task, self._task_set, reward, self._models, pilot, config.pilot.after_success
                    )
                    known[key] = asdict(chosen)
                    write_atomically(path, json.dumps(known, indent=1))
                result[self._name, model, label] = Calibration(**known[key])
        return result

    def _film(self, cell: Cell, episodes: Recording, scores: Any, found: Outcomes) -> list[Path]:
        chosen = worst_false_positives(found, self._config.films)
        path = self._benchmark.path / "films" / f"{plain_name(cell.key)}.gif"
        if chosen and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            film(self._task, self._task_set, episodes, scores, found, cell.reward.beta, chosen, path)
        return [path] if chosen else []

    def cross_entropy(self) -> bool:
        """Add the scripted searcher's levels to the truth's and to those of the rewards that it searches, if any."""
        spec = self._config.cem
        if spec is None:
            return False
        for one in self.found:
            if one.cell is not None and not (
                one.cell.model in spec.models
                and one.head in spec.heads
                and (spec.negatives is None or one.cell.negatives.kind in spec.negatives)
            ):
                continue
            key = f"cem|{one.cell.key if one.cell else self._name + '|' + TRUTH}"
            levels = self._levels.get(key)
            if levels is None:
                levels = self._levels.put(key, self._search(one))
            one.levels.extend(levels)
        return True

    def _search(self, one: Searched) -> list[Level]:
        config, spec, starts = self._config, self._config.cem, self._starts
        assert spec is not None
        reward = one.cell.reward if one.cell else None
        names = (reward.model, *reward.head.further_models) if reward else ()
        env = task_env(self._task, self._models.frame_size)
        recorder = Recorder(self._task, {name: self._models.encoders[name] for name in names}, env)

        def play(start: int, iteration: int, actions: Any) -> Outcomes:
            played = recorder.record([starts[start]], [follow(own) for own in actions], config.seed)
            episodes = Episodes(played.episodes.achieved[0], played.episodes.success[0])
            if reward is None:
                return true_outcomes(episodes, config.gamma)
            scores = agreed_scores(self._models.scores(reward, self._task_set, played), reward.head.agree)
            return outcomes(episodes, scores[0], reward.beta, config.gamma)

        try:
            count = int(_discrete(env).n)
            search = CrossEntropySearch(spec, self._task.steps, count, config.seed)
            label = one.cell.key.partition("|")[2] if one.cell else TRUTH
            show = functools.partial(self._bars.show, f"{self._name}: search, {label}")
            return search.run(play, spec.starts, show)
        finally:
            env.close()

    def agents(self) -> bool:
        """Judge each checkpoint of the task's agents, if there are any, by every reward."""
        config, any_of_this = self._config, False
        for agent, run in self._benchmark._agents:
            if agent != self._name:
                continue
            any_of_this = True
            for steps, checkpoint in checkpoints_of(run, self._task).items():
                self._bars.say(f"{self._name}: the agent of {run.name} after {steps:,} steps")
                played = self._recorded(
                    f"{run.name}-{steps}",
                    functools.partial(
                        record_agent,
                        run,
                        checkpoint,
                        self._task,
                        self._models.encoders,
                        self._models.frame_size,
                        self._starts,
                        config.agent_episodes,
                        config.seed,
                    ),
                )
                alone: dict[str, Any] = {}
                for one in self.found:
                    judged = true_outcomes(played.episodes, config.gamma)
                    if one.cell is not None:
                        scores = self._judged(one.cell, played, alone)
                        judged = outcomes(played.episodes, scores, one.cell.reward.beta, config.gamma)
                    (level,) = best_of_n_levels(judged, [1])
                    one.levels.append(Level(f"agent {run.name}", steps, float("nan"), level.shares))
        return any_of_this


def _discrete(env: gym.Env[Any, Any]) -> Any:
    return env.action_space
