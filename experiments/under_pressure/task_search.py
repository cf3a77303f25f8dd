"""The searches of one task, over the episodes that all of its rewards share."""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from experiments.offline.config import model_label
from experiments.offline.report import plain_name
from experiments.offline.rewards import negatives_label, vary
from experiments.shared.atomic_files import write_atomically
from experiments.shared.progress import Bars
from experiments.under_pressure.agents import checkpoints_of, record_agent
from experiments.under_pressure.config import AS_SELDOM, PAPER, PressureConfig, TaskSpec
from experiments.under_pressure.cross_entropy import CrossEntropySearch
from experiments.under_pressure.films import film, worst_false_positives
from experiments.under_pressure.levels import PERTURBED, Level, best_of_n_levels
from experiments.under_pressure.outcomes import Episodes, Outcomes, outcomes, true_outcomes
from experiments.under_pressure.recording import (
    Recorder,
    Recording,
    Start,
    act_at_random,
    follow,
    perturbed,
    plan_starts,
    task_env,
)
from experiments.under_pressure.report import Searched
from experiments.under_pressure.results import FoundLevels
from experiments.under_pressure.rewards import (
    Calibration,
    Cell,
    Models,
    agreed_scores,
    as_seldom_beta,
    calibrate,
    cells_of,
)
from experiments.under_pressure.scripts import act_by_script
from vlm_rewards.goals import TaskSet

Scores = npt.NDArray[np.float32]

TRUTH = "truth"
"""Head that stands for the environment's own reward: the same search on it is what the others are compared with."""


class TaskSearch:
    """One task's part of a benchmark: records, calibrates, and searches against each of its rewards.

    Attributes:
        found: The truth and each reward, with the levels of the searches that are done.
        films: Films of false positives.
    """

    def __init__(
        self, config: PressureConfig, name: str, task_set: TaskSet, models: Models, folder: Path, bars: Bars
    ) -> None:
        """Plan the starts; nothing is played yet.

        Args:
            config: The benchmark.
            name: Name of the task.
            task_set: Its goals.
            models: The encoders.
            folder: The run's, where what is found is kept.
            bars: Told how far it is.
        """
        self._config, self._name, self._task_set, self._models = config, name, task_set, models
        self._folder, self._bars = folder, bars
        self._task: TaskSpec = config.tasks[name]
        self._starts = plan_starts(task_set, config.starts, config.seed)
        self._levels = FoundLevels(folder / "levels")
        self.found: list[Searched] = []
        self.films: list[Path] = []

    def best_of_n(self) -> bool:
        """Find the truth and each reward, with what the best of n random episodes is like, and make films."""
        config, name = self._config, self._name
        calibrations = self._calibrations()
        episodes = self._recorded("random", self._record_random)
        cells = [cell for cell in cells_of(self._only_this(), calibrations) if cell.task == name]
        cells, pilot_paid = self._with_controls(cells)
        ns = [n for n in config.levels if n <= config.tries_of(self._task)]
        reference = best_of_n_levels(true_outcomes(episodes.episodes, config.gamma), ns)
        self.found = [Searched(name, TRUTH, None, None, reference, None)]
        alone: dict[str, Scores] = {}
        for number, cell in enumerate(cells, start=1):
            self._bars.show(f"{name}: rewards", number, len(cells))
            judged = self._judged(cell, episodes, alone)
            scored = outcomes(episodes.episodes, judged, cell.reward.beta, config.gamma)
            calibration = calibrations[name, cell.model, negatives_label(cell.negatives)]
            levels = best_of_n_levels(scored, ns)
            self.found.append(Searched(name, cell.head, cell, calibration, levels, pilot_paid[cell.key]))
            if cell.head == PAPER and cell.model == config.models[-1] and config.films:
                self.films += self._film(cell, episodes, judged, scored)
        return True

    def perturbed_starts(self) -> bool:
        """Add to the truth and to each reward what the best of n scenes of each start is like, if that is asked for."""
        config, count = self._config, self._config.perturbed
        if count is None:
            return False
        played = self._recorded("perturbed", functools.partial(self._record_perturbed, count))
        # Scenes of one start side by side, as episodes of one start are elsewhere.
        shape = (len(self._starts), count, -1)
        episodes = Episodes(played.episodes.achieved.reshape(shape), played.episodes.success.reshape(shape))
        ns = [n for n in config.levels if n <= count]
        alone: dict[str, Scores] = {}
        for one in self.found:
            found = true_outcomes(episodes, config.gamma)
            if one.cell is not None:
                scores = self._judged(one.cell, played, alone).reshape(shape)
                found = outcomes(episodes, scores, one.cell.reward.beta, config.gamma)
            one.levels.extend(best_of_n_levels(found, ns, PERTURBED))
        return True

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

    def agents(self) -> bool:
        """Judge each checkpoint of the task's agents, if there are any, by every reward."""
        config = self._config
        runs = config.agents_of(self._name)
        for run in runs:
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
                alone: dict[str, Scores] = {}
                for one in self.found:
                    judged = true_outcomes(played.episodes, config.gamma)
                    if one.cell is not None:
                        scores = self._judged(one.cell, played, alone)
                        judged = outcomes(played.episodes, scores, one.cell.reward.beta, config.gamma)
                    (level,) = best_of_n_levels(judged, [1])
                    one.levels.append(Level(f"agent {run.name}", steps, float("nan"), level.shares))
        return bool(runs)

    def _only_this(self) -> PressureConfig:
        return self._config.model_copy(update={"only": (self._name,)})

    def _judged(self, cell: Cell, episodes: Recording, alone: dict[str, Scores]) -> Scores:
        """Return a reward's scores; heads that differ in what must agree share those of single states."""
        plain = cell.reward.head.model_dump_json(exclude={"agree"})
        common = f"{cell.model}|{negatives_label(cell.negatives)}|"
        if alone and not next(iter(alone)).startswith(common):
            alone.clear()  # cells of one model and negative set follow each other
        key = common + plain
        if key not in alone:
            alone[key] = self._models.scores(cell.reward, self._task_set, episodes)
        return agreed_scores(alone[key], cell.reward.head.agree)

    def _recorded(self, what: str, record: Callable[[], Recording]) -> Recording:
        path = self._folder / "episodes" / f"{plain_name(self._name)}-{what}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            record().save(path)
        return Recording.load(path)

    def _record_random(self) -> Recording:
        actors = [act_at_random] * self._config.tries_of(self._task)
        return self._record(self._starts, actors, self._models.encoders, self._config.seed, "random episodes")

    def _record_perturbed(self, count: int) -> Recording:
        scenes = perturbed(self._starts, count)
        return self._record(scenes, [act_at_random], self._models.encoders, self._config.seed, "perturbed starts")

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
        path = self._folder / f"calibration-{plain_name(self._name)}.json"
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

    def _with_controls(self, cells: Sequence[Cell]) -> tuple[list[Cell], dict[str, float]]:
        """Put behind each safer head the paper's as seldom paid, by the random episodes of the pilot.

        What a head gains beyond its control it gains by more than a stricter threshold. It takes no labels.

        Returns:
            The rewards; and which share of those episodes each pays, by its key.
        """
        path = self._folder / f"pilot-paid-{plain_name(self._name)}.json"
        known: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.is_file() else {}
        papers = {cell.group: cell for cell in cells if cell.head == PAPER}
        if any(cell.key not in known for cell in cells):
            pilot = self._recorded("pilot", self._record_pilot)
            alone: dict[str, Scores] = {}
            for cell in cells:
                known |= self._pilot_paid(cell, papers[cell.group], pilot, alone)
            write_atomically(path, json.dumps(known, indent=1))
        result = []
        for cell in cells:
            result.append(cell)
            if cell.head != PAPER:
                control = _control(papers[cell.group], cell)
                result.append(replace(control, reward=vary(control.reward, beta=known[control.key]["beta"])))
        return result, {key: one["paid"] for key, one in known.items()}

    def _pilot_paid(
        self, cell: Cell, paper: Cell, pilot: Recording, alone: dict[str, Scores]
    ) -> dict[str, dict[str, float]]:
        """Return beta and share of paid random episodes, by key, of a reward and of its control, if it has one."""
        random = slice(0, self._config.pilot.random)
        scores = self._judged(cell, pilot, alone)[:, random]
        paid = (scores > np.float32(cell.reward.beta)).any(axis=-1)
        result = {cell.key: {"beta": cell.reward.beta, "paid": float(paid.mean())}}
        if cell.head != PAPER:
            scores = self._judged(paper, pilot, alone)[:, random]
            beta = as_seldom_beta(scores, int(paid.sum()), paper.reward.beta)
            result[_control(paper, cell).key] = {
                "beta": beta,
                "paid": float((scores > np.float32(beta)).any(axis=-1).mean()),
            }
        return result

    def _film(self, cell: Cell, episodes: Recording, scores: Scores, found: Outcomes) -> list[Path]:
        chosen = worst_false_positives(found, self._config.films)
        path = self._folder / "films" / f"{plain_name(cell.key)}.gif"
        if chosen and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            film(self._task, self._task_set, episodes, scores, found, cell.reward.beta, chosen, path)
        return [path] if chosen else []

    def _search(self, one: Searched) -> list[Level]:
        config, spec, starts = self._config, self._config.cem, self._starts
        assert spec is not None
        reward = one.cell.reward if one.cell else None
        names = reward.models if reward else ()
        env = task_env(self._task, self._models.frame_size)
        recorder = Recorder(self._task, {name: self._models.encoders[name] for name in names}, env)

        def play(start: int, iteration: int, actions: npt.NDArray[np.int64]) -> Outcomes:
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


def _control(paper: Cell, safer: Cell) -> Cell:
    """Return the control of a safer head: the paper's, under a name of its own."""
    return replace(paper, head=AS_SELDOM + safer.head)


def _discrete(env: gym.Env[Any, Any]) -> Any:
    return env.action_space
