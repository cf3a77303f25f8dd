"""A sound reward has nothing to correct, and each mistake is found by its own line."""

import pytest

from vlm_rewards.checks import check_reward
from vlm_rewards.goals import Goal, NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig

BOTH = NegativesSpec(kind="goals_and_states")


def tasks_of(*subjects, captions=()):
    goals = tuple(Goal(id=f"goal{index}", subject=words, instruction=words) for index, words in enumerate(subjects))
    return TaskSet(name="test", version=1, goals=goals, unachieved_captions=captions)


def found(config, tasks):
    return [str(finding) for finding in check_reward(config, tasks)]


def test_a_sound_reward_has_nothing_to_correct():
    config = RewardConfig(model="fake", template="a photo of [TASK]", negatives=BOTH, tau=0.05, beta=0.9)
    lines = found(config, tasks_of("a ball", "a box", captions=("a photo of a room",)))
    assert not [line for line in lines if line.startswith("fail")], lines
    assert any("every goal can be paid" in line for line in lines)
    assert any("of a grey picture the highest score is" in line for line in lines)
    assert any("ms alone" in line and "MiB of memory" in line for line in lines)


@pytest.mark.parametrize(
    ("changes", "tasks", "says"),
    [
        ({"model": "pocket-nothing"}, tasks_of("a ball", "a box"), "fail  model 'pocket-nothing'"),
        ({"beta": 1.0}, tasks_of("a ball", "a box"), "fail  beta is 1"),
        ({"beta": 0.0}, tasks_of("a ball", "a box"), "fail  beta is 0"),
        (
            {"negatives": BOTH},
            tasks_of("a ball", "a box", captions=("A  photo of a BALL",)),
            "fail  the negatives of goal 'goal0' contain the goal itself",
        ),
        # Of two unit vectors no picture is nearer to one than they are apart: at this tau that is nothing.
        (
            {"tau": 50.0},
            tasks_of("a ball", "a box"),
            "fail  goal 'goal0' is so near to 'a photo of a box' that p is 0.5",
        ),
        ({"beta": 0.001, "tau": 50.0}, tasks_of("a ball", "a box"), "goals are paid; add captions of them (negatives"),
    ],
)
def test_each_mistake_is_found_by_its_own_line(changes, tasks, says):
    values = {"model": "fake", "template": "a photo of [TASK]", "tau": 0.05, "beta": 0.9, **changes}
    lines = found(RewardConfig(**values), tasks)
    assert [line for line in lines if says in line], lines
    assert all("\n" not in line for line in lines)


def test_what_the_model_cannot_read_or_tell_apart_is_named():
    """The pocket CLIP of the phone knows no Japanese: to it these two goals are one."""
    config = RewardConfig(model="pocket-android", template="Screenshot of [TASK]", tau=0.05, beta=0.9)
    lines = found(config, tasks_of("東京", "大阪", "Gmail"))
    assert [
        line for line in lines if line.startswith("warn") and "'Screenshot of 東京'" in line and "every word" in line
    ]
    assert [line for line in lines if line.startswith("warn") and "as one; reword" in line]
    assert lines[-1].startswith("fail  goals 'goal0' and 'goal1' are one to model 'pocket-android'")
