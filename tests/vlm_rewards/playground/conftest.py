"""A room with a lamp to step, and a playground that serves a fake model for it."""

import gymnasium as gym
import numpy as np
import pytest

from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.goals import Goal, NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.service.transports.in_process import ModelSource

TASKS = TaskSet(
    name="lamp_room",
    version=1,
    goals=(
        Goal(id="lit", subject="the lamp on", instruction="switch the lamp on"),
        Goal(id="red", subject="a red lamp", instruction="make the lamp red"),
    ),
    unachieved_captions=("a photo of a dark room",),
)
TEMPLATE = "a photo of [TASK]"
ENV_ID = "playground-tests/Lamp-v0"


class LampEnv(gym.Env):
    """Switching the lamp on reaches the goal `lit`; its pictures embed as the captions that describe them."""

    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012 (as Gymnasium declares it)
    action_names = ("tap_0_0", "tap_0_1", "switch", "wait", "break")
    actions = 5
    task_set = TASKS

    def __init__(self, terminate_on_success=True, render_mode=None):
        self.render_mode = render_mode
        self.observation_space = gym.spaces.Dict()
        self.action_space = gym.spaces.Discrete(self.actions)
        self.closed = False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.goal_id = (options or {}).get("goal_id", "lit")
        self.lit = False
        self.steps = 0
        return {}, self._info()

    def step(self, action):
        if action == 4:
            raise ZeroDivisionError("the lamp broke")
        self.lit = self.lit or action == 2
        self.steps += 1
        return {}, 0.0, False, self.steps >= 6, self._info()

    def reward_frame(self):
        return FakeEncoder().frame_of("a photo of the lamp on" if self.lit else "a photo of a dark room")

    def render(self):
        return np.full((40, 60, 3), 255 if self.lit else 20, np.uint8)

    def close(self):
        self.closed = True

    def _info(self):
        achieved = self.lit and self.goal_id == "lit"
        return {"is_success": achieved, "goal_achieved": achieved, "goal_id": self.goal_id}


@pytest.fixture(scope="package", autouse=True)
def lamp():
    """Registers the environment for this package's tests."""
    gym.register(ENV_ID, LampEnv, disable_env_checker=True, order_enforce=False)
    yield
    del gym.registry[ENV_ID]


@pytest.fixture(scope="package")
def lamp_model():
    negatives = NegativesSpec(kind="goals_and_states")
    return ModelSource(RewardConfig(model="fake", template=TEMPLATE, negatives=negatives, tau=0.1, beta=0.6), TASKS)


@pytest.fixture(scope="package")
def served(lamp_model):
    """A running playground with one model and one environment that works, and one that there is not."""
    from vlm_rewards.playground.server import Playground

    with Playground({"lamp-model": lamp_model}, [ENV_ID, "playground-tests/None-v0"]) as playground:
        yield playground
