"""Gymnasium's CartPole-v1 for agents that see a picture and a goal in words."""

import math
import operator
from typing import Any, SupportsIndex

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from envs.control.gauges import COLUMNS, ROWS_PER_LINE, draw_gauges, read_gauges
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH, VOCAB_SIZE, tokenize
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import Goal, TaskSet
from vlm_rewards.strict_config import near_matches

MAX_EPISODE_STEPS = 500
"""Gymnasium's own limit."""

SOLVED_STEPS = 475
"""Gymnasium's own threshold: the mean return from which on CartPole-v1 counts as solved."""

STATE_LIMITS = (2.5, 4.0, 0.3, 4.0)
"""Half the ranges in which the state is drawn: cart, m; its speed, m/s; pole, rad; its speed, rad/s. Episodes end
beyond 2.4 m and 0.2095 rad."""

_RENDER_SIZE = (240, 352)
_SMOOTHING = 4
_SKY, _TRACK, _CART, _POLE, _AXLE = (245, 246, 248), (120, 124, 132), (40, 44, 52), (202, 152, 101), (129, 132, 203)


class CartPoleEnv(gym.Env[dict[str, np.ndarray], np.int64]):
    """A cart that is pushed to the left or the right so that the pole on it stays up.

    Physics, rewards, limits and first states are those of Gymnasium's CartPole-v1, which is stepped inside. Implements
    `vlm_rewards.rllib.RewardableEnv`, but for its reward, which is paid while the goal is being kept, and not once.

    Observation: `image` uint8 (8, 32, 3), the four numbers of the state as positions of light on four lines
    (`envs.control.gauges`), from which `read_state` reads them back; so one picture says all that there is to know.
    `goal` int64 (12,), hashed words of the instruction, always the same.
    Action: 0 pushes to the left, 1 to the right, for 0.02 simulated seconds.
    Reward: Gymnasium's own, 1 a step, the last included: a return is an episode's length, 500 at most.
    Episode: it terminates when the pole leans by more than 12 degrees or the cart is more than 2.4 m from the middle,
    and is truncated after `max_episode_steps`. Success ends none, whatever `terminate_on_success` says: an agent that
    keeps the pole up must be able to show a return of 500.
    Info: `is_success`, whether the episode has lasted for 475 steps; `goal_achieved`, the same; `goal_id`.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 (as Gymnasium declares it)

    def __init__(
        self,
        split: str = "train",
        goal_id: str | None = None,
        reward_size: tuple[int, int] = (96, 144),
        max_episode_steps: int = MAX_EPISODE_STEPS,
        terminate_on_success: bool = True,
        render_mode: str | None = None,
    ) -> None:
        """Build an environment.

        Args:
            split: `train`; there are no held-out goals.
            goal_id: `cart_pole.up` or None, which mean the same.
            reward_size: (height, width) of `reward_frame()`, pixels, 16 to 480.
            max_episode_steps: Time limit, 1 to 500. Below 475 no episode can succeed.
            terminate_on_success: Taken, since every environment here is told, and ignored: success ends no episode.
            render_mode: `rgb_array` or None.

        Raises:
            ConfigError: An argument is not acceptable.
        """
        self._env: gym.Env[Any, Any] | None = None
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"render_mode {render_mode!r} does not exist; use 'rgb_array' or None")
        if len(reward_size) != 2 or not all(16 <= side <= 480 for side in reward_size):
            raise ConfigError(f"reward_size is {reward_size}; give (height, width) between 16 and 480 pixels")
        if not 1 <= max_episode_steps <= MAX_EPISODE_STEPS:
            raise ConfigError(f"max_episode_steps is {max_episode_steps}; give 1 to {MAX_EPISODE_STEPS}")
        self.task_set = TaskSet.named("control_cart_pole")
        if split != "train":
            raise ConfigError(f"CartPole has no goals in the split {split!r}; use 'train'")
        self._goal: Goal = self.task_set.goals[0]
        self._check_goal(goal_id)
        self.render_mode = render_mode
        self._reward_size = reward_size
        self._tokens = tokenize(self._goal.instruction)
        self.observation_space = gym.spaces.Dict(
            image=gym.spaces.Box(0, 255, (len(STATE_LIMITS) * ROWS_PER_LINE, COLUMNS, 3), np.uint8),
            goal=gym.spaces.Box(0, VOCAB_SIZE - 1, (GOAL_LENGTH,), np.int64),
        )
        self.action_space = gym.spaces.Discrete(2)
        self._env = gym.make("CartPole-v1", disable_env_checker=True, max_episode_steps=max_episode_steps)
        self._state: npt.NDArray[np.float32] | None = None
        self._steps = 0
        self._running = False

    @property
    def goal_id(self) -> str:
        """Id of the only goal."""
        return self._goal.id

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the actions, in order."""
        return ("push_left", "push_right")

    @property
    def state(self) -> npt.NDArray[np.float32]:
        """Gymnasium's state, float32 (4,): cart (m), its speed (m/s), pole (rad), its speed (rad/s).

        Raises:
            gymnasium.error.ResetNeeded: no episode has begun.
        """
        if self._state is None:
            raise gym.error.ResetNeeded("no episode has begun; call reset() first")
        return self._state.copy()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start an episode: all four numbers are drawn from -0.05 to 0.05, by Gymnasium.

        Args:
            seed: The same seed gives the same episodes from here on, bit by bit.
            options: `goal_id`, the only goal's, changes nothing.

        Raises:
            ConfigError: An option is not acceptable.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        super().reset(seed=seed)
        options = options or {}
        unknown = sorted(set(options) - {"goal_id"})
        if unknown:
            raise ConfigError(f"unknown reset options {unknown}; use 'goal_id'")
        self._check_goal(options.get("goal_id"))
        self._state, _ = self._live.reset(seed=seed)
        self._steps, self._running = 0, True
        return self._observation(), self._info()

    def step(self, action: SupportsIndex) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Push the cart for 0.02 simulated seconds.

        Args:
            action: 0 or 1, as any whole number: Python's, NumPy's or torch's.

        Returns:
            Observation, reward (1.0), terminated, truncated, info.

        Raises:
            gymnasium.error.InvalidAction: neither 0 nor 1.
            gymnasium.error.ResetNeeded: the episode is over, or none has begun.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
        """
        try:
            index = operator.index(action)
        except TypeError:  # a float, an array of several
            index = -1
        if index not in (0, 1):
            raise gym.error.InvalidAction(f"action {action!r} is neither 0 (push to the left) nor 1 (to the right)")
        env = self._live
        if not self._running:
            raise gym.error.ResetNeeded("the episode is over or has not begun; call reset() before step()")
        self._state, reward, fell, late, _ = env.step(index)
        self._steps += 1
        terminated = bool(fell)
        truncated = bool(late) and not terminated
        self._running = not (terminated or truncated)
        return self._observation(), float(reward), terminated, truncated, self._info()

    def reward_frame(self) -> npt.NDArray[np.uint8]:
        """Draw cart, pole and track: uint8 (h, w, 3) of `reward_size`.

        Raises:
            gymnasium.error.ResetNeeded: no episode has begun.
        """
        return self._drawn(self._reward_size)

    def achieved_goals(self) -> list[str]:
        """Return the goal's id where the episode has lasted for 475 steps, else nothing: ground truth."""
        return [self.goal_id] if self._steps >= SOLVED_STEPS else []

    def render(self) -> npt.NDArray[np.uint8]:  # type: ignore[override]  # Gymnasium leaves the type open
        """Return a picture for people, uint8 (328, 352, 3): the cart, and below it what the agent sees, enlarged.

        Raises:
            gymnasium.error.ResetNeeded: no episode has begun.
        """
        seen = self._observation()["image"]
        scale = _RENDER_SIZE[1] // seen.shape[1]
        return np.concatenate([self._drawn(_RENDER_SIZE), np.kron(seen, np.ones((scale, scale, 1), np.uint8))])

    def close(self) -> None:
        """Close Gymnasium's environment; safe to call twice."""
        if self._env is not None:
            self._env.close()
            self._env = None

    def _check_goal(self, goal_id: str | None) -> None:
        if goal_id not in (None, self._goal.id):
            raise ConfigError(f"CartPole has no goal {goal_id!r}; {near_matches(str(goal_id), [self._goal.id])}")

    def _observation(self) -> dict[str, np.ndarray]:
        return {"image": draw_gauges(self.state.tolist(), STATE_LIMITS), "goal": self._tokens.copy()}

    def _info(self) -> dict[str, Any]:
        solved = self._steps >= SOLVED_STEPS
        return {"is_success": solved, "goal_achieved": solved, "goal_id": self.goal_id}

    def _drawn(self, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Draw the state as seen from the side; 4.8 m of track fill the width."""
        place, _, angle, _ = self.state.tolist()
        height, width = (side * _SMOOTHING for side in size)
        metre = width / 4.8
        ground = 0.75 * height
        x, axle = width / 2 + place * metre, ground - 0.24 * metre
        # The pole is 1 m long, as in the physics; the cart's size is Gymnasium's.
        tip = (x + math.sin(angle) * metre, axle - math.cos(angle) * metre)
        picture = Image.new("RGB", (width, height), _SKY)
        pen = ImageDraw.Draw(picture)
        pen.line((0, ground, width, ground), fill=_TRACK, width=max(1, round(0.02 * metre)))
        pen.rectangle((x - 0.2 * metre, axle, x + 0.2 * metre, ground), fill=_CART)
        pen.line((x, axle, *tip), fill=_POLE, width=max(1, round(0.08 * metre)))
        radius = 0.05 * metre
        pen.ellipse((x - radius, axle - radius, x + radius, axle + radius), fill=_AXLE)
        return np.array(picture.resize((size[1], size[0]), Image.Resampling.BOX))

    @property
    def _live(self) -> gym.Env[Any, Any]:
        if self._env is None:
            raise gym.error.ClosedEnvironmentError("the environment is closed; build a new one")
        return self._env


def read_state(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return the state that an observation's picture shows.

    Args:
        image: uint8 (8, 32, 3).

    Returns:
        float64 (4,): cart (m), its speed (m/s), pole (rad), its speed (rad/s), each clipped to `STATE_LIMITS` and
        within 0.01 % of its range.
    """
    return read_gauges(image, STATE_LIMITS)
