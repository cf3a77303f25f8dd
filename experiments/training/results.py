"""What a finished run shows: a table against the random policy, a figure of both returns, and a GIF of episodes."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
from gymnasium.spaces import Discrete

from experiments.shared.cells import csv_cell
from experiments.training.config import TrainConfig
from vlm_rewards.evaluation import EvaluationSummary, RandomPolicy, run_episodes, summarise
from vlm_rewards.evaluation.curve_point import CurvePoint
from vlm_rewards.evaluation.episodes import EpisodeResult, EpisodeSpec, Policy, Watcher, plan_episodes
from vlm_rewards.evaluation.figures import plot_learning_curve
from vlm_rewards.evaluation.module_policy import ModulePolicy
from vlm_rewards.evaluation.recording import RECORDING_FILE, EpisodeRecorder, ServedEncoder, StateScorer
from vlm_rewards.evaluation.videos import record_episode, write_gif
from vlm_rewards.goals import TaskSet
from vlm_rewards.service import RewardClient
from vlm_rewards.tracking import MlflowRun

TABLE_COLUMNS = (
    "goal",
    "episodes",
    "success_rate",
    "success_rate_low",
    "success_rate_high",
    "mean_length",
    "mean_return",
    "random_success_rate",
    "random_mean_return",
)


@dataclass(frozen=True)
class Results:
    """What an evaluation left.

    Attributes:
        agent: Ground-truth success of the trained agent.
        random: The same of the uniformly random policy, on the same episodes.
        table: CSV with a row a goal.
        figure: PNG of the learning curve, or None if there was no curve.
        video: GIF of evaluation episodes, or None if none was asked for.
        recording: The agent's episodes state by state, or None if none were asked for.
    """

    agent: EvaluationSummary
    random: EvaluationSummary
    table: Path
    figure: Path | None
    video: Path | None
    recording: Path | None

    @property
    def metrics(self) -> dict[str, float]:
        """What MLflow keeps of it."""
        low, high = self.agent.overall.interval()
        return {
            "evaluation/success_rate": self.agent.overall.rate,
            "evaluation/success_rate_low": low,
            "evaluation/success_rate_high": high,
            "evaluation/random_success_rate": self.random.overall.rate,
            "evaluation/mean_return": self.agent.overall.mean_return,
            "evaluation/random_mean_return": self.random.overall.mean_return,
        }


def evaluate_and_record(
    *,
    config: TrainConfig,
    module: Any,
    task_set: TaskSet,
    client: RewardClient | None,
    beta: float | None,
    make_env: Callable[..., gym.Env[Any, Any]],
    curve: Sequence[CurvePoint] | None,
    folder: Path,
    run: MlflowRun,
    on_episode: Callable[[EpisodeResult], None] | None = None,
) -> Results:
    """Evaluate `module` and the random policy on the same episodes, and write table, figure, videos and recording.

    Args:
        config: The run's settings.
        module: The trained RLModule.
        task_set: The goals; those of the environment's split are evaluated.
        client: Scores the frames of videos and recording; no evaluation result depends on it. None if there was no
            reward model.
        beta: The reward's threshold, drawn in the video; None as above.
        make_env: Builds an evaluation environment, with further options.
        curve: Training, an iteration a point; None draws no figure.
        folder: Where files go.
        run: The MLflow run that keeps a copy of them.
        on_episode: Called after each episode of either policy, for progress.
    """
    evaluation = config.evaluation
    recorder = _recorder(config, task_set, client)
    agent = evaluate(config, module, task_set, make_env, evaluation.episodes, on_episode, recorder)
    specs = _specs(config, task_set, evaluation.episodes)
    probe = make_env()
    random_policy = RandomPolicy(int(cast("Discrete[Any]", probe.action_space).n))
    probe.close()
    random = summarise(run_episodes(make_env, random_policy, specs, evaluation.num_envs, on_episode))

    table = write_table(folder / "evaluation.csv", agent, random)
    figure = None
    if curve is not None:
        figure = folder / "learning_curve.png"
        plot_learning_curve(
            curve,
            figure,
            f"{config.name}: reward from {config.reward_name}",
            random.overall.rate,
            has_reward_model=not config.uses_ground_truth,
        )
    videos = {}
    if evaluation.videos:
        ranked = sorted(agent.by_goal, key=lambda goal_id: agent.by_goal[goal_id].rate)
        videos = {
            "episodes.gif": specs[: evaluation.videos],
            "episodes_best.gif": [spec for spec in specs if spec.goal_id == ranked[-1]][:1],
            "episodes_worst.gif": [spec for spec in specs if spec.goal_id == ranked[0]][:1],
        }
        alone = ModulePolicy(module, 1, evaluation.deterministic, config.seed)
        for name, shown in videos.items():
            _write_video(folder / name, shown, alone, client, beta, task_set, make_env)
    recording = None
    if recorder is not None:
        recording = folder / RECORDING_FILE
        recorder.recording(total=evaluation.episodes).save(recording)
    for path in (table, figure, recording, *(folder / name for name in videos)):
        if path is not None:
            run.log_artifact(path)
    return Results(agent, random, table, figure, folder / "episodes.gif" if videos else None, recording)


def evaluate(
    config: TrainConfig,
    module: Any,
    task_set: TaskSet,
    make_env: Callable[..., gym.Env[Any, Any]],
    episodes: int,
    on_episode: Callable[[EpisodeResult], None] | None = None,
    watcher: Watcher | None = None,
) -> EvaluationSummary:
    """Return the ground-truth success of `module` over the first `episodes` evaluation episodes."""
    evaluation = config.evaluation
    policy = ModulePolicy(module, evaluation.num_envs, evaluation.deterministic, config.seed)
    specs = _specs(config, task_set, episodes)
    return summarise(run_episodes(make_env, policy, specs, evaluation.num_envs, on_episode, watcher))


def _recorder(config: TrainConfig, task_set: TaskSet, client: RewardClient | None) -> EpisodeRecorder | None:
    """Return what records the agent's episodes, each distinct frame scored by the run's own reward."""
    recording = config.evaluation.recording
    if not recording.episodes:
        return None
    scorer = None
    if client is not None:
        scorer = StateScorer(config.reward_model, task_set, ServedEncoder(client))
    return EpisodeRecorder(
        name=config.name,
        kind="evaluation",
        scorer=scorer,
        family=task_set.name,
        instruction=lambda goal_id: task_set.goal(goal_id).instruction,
        most_episodes=min(recording.episodes, config.evaluation.episodes),
        most_bytes=int(recording.megabytes * 1e6),
    )


def _specs(config: TrainConfig, task_set: TaskSet, episodes: int) -> list[EpisodeSpec]:
    options = {**config.environment.options, **config.environment.evaluation_options}
    goals = task_set.split(options.get("split", "train"))
    return plan_episodes([goal.id for goal in goals], episodes, config.evaluation.seed)


def write_table(path: Path, agent: EvaluationSummary, random: EvaluationSummary) -> Path:
    """Write success rates and returns as CSV: a row for all goals together, then a row a goal."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(TABLE_COLUMNS)
        rows = [("all", agent.overall, random.overall)]
        rows += [(goal_id, rate, random.by_goal[goal_id]) for goal_id, rate in agent.by_goal.items()]
        for name, rate, baseline in rows:
            low, high = rate.interval()
            numbers = (rate.rate, low, high, rate.mean_length, rate.mean_return, baseline.rate, baseline.mean_return)
            writer.writerow([csv_cell(name), rate.episodes, *(f"{number:.4f}" for number in numbers)])
    return path


def _write_video(
    path: Path,
    specs: Sequence[EpisodeSpec],
    policy: Policy,
    client: RewardClient | None,
    beta: float | None,
    task_set: TaskSet,
    make_env: Callable[..., gym.Env[Any, Any]],
) -> None:
    env = make_env(render_mode="rgb_array")
    try:
        episodes = [
            record_episode(env, policy, client, spec, task_set.goal(spec.goal_id).instruction, beta) for spec in specs
        ]
    finally:
        env.close()
    write_gif(episodes, path)
