"""A collected dataset as a recording: its trajectories, scored by a reward where one is named."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import LabelledDataset
from vlm_rewards.evaluation.offline.dataset import decode_frames
from vlm_rewards.evaluation.recording import EpisodeRecorder, Recording, StateScorer
from vlm_rewards.evaluation.recording.recorder import RunningEpisode
from vlm_rewards.reward_preset import RewardPreset

# What a row may say besides what every labelled dataset has to, and what it means where it does not.
_OPTIONAL = {"instruction": None, "policy": "a scripted policy", "home_seed": 0, "action": -1, "reward": None}
_NEEDED = ("trajectory", "step", "family", "goal_id", "goal_achieved", "image")


@dataclass(frozen=True)
class DatasetChoice:
    """What of a dataset is shown.

    Attributes:
        reward: Name or path of the reward preset that scores it; None scores nothing.
        task_set: Name or path of a task set to use instead of the preset's.
        families: Those shown; none shows all.
        episodes: Trajectories shown, evenly spread over the dataset; None takes 300.
        most_bytes: The most that pictures and shares take.
    """

    reward: str | None = None
    task_set: str | None = None
    families: tuple[str, ...] = ()
    episodes: int | None = None
    most_bytes: int = 14_000_000

    def refuse_for(self, what: str) -> None:
        """Refuse choices that mean nothing for what is shown.

        Raises:
            ConfigError: One was made.
        """
        made: dict[str, object] = {
            "--reward": self.reward,
            "--task-set": self.task_set,
            "--family": self.families,
            "--episodes": self.episodes,
        }
        for flag, value in made.items():
            if value:
                raise ConfigError(
                    f"{flag} is for datasets, and this is {what}, whose episodes are recorded: leave it out"
                )


def dataset_recording(
    folder: Path, choice: DatasetChoice, progress: Callable[[int, int], None] = lambda done, total: None
) -> Recording:
    """Return trajectories of a dataset, with their scores where a reward is named.

    Args:
        folder: The dataset's.
        choice: What of it, and what scores it.
        progress: Told how many trajectories are done, of how many.

    Raises:
        ConfigError: The dataset cannot be used, or the reward knows none of its goals.
        VLMRewardsError: The reward cannot be loaded.
    """
    if choice.episodes is not None and choice.episodes < 1:
        raise ConfigError(f"--episodes must be at least 1, not {choice.episodes}")
    dataset = LabelledDataset.open(folder)
    if choice.families:
        dataset = dataset.of_families(choice.families)
    total = len(dataset.trajectories)
    dataset = dataset.limited(choice.episodes or 300)
    scorer, notes = _scorer(dataset, choice)
    count = len(dataset.trajectories)
    recorder = EpisodeRecorder(
        name=dataset.name,
        kind="dataset",
        scorer=scorer,
        most_episodes=count,
        most_bytes=choice.most_bytes,
    )
    for done, rows in enumerate(_trajectories(dataset)):
        recorder.add(_episode(rows))
        progress(done + 1, count)
    return recorder.recording(total, _actions(dataset.manifest.get("config", {})), notes)


def _scorer(dataset: LabelledDataset, choice: DatasetChoice) -> tuple[StateScorer | None, list[str]]:
    if choice.reward is None:
        if choice.task_set is not None:
            raise ConfigError("--task-set is for the reward: name one with --reward")
        return None, ["No reward scored these states: name one with --reward to see what it would pay."]
    preset = RewardPreset.named_or_from_file(choice.reward, choice.task_set)
    tasks = preset.tasks
    known = {goal.id for goal in tasks.all_goals}
    goals = dict.fromkeys(map(str, dataset.states.goal_id))
    strange = [goal_id for goal_id in goals if goal_id not in known]
    if len(strange) == len(goals):
        raise ConfigError(
            f"the reward {choice.reward!r} knows none of the goals of {dataset.name}, such as {strange[0]!r}: its task "
            f"set is {tasks.name}; give the dataset's with --task-set, or other families with --family"
        )
    notes = []
    if strange:
        notes.append(f"The reward has no words for {len(strange):,} of {len(goals):,} goals: these have no score.")
    return StateScorer(preset.reward, tasks, preset.reward.load_encoder()), notes


def _trajectories(dataset: LabelledDataset) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of each chosen trajectory, by step."""
    chosen = pa.array(dataset.trajectories)
    rows: dict[int, list[dict[str, Any]]] = {}
    left = {int(number): int((dataset.states.trajectory == number).sum()) for number in dataset.trajectories}
    for path in dataset.files:
        with pq.ParquetFile(path) as file:
            there = [name for name in (*_NEEDED, *_OPTIONAL) if name in file.schema_arrow.names]
            for batch in file.iter_batches(1024, columns=there):
                batch = batch.filter(pc.is_in(batch["trajectory"].cast(pa.int64()), chosen))
                for row in batch.to_pylist():
                    number = int(row["trajectory"])
                    rows.setdefault(number, []).append(_OPTIONAL | row)
                    if len(rows[number]) == left[number]:
                        yield sorted(rows.pop(number), key=lambda row: row["step"])


def _episode(rows: list[dict[str, Any]]) -> RunningEpisode:
    first = rows[0]
    episode = RunningEpisode(
        number=int(first["trajectory"]),
        goal_id=first["goal_id"],
        instruction=first["instruction"] or first["goal_id"],
        family=first["family"],
        seed=int(first["home_seed"] or 0),
        actor=f"policy {first['policy']}",
    )
    frames = decode_frames(row["image"] for row in rows)
    for row, frame in zip(rows, frames, strict=True):
        truth = float(row["goal_achieved"]) if row["reward"] is None else float(row["reward"])
        episode.add(int(row["action"]), truth, bool(row["goal_achieved"]), None, frame)
    return episode


def _actions(config: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of a domain's actions; none for a domain that is not ours, or is not installed."""
    try:
        if config.get("domain") == "android":
            from envs.android.actions import MACRO_ACTIONS

            return tuple(action.name for action in MACRO_ACTIONS)
        if "env_preset" in config:
            from envs.playhouse.actions import DISCRETE

            return tuple(DISCRETE)
    except ImportError:
        pass
    return ()
