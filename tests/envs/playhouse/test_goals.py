import pytest

from envs.playhouse.errors import ImpossibleGoalError, UnknownNameError
from envs.playhouse.goals import PlayhouseGoal
from envs.playhouse.presets import FAMILIES, load_preset, preset_names
from envs.playhouse.task_sets import held_out_pairs, load_task_set, pairs_of, write_task_sets
from vlm_rewards.environment.goal_tokens import tokenize
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import PromptTemplate
from vlm_rewards.goals.task_set import TASK_SETS


@pytest.mark.parametrize(
    ("goal_id", "instruction", "caption"),
    [
        ("find.green.roll", "Go near a green roll", "a photo of a green roll close up"),
        ("lift.blue.mug", "Lift a blue mug", "a photo of a person's view holding a blue mug"),
        (
            "pick_place.any.table_lamp.any.plane",
            "Put a table lamp next to a plane",
            "a photo of a table lamp next to a plane",
        ),
        ("find.orange.umbrella", "Go near an orange umbrella", "a photo of an orange umbrella close up"),
    ],
)
def test_goals_read_as_in_the_paper(goal_id, instruction, caption):
    goal = PlayhouseGoal.from_id(goal_id)
    assert goal.id == goal_id
    assert goal.worded().instruction == instruction
    assert PromptTemplate(text="a photo of [TASK]").fill(goal.worded()) == caption


@pytest.mark.parametrize(
    ("goal_id", "error", "message"),
    [
        ("find.green.rol", UnknownNameError, r"unknown category 'rol'.*roll"),
        ("find.grean.roll", UnknownNameError, r"unknown colour 'grean'.*green"),
        ("fetch.green.roll", UnknownNameError, "unknown goal family 'fetch'"),
        ("lift.mug", ConfigError, "does not read FAMILY.COLOUR.CATEGORY"),
        ("pick_place.red.mug.red.mug", ImpossibleGoalError, "next to itself"),
        ("pick_place.any.mug.red.mug", ImpossibleGoalError, "next to itself"),
    ],
)
def test_goals_that_cannot_be_are_refused(goal_id, error, message):
    with pytest.raises(error, match=message):
        PlayhouseGoal.from_id(goal_id)


def test_the_packaged_task_sets_are_the_drawn_ones(tmp_path):
    for path in write_task_sets([load_preset(name) for name in preset_names()], tmp_path):
        assert path.read_text() == (TASK_SETS / path.name).read_text(), "wording or names changed: raise the version"


@pytest.mark.parametrize("family", FAMILIES)
def test_held_out_goals_name_pairs_that_training_goals_never_name(family):
    preset = load_preset("small")
    task_set = load_task_set(preset, family)
    hidden = held_out_pairs(preset, preset.category_names())
    assert task_set.version >= 1
    for split, expected in (("train", False), ("held_out", True)):
        goals = [PlayhouseGoal.from_id(goal.id) for goal in task_set.split(split)]
        assert len(goals) >= 20
        for goal in goals:
            assert goal.worded() == task_set.goal(goal.id)
            assert all((pair in hidden) is expected for pair in pairs_of(goal))
            tokenize(goal.worded().instruction)


def test_training_still_meets_every_category_and_colour():
    preset = load_preset("full")
    goals = [PlayhouseGoal.from_id(goal.id) for goal in load_task_set(preset, "find").goals]
    assert {goal.thing[0] for goal in goals} == set(preset.category_names())
    assert {goal.thing[1] for goal in goals} == set(preset.colour_names)


def test_captions_of_states_not_yet_reached_come_with_the_goals():
    captions = load_task_set(load_preset("small"), "find").unachieved_captions
    assert "a photo of a red mug far away in a room" in captions
    assert "a photo of an empty room" in captions


def test_what_is_held_or_still_far_from_the_other_thing_is_not_placed_yet():
    captions = load_task_set(load_preset("small"), "pick_place").unachieved_captions
    assert "a photo of an orange rocket alone in a room" in captions
    assert "a photo of an orange rocket and a pink roll far from each other" in captions
    assert "a photo of a person's view holding an orange rocket" in captions
