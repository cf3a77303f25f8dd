"""A sound environment has nothing to correct, and each fault is found by its own line."""

import gymnasium as gym
import numpy as np
import pytest

from vlm_rewards.checks import check_environment
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH, VOCAB_SIZE, tokenize
from vlm_rewards.goals import Goal, TaskSet

TASKS = TaskSet(
    name="corridor",
    version=1,
    goals=tuple(
        Goal(id=end, subject=f"the {end} end", instruction=f"go to the {end} end") for end in ("left", "right")
    ),
)


class Corridor(gym.Env):
    """Nine cells in a row, the agent in one of the inner ones; the goal is an end of it."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (as Gymnasium declares it)
    task_set = TASKS
    observation_space = gym.spaces.Dict(
        image=gym.spaces.Box(0, 255, (36, 36, 3), np.uint8),
        goal=gym.spaces.Box(0, VOCAB_SIZE - 1, (GOAL_LENGTH,), np.int64),
    )
    action_space = gym.spaces.Discrete(2)

    def __init__(self, terminate_on_success=True, render_mode=None):
        self.terminate = terminate_on_success
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.goal = TASKS.goals[int(self.np_random.integers(2))]
        self.goal_id = self.goal.id
        self.place = int(self.np_random.integers(2, 7))
        self.shade = int(self.np_random.integers(256))
        self.steps, self.success = 0, False
        return self.observation(), self.info()

    def step(self, action):
        self.place = min(max(self.place + (1 if action else -1), 0), 8)
        self.steps += 1
        first = self.achieved and not self.success
        self.success |= self.achieved
        terminated = self.success and self.terminate
        return self.observation(), self.paid(first), terminated, not terminated and self.steps >= 40, self.info()

    @property
    def achieved(self):
        return self.place == (0 if self.goal_id == "left" else 8)

    def paid(self, first):
        return float(first)

    def picture(self):
        picture = np.full((36, 36, 3), self.shade, np.uint8)
        picture[:, 4 * self.place : 4 * self.place + 4] = (250, 20, 20)
        return picture

    def observation(self):
        return {"image": self.picture(), "goal": tokenize(self.goal.instruction)}

    def reward_frame(self):
        return self.picture()

    def info(self):
        return {"is_success": self.success or self.achieved, "goal_achieved": self.achieved, "goal_id": self.goal_id}


class WithoutTheArgument(Corridor):
    def __init__(self, render_mode=None):
        super().__init__(render_mode=render_mode)


class EndsAnyway(Corridor):
    def __init__(self, terminate_on_success=True, render_mode=None):
        super().__init__(True, render_mode)


class ChangesWithTheFlag(Corridor):
    def picture(self):
        return super().picture() // (2 if self.terminate else 1)


class LooksAreRandom(Corridor):
    def reward_frame(self):
        self.np_random.integers(9)
        return self.picture()

    def step(self, action):
        self.shade = int(self.np_random.integers(256))
        return super().step(action)


class FromElsewhere(Corridor):
    def reset(self, **options):
        observation, info = super().reset(**options)
        self.shade = np.random.default_rng().integers(256)
        return {**observation, "image": self.picture()}, info


class TakesItBack(Corridor):
    def info(self):
        return {**super().info(), "is_success": self.achieved}


class PaysAgain(Corridor):
    def paid(self, first):
        return float(self.achieved)


class TellsTheTruth(Corridor):
    observation_space = gym.spaces.Dict(**Corridor.observation_space.spaces, near=gym.spaces.Discrete(2))

    def observation(self):
        return {**super().observation(), "near": int(self.achieved)}


class OneFrame(Corridor):
    def reward_frame(self):
        return np.zeros((8, 8, 3), np.uint8)


class FloatFrames(Corridor):
    def reward_frame(self):
        return self.picture() / 255


class NoTruth(Corridor):
    def info(self):
        return {"goal_id": self.goal_id}


def found(kind):
    return [str(finding) for finding in check_environment(kind)]


def test_a_sound_environment_has_nothing_to_correct():
    lines = found(Corridor)
    assert not [line for line in lines if line.startswith(("fail", "warn"))], lines
    assert any("reward frames, " in line for line in lines)  # speed
    assert not any("no goal was reached" in line for line in lines)


@pytest.mark.parametrize(
    ("kind", "level", "says"),
    [
        (WithoutTheArgument, "fail", "takes no terminate_on_success"),
        (EndsAnyway, "fail", "terminated though terminate_on_success is False"),
        (ChangesWithTheFlag, "fail", "with terminate_on_success the image at step 0 is another"),
        (LooksAreRandom, "fail", "change nothing in reward_frame()"),
        (FromElsewhere, "fail", "the same seed and actions gave another image at step 0"),
        (TakesItBack, "fail", "is_success was taken back"),
        (PaysAgain, "fail", "reward is not 1 at the first success"),
        (TellsTheTruth, "fail", "also holds ['near']"),
        (OneFrame, "fail", "draw the present state in reward_frame()"),
        (FloatFrames, "fail", "reward_frame() gives float64"),
        (NoTruth, "fail", "info['is_success'] is None"),
    ],
)
def test_each_fault_is_found_by_its_own_line(kind, level, says):
    lines = found(kind)
    assert [line for line in lines if line.startswith(level) and says in line], lines
    assert all("\n" not in line for line in lines)
