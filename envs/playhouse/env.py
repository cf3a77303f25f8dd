"""The playhouse as a Gymnasium environment that can be rewarded from pictures."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Literal

import gymnasium as gym
import mujoco
import numpy as np

from envs.playhouse.actions import ActionMap, make_action_map
from envs.playhouse.agent import Agent
from envs.playhouse.asset_pack import load_pack
from envs.playhouse.catalog import CATEGORIES
from envs.playhouse.catalog.category import Category
from envs.playhouse.episode import FAR_APART, NEAR_APART, Episode, EpisodeSampler
from envs.playhouse.errors import ImpossibleGoalError, PlayhouseError, UnknownNameError
from envs.playhouse.goals import PlayhouseGoal
from envs.playhouse.ground_truth import GroundTruth
from envs.playhouse.home import generate_home
from envs.playhouse.model import PlayhouseModel, build_model
from envs.playhouse.pictures import dashboard
from envs.playhouse.presets import FAMILIES, Family, Preset, home_seeds, load_preset
from envs.playhouse.renderer import MAX_SIZE, Renderer
from envs.playhouse.scene import Scene
from envs.playhouse.task_sets import held_out_pairs, load_task_set
from vlm_rewards.environment.goal_tokens import GOAL_LENGTH, VOCAB_SIZE, tokenize
from vlm_rewards.errors import ConfigError, NotCopyableError, VLMRewardsError
from vlm_rewards.goals import TaskSet

# MuJoCo would append its warnings to a file in the working folder.
mujoco.set_mju_user_warning(logging.getLogger(__name__).warning)
_DIVERGED = (mujoco.mjtWarning.mjWARN_BADQPOS, mujoco.mjtWarning.mjWARN_BADQVEL, mujoco.mjtWarning.mjWARN_BADQACC)


class PlayhouseEnv(gym.Env[dict[str, np.ndarray], Any]):
    """An egocentric agent in a furnished home, with one language goal an episode.

    Implements `vlm_rewards.rllib.RewardableEnv`. The reward is 1.0 at the step where the goal first holds, else 0.

    Attributes:
        preset: What homes and episodes are drawn from.
        family: "find", "lift" or "pick_place".
        task_set: Goals of both splits.
        episode: The present episode.
        scene, agent, truth: the simulation, for scripted policies and tests; no learner may look at them.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (as Gymnasium declares it)

    def __init__(
        self,
        family: Family = "find",
        preset: str | Preset = "small",
        split: Literal["train", "held_out"] = "train",
        goal_id: str | None = None,
        observation_size: tuple[int, int] = (64, 64),
        reward_size: tuple[int, int] = (96, 96),
        max_episode_steps: int | None = None,
        terminate_on_success: bool = True,
        actions: Literal["discrete", "continuous"] = "discrete",
        asset_pack: str | None = None,
        near_starts: float = 0.0,
        homes: Literal["train", "held_out"] | None = None,
        render_mode: str | None = None,
    ) -> None:
        """Build an environment; the model and the GL context are shared with others of the same preset.

        Args:
            family: Which goals are drawn.
            preset: Name of a packaged preset, path of a YAML file, or a `Preset`.
            split: Which goals, and which homes unless `homes` says otherwise: "train" or "held_out".
            goal_id: Always this goal, instead of a drawn one; need not be in the task set.
            observation_size: (height, width) of the policy's picture, pixels, 16 to 480.
            reward_size: (height, width) of `reward_frame()`, pixels, 16 to 480.
            max_episode_steps: Time limit; None takes the preset's.
            terminate_on_success: End the episode when the goal first holds.
            actions: Discrete or continuous action space.
            asset_pack: Folder of external meshes that replace or add categories.
            near_starts: Share of the episodes that begin near the thing, in [0, 1]: exploring starts for training. In
                Find with it in the picture, a few steps away; in Lift and Pick and Place, whose random policy never
                gets to grab anything, half of them so and half within reach of it. In Pick and Place what it is
                carried to stands near, too.
            homes: Homes of another split than the goals', to tell apart which of the two an agent fails at; None takes
                those of `split`.
            render_mode: None or "rgb_array".

        Raises:
            ConfigError: An argument is not acceptable (`UnknownNameError`, `ImpossibleGoalError`, `AssetPackError`).
            GLDriverError: There is no GL driver.
        """
        self._renderer: Renderer | None = None
        if family not in FAMILIES:
            raise UnknownNameError.of("goal family", family, FAMILIES)
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"render_mode {render_mode!r} does not exist; use 'rgb_array' or None")
        for name, size in (("observation_size", observation_size), ("reward_size", reward_size)):
            if len(size) != 2 or not all(16 <= side <= MAX_SIZE for side in size):
                raise ConfigError(f"{name} is {size}; give (height, width) between 16 and {MAX_SIZE} pixels")
        if not 0 <= near_starts <= 1:
            raise ConfigError(f"near_starts is {near_starts}; give a share of the episodes, 0 to 1")
        self.preset = load_preset(preset) if isinstance(preset, str) else preset
        self.family: Family = family
        self.render_mode = render_mode
        pack = load_pack(asset_pack) if asset_pack else {}
        names = self.preset.category_names(tuple(pack))
        self.pack_names = tuple(pack)
        self._seeds = home_seeds(self.preset, homes or split)
        self.task_set: TaskSet = load_task_set(self.preset, family, pack)
        categories = {name: pack.get(name) or CATEGORIES[name] for name in names}
        self._goals = [goal.id for goal in self.task_set.split(split)]
        self._known_goals = frozenset(goal.id for goal in self.task_set.all_goals)
        if goal_id is not None:
            goal = PlayhouseGoal.from_id(goal_id, categories)
            if goal.family != family:
                raise ConfigError(f"goal {goal_id!r} is not of the family {family!r}; pass family={goal.family!r}")
            self._goals = [goal_id]
        hidden = held_out_pairs(self.preset, names) if split == "train" else frozenset()
        pairs = [(name, colour) for name in names for colour in self.preset.colour_names]
        self._sampler = EpisodeSampler(self.preset, categories, [pair for pair in pairs if pair not in hidden])
        self._categories = categories
        self._sizes = (observation_size, reward_size)
        self._limit = max_episode_steps or self.preset.max_episode_steps[family]
        self._terminate = terminate_on_success
        self._near_starts = near_starts
        self._map: ActionMap = make_action_map(actions, self.preset.action_sets[family])
        self.action_space = self._map.space
        self.observation_space = gym.spaces.Dict(
            image=gym.spaces.Box(0, 255, (*observation_size, 3), np.uint8),
            goal=gym.spaces.Box(0, VOCAB_SIZE - 1, (GOAL_LENGTH,), np.int64),
        )
        compiled = _compile(self.preset, asset_pack)
        self._renderer = Renderer.acquire(compiled)
        self.scene = Scene(compiled)
        self.agent = Agent(self.scene)
        self.truth = GroundTruth(self.scene, self.agent)
        self.episode: Episode | None = None
        self._steps = 0
        self._success = False
        self._running = False

    @property
    def goal_id(self) -> str:
        """Goal of the present episode."""
        return self._episode.goal.id

    def lift_time_limit(self) -> None:
        """End no episode for its length: something outside does."""
        self._limit = sys.maxsize

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Refuse to be copied.

        Raises:
            NotCopyableError: Always.
        """
        raise NotCopyableError(
            "a home with its GL context can be neither copied nor pickled: make another with gymnasium.make and the "
            "same seed, and hand functions that make environments to other processes"
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Start an episode.

        Args:
            seed: The same seed gives the same episodes from here on, bit by bit.
            options: `goal_id` and `home_seed` fix these for one episode.

        Raises:
            ConfigError: An option is not acceptable.
        """
        super().reset(seed=seed)
        result: tuple[dict[str, np.ndarray], dict[str, Any]] = self._guarded(self._reset, options or {})
        return result

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Take one step of 0.2 simulated seconds.

        Where the physics diverges, as it may where things are carried into each other, the episode is truncated in the
        state before the step, with a warning.

        Raises:
            ActionError: The action is not in the action space.
            gymnasium.error.ResetNeeded: the episode is over, or none has begun.
            gymnasium.error.ClosedEnvironmentError: the environment is closed.
            PlayhouseError: The simulation failed; the environment has closed itself.
        """
        command = self._map.command(action)
        if not self._running and self._renderer is not None:
            raise gym.error.ResetNeeded("the episode is over or has not begun; call reset() before step()")
        result: tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]] = self._guarded(self._step, command)
        return result

    def reward_frame(self) -> np.ndarray:
        """Return the present state as the reward model sees it: uint8 (h, w, 3), drawn anew at `reward_size`."""
        return self._eye(self._sizes[1])

    def achieved_goals(self) -> list[str]:
        """Return the ids of all goals of the task set that hold in the present state: ground truth.

        Raises:
            ConfigError: Of Pick and Place, whose truth is kept for the two things of the episode's goal alone.
        """
        if self.family == "pick_place":
            raise ConfigError(
                "the playhouse knows of one goal an episode whether it holds in Pick and Place, not of all"
            )
        pairs = {
            (thing.category, thing.colour)
            for slot, thing in enumerate(self.scene.things)
            if self.truth.holds(self.family, slot, None)
        }
        goals = [PlayhouseGoal(self.family, pair).id for pair in sorted(pairs)]
        return [goal_id for goal_id in goals if goal_id in self._known_goals]

    def not_yet_captions(self, goal_id: str) -> tuple[str, ...]:
        """Return captions of views in which a goal's thing is there but the goal does not hold; they teach the eye."""
        return PlayhouseGoal.from_id(goal_id, self._categories).not_yet_captions()

    def render(self) -> np.ndarray:  # type: ignore[override]  # Gymnasium leaves the type open
        """Return a picture for people, uint8 (480, 800, 3): the agent's view, the home from above, and the goal."""
        held = self.agent.held
        holding = (
            "nothing" if held is None else f"a {self.scene.things[held].colour} {self.scene.things[held].category}"
        )
        state = "reached" if self.success else "not reached yet"
        note = f"step {self.steps}   holding {holding}   goal {state}"
        return dashboard(self.view((400, 400)), self.map(400), self.instruction, note)

    @property
    def instruction(self) -> str:
        """The goal in words, as the policy is told."""
        return self._episode.goal.worded().instruction

    @property
    def steps(self) -> int:
        """Steps taken in this episode."""
        return self._steps

    @property
    def success(self) -> bool:
        """Whether the goal has been reached in this episode."""
        return self._success

    @property
    def action_names(self) -> tuple[str, ...]:
        """Names of the discrete actions, in order; empty for the continuous space."""
        return self._map.names

    def view(self, size: tuple[int, int]) -> np.ndarray:
        """Return what the agent sees, at any size up to 480: uint8 (h, w, 3)."""
        return self._eye(size)

    def map(self, size: int) -> np.ndarray:
        """Return the home from above: uint8 (size, size, 3)."""
        rooms = self._episode.home.rooms
        x0, x1 = min(r.x0 for r in rooms), max(r.x1 for r in rooms)
        y0, y1 = min(r.y0 for r in rooms), max(r.y1 for r in rooms)
        centre = ((x0 + x1) / 2, (y0 + y1) / 2)
        return self._live_renderer.map(self.scene.model, self.scene.data, centre, max(x1 - x0, y1 - y0), size)

    def close(self) -> None:
        """Give the GL context back; safe to call twice."""
        if self._renderer is not None:
            self._renderer.release()
            self._renderer = None

    def _reset(self, options: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        unknown = set(options) - {"goal_id", "home_seed"}
        if unknown:
            raise ConfigError(f"unknown reset options {sorted(unknown)}; use 'goal_id' and 'home_seed'")
        rng = self.np_random
        drawn = self._goals[int(rng.integers(len(self._goals)))]
        goal = PlayhouseGoal.from_id(options.get("goal_id", drawn), self._categories)
        if goal.family != self.family:
            raise ConfigError(f"goal {goal.id!r} is not of the family {self.family!r}; build another environment")
        near = bool(self._near_starts) and rng.random() < self._near_starts
        for attempt in range(8):
            drawn_seed = self._seeds[int(rng.integers(len(self._seeds)))]
            home = generate_home(self.preset, int(options.get("home_seed", drawn_seed)))
            try:
                self.episode = self._sampler.draw(rng, home, goal, NEAR_APART if near else FAR_APART)
                break
            except ImpossibleGoalError:
                if "home_seed" in options or attempt == 7:
                    raise
        self.scene.load(self._episode.home, self._episode.things)
        self.agent.reset()
        if near:
            reach = self.family != "find" and rng.random() < 0.5
            nearer = self._sampler.within_reach if reach else self._sampler.within_sight
            self.episode = nearer(rng, self._episode)
        self.scene.place_agent(*self._episode.start, self._episode.gaze)
        self._steps, self._success, self._running = 0, False, True
        self._tokens = tokenize(self.instruction)
        return self._observation(), self._info(self._holds())

    def _step(self, command: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        before = self.agent.save()
        self.agent.act(command)
        diverged = any(self.scene.data.warning[kind].number for kind in _DIVERGED)
        if diverged:
            # MuJoCo has put everything where no episode is.
            self.agent.restore(before)
            gym.logger.warn(
                f"the physics diverged in step {self._steps + 1} of {self.goal_id} in home {self._episode.home.seed}; "
                "the episode ends in the state before, as at its time limit"
            )
        self._steps += 1
        holds = self._holds()
        first = holds and not self._success
        self._success = self._success or holds
        terminated = self._terminate and self._success
        truncated = (diverged or self._steps >= self._limit) and not terminated
        self._running = not (terminated or truncated)
        return self._observation(), float(first), terminated, truncated, self._info(holds)

    def _holds(self) -> bool:
        return self.truth.holds(self.family, 0, 1 if self._episode.goal.other else None)

    def _observation(self) -> dict[str, np.ndarray]:
        return {"image": self._eye(self._sizes[0]), "goal": self._tokens.copy()}

    def _info(self, holds: bool) -> dict[str, Any]:
        return {"is_success": self._success or holds, "goal_achieved": holds, "goal_id": self.goal_id}

    def _eye(self, size: tuple[int, int]) -> np.ndarray:
        return self._live_renderer.eye(self.scene.model, self.scene.data, [size])[0]

    @property
    def _episode(self) -> Episode:
        if self.episode is None:
            raise gym.error.ResetNeeded("no episode has begun; call reset() first")
        return self.episode

    @property
    def _live_renderer(self) -> Renderer:
        if self._renderer is None:
            raise gym.error.ClosedEnvironmentError("the environment is closed; build a new one")
        return self._renderer

    def _guarded(self, method: Callable[[Any], Any], argument: Any) -> Any:
        """Run a step or a reset; give the GL context back where the simulation fails."""
        assert self._live_renderer is not None
        try:
            return method(argument)
        except PlayhouseError:
            self.close()
            raise
        except VLMRewardsError:
            raise
        except Exception as error:
            self.close()
            raise PlayhouseError(
                f"the simulation failed ({type(error).__name__}: {error}); the environment has closed itself"
            ) from error


@lru_cache(maxsize=4)
def _compile_names(
    names: tuple[str, ...], pack: str | None, object_slots: int, furniture_slots: int, antialiasing: int
) -> PlayhouseModel:
    extra: dict[str, Category] = load_pack(pack) if pack else {}
    categories = [extra.get(name) or CATEGORIES[name] for name in names]
    return build_model(categories, object_slots, furniture_slots, antialiasing)


def _compile(preset: Preset, pack: str | None) -> PlayhouseModel:
    """Return the preset's compiled model; a process keeps the last four."""
    names = preset.category_names(tuple(load_pack(pack)) if pack else ())
    return _compile_names(names, pack, preset.objects, preset.furniture_slots, preset.antialiasing)
