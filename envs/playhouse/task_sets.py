"""Training and held-out goals by preset and family, fixed by name and version.

The packaged sets are files of the library, so that they never change unnoticed and a reward model needs no home;
`python -m envs.playhouse task-sets` writes them. Held-out goals name colour-object pairs that no training episode ever
shows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import yaml

from envs.playhouse.catalog.category import Category
from envs.playhouse.goals import Pair, PlayhouseGoal, empty_captions, wording_version
from envs.playhouse.presets import FAMILIES, Family, Preset, preset_names
from vlm_rewards.goals import TaskSet
from vlm_rewards.goals.task_set import TASK_SETS

#: Share of the colours of each category that is held out.
HELD_OUT_SHARE = 0.2
#: Goals of Pick and Place in the two splits; there are far more pairs of pairs than anyone needs.
PICK_PLACE_GOALS = {"train": 240, "held_out": 60}


def held_out_pairs(preset: Preset, categories: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    """Return colour-object pairs that training never shows; every colour and every category stays in training.

    A pair's fate depends on its own name and its neighbours in the category, not on other categories.
    """
    colours = preset.colour_names
    count = max(1, round(HELD_OUT_SHARE * len(colours)))
    pairs = set()
    for category in categories:
        rng = np.random.default_rng([2312, *category.encode()])
        pairs |= {(category, colours[int(i)]) for i in rng.permutation(len(colours))[:count]}
    return frozenset(pairs)


def draw_task_set(preset: Preset, family: Family, categories: tuple[str, ...]) -> TaskSet:
    """Return the task set of a family, made from the names alone."""
    hidden = held_out_pairs(preset, categories)
    pairs = [(category, colour) for category in categories for colour in preset.colour_names]
    splits: dict[str, list[PlayhouseGoal]] = {"train": [], "held_out": []}
    if family == "pick_place":
        rng = np.random.default_rng(9187)
        seen: set[PlayhouseGoal] = set()
        for split, wanted in PICK_PLACE_GOALS.items():
            pool = [pair for pair in pairs if (pair in hidden) == (split == "held_out")]
            for _ in range(200 * wanted):
                thing, other = (pool[int(i)] for i in rng.integers(len(pool), size=2))
                goal = PlayhouseGoal(family, thing, other)
                if thing[0] != other[0] and goal not in seen and len(splits[split]) < wanted:
                    seen.add(goal)
                    splits[split].append(goal)
    else:
        for pair in pairs:
            splits["held_out" if pair in hidden else "train"].append(PlayhouseGoal(family, pair))
    goals = splits["train"] + splits["held_out"]
    captions = dict.fromkeys([*empty_captions(), *(caption for goal in goals for caption in goal.not_yet_captions())])
    return TaskSet(
        name=_name(preset, family),
        version=wording_version(),
        goals=tuple(goal.worded() for goal in splits["train"]),
        held_out=tuple(goal.worded() for goal in splits["held_out"]),
        unachieved_captions=tuple(captions),
    )


def load_task_set(preset: Preset, family: Family, pack: dict[str, Category] | None = None) -> TaskSet:
    """Return the packaged task set of a preset and family, or a drawn one for presets and packs of your own."""
    if preset.name in preset_names() and not pack:
        return TaskSet.named(_name(preset, family))
    return draw_task_set(preset, family, preset.category_names(tuple(pack or ())))


def _name(preset: Preset, family: Family) -> str:
    return f"playhouse_{family}_{preset.name}"


def write_task_sets(presets: list[Preset], folder: Path = TASK_SETS) -> list[Path]:
    """Write the task sets of all families of these presets; return the files."""
    paths = []
    for preset in presets:
        for family in FAMILIES:
            task_set = draw_task_set(preset, family, preset.category_names())
            path = folder / f"{task_set.name}.yaml"
            body = yaml.safe_dump(task_set.model_dump(mode="json"), sort_keys=False, width=110, default_flow_style=None)
            path.write_text(f"# Written by: python -m envs.playhouse task-sets\n{body}", encoding="utf-8")
            paths.append(path)
    return paths


def pairs_of(goal: PlayhouseGoal) -> list[Pair]:
    """Return the one or two pairs that a goal names."""
    return [goal.thing] + ([goal.other] if goal.other else [])
