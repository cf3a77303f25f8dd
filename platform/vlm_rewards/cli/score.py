"""`vlm-rewards score`: what a reward pays for each picture of a folder."""

import csv
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import typer

from vlm_rewards.cli.pictures import pictures_in, read_picture
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import Goal, NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.reward_preset import RewardPreset
from vlm_rewards.time_left import TimeLeft

# Of how far it is.
_SECONDS_BETWEEN_LINES = 5.0


def score_folder(
    folder: Path,
    preset: RewardPreset,
    goals: Sequence[str],
    negatives: Sequence[str],
    template: str | None,
    table: Path | None,
    quiet: bool = False,
) -> bool:
    """Print a line a picture: its best goal, the score and the reward.

    Args:
        folder: A folder of PNG and JPEG files, or one of them.
        preset: The reward.
        goals: Ids of its goals; all of them if empty. With `negatives`, words of one's own instead.
        negatives: Captions that goals in words compete with.
        template: Put around the words of goals, instead of the preset's.
        table: A CSV file to write, a row a picture and a column a goal.
        quiet: Do not say on standard error how far it is.

    Returns:
        Whether every picture could be read.

    Raises:
        ConfigError: No pictures, or goals that cannot be used.
    """
    paths = pictures_in(folder)
    preset = _with_words(preset, goals, negatives, template) if negatives or template else preset
    tasks = preset.tasks
    ids = [goal.id for goal in tasks.all_goals]
    chosen = ids if not goals else [f"goal_{index}" for index in range(len(goals))] if negatives else list(goals)
    for goal_id in chosen:
        tasks.goal(goal_id)
    model = RewardModel(preset.reward, tasks)
    kept: list[tuple[Path, npt.NDArray[np.float32]]] = []
    left, said = TimeLeft(len(paths)), time.monotonic()
    for done, path in enumerate(paths):
        if not quiet and time.monotonic() - said > _SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            typer.echo(f"{done:,} of {len(paths):,} pictures, {left.text(done)}", err=True)
        try:
            frame = read_picture(path)
        except ConfigError as error:
            typer.echo(f"left out: {error}", err=True)
            continue
        row = model.score_all(frame[None], chosen)[0]
        kept.append((path, row))
        best = int(row.argmax())
        (reward,) = model.reward(row[best : best + 1])
        typer.echo(f"{row[best]:8.4f}  reward {reward:g}  {tasks.goal(chosen[best]).subject}  {path.name}")
    if table is not None:
        with table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["picture", *(tasks.goal(goal_id).subject for goal_id in chosen)])
            writer.writerows([path.name, *(f"{value:.6g}" for value in row)] for path, row in kept)
    return len(kept) == len(paths)


def _with_words(
    preset: RewardPreset, goals: Sequence[str], negatives: Sequence[str], template: str | None
) -> RewardPreset:
    changed = preset.reward
    values = {name: getattr(changed, name) for name in changed.model_fields_set}
    if template:
        values["template"] = template
    if not negatives:
        return RewardPreset(reward=type(changed)(**values), task_set=preset.task_set)
    if not goals:
        raise ConfigError("--negative says what a goal competes with; give --goal with the goal's words")
    values["negatives"] = NegativesSpec(kind="goals_and_states")
    own = tuple(Goal(id=f"goal_{index}", subject=words, instruction=words) for index, words in enumerate(goals))
    tasks = TaskSet(name="own_words", version=1, goals=own, unachieved_captions=tuple(negatives))
    return RewardPreset(reward=type(changed)(**values), task_set=tasks)
