"""The reward for whoever does not use RLlib: a wrapper for Gymnasium's vector environments."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv, VectorWrapper
from gymnasium.vector.utils import iterate
from gymnasium.wrappers.vector import DictInfoToList, NormalizeObservation, RecordEpisodeStatistics

from vlm_rewards.environment.vector_env import RewardVectorEnv
from vlm_rewards.errors import ConfigError, InvalidFrameError, NotCopyableError
from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.service.schema import ScoreResult
from vlm_rewards.strict_config import near_matches

Infos = dict[str, Any]
FrameSource = Literal["auto", "reward_frame", "render"] | Callable[[Any], npt.NDArray[np.uint8]]


class ScoringClient(Protocol):
    """What the wrapper needs of a `RewardClient`."""

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> ScoreResult:
        """Score frames; see `RewardClient.score`."""
        ...

    def describe(self) -> RewardDescription:
        """Describe the reward; see `RewardClient.describe`."""
        ...


class VLMRewardVecEnv(VectorWrapper):
    """Replaces the reward of a vector environment by a vision-language model's, and ends episodes where that does.

    Each step sends one request with the frames of all sub-environments that have stepped. Their own reward goes to
    `infos["env_reward"]`, the score to `infos["vlm_score"]`, and `infos["vlm_terminated"]` says where the reward ended
    the episode; each has Gymnasium's mask beside it. An episode that the environment itself ends is over all the same:
    where that would give away the ground truth, configure the environment not to.

    The thresholded form of the reward ends episodes; dense forms leave that to the environment. An episode ended by the
    reward is really over: its sub-environment is reset, through Gymnasium's `reset_mask`.

    | autoreset mode of `env` | of this wrapper |
    |---|---|
    | DISABLED | SAME_STEP: final observations in `infos["final_obs"]`, or DISABLED if `autoreset=False` |
    | NEXT_STEP | NEXT_STEP: the step after an episode's end resets, ignores the action and pays 0 |
    | SAME_STEP | refused: the final state is gone before it can be drawn; use DISABLED |

    With NEXT_STEP, a sub-environment of Gymnasium's own vector environments takes one more step before it is reset
    after an episode that the reward ended; nothing of that step is seen, but a wrapper inside would count it.
    `RewardVectorEnv` has no such step. Gymnasium's wrappers go around this one, and those that count episodes must: one
    inside that would be wrong is refused. To count them take `EpisodeStatistics`: Gymnasium's `RecordEpisodeStatistics`
    (1.2.2) drops the first step of an episode under SAME_STEP.

    Attributes:
        description: Description of the reward, as it was when the wrapper was made.
        metadata: The wrapped environment's, with this wrapper's autoreset mode.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        client: ScoringClient,
        goals: str | Sequence[str] | None = None,
        frames: FrameSource = "auto",
        autoreset: bool = True,
    ) -> None:
        """Wrap `env` and ask the client for the reward's description.

        Args:
            env: A `SyncVectorEnv`, `AsyncVectorEnv` or `RewardVectorEnv`, wrapped or not.
            client: Such as `RewardClient(HttpTransport(...))`.
            goals: One goal for all, one for each sub-environment, or None: the current `goal_id` of each.
            frames: What the reward sees. `reward_frame`: a method of the sub-environments that draws their state;
                `render`: their `rgb_array` rendering; `auto`: the first of the two that they have; or a function from
                batched observations to frames uint8 (num_envs, H, W, 3).
            autoreset: Whether, over a DISABLED `env`, to reset ended episodes; False leaves that to the caller.

        Raises:
            ConfigError: An environment, mode, goal or frame source that cannot be used.
            RewardServiceError: The reward service does not answer.
        """
        super().__init__(env)
        self._mode = _checked_mode(env)
        _check_wrappers(env)
        self._resets = autoreset and self._mode == AutoresetMode.DISABLED
        if self._resets:
            self.metadata = {**env.metadata, "autoreset_mode": AutoresetMode.SAME_STEP}
        self._client = client
        self._frames = _frame_source(env, frames)
        self.description = client.describe()
        if not self.description.agree.is_of_one:
            raise ConfigError("this wrapper judges each state alone; leave reward.head.agree out")
        self._goals = self._checked_goals(goals)
        # Of the step before, with NEXT_STEP: what the env resets by itself, and what only the reward has ended.
        self._over = np.zeros(self.num_envs, np.bool_)
        self._ended = np.zeros(self.num_envs, np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, Infos]:
        """Start episodes; see `VectorEnv.reset`. Of a `reset_mask` in `options`, only those that it names."""
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, np.bool_))
        self._over[mask] = self._ended[mask] = False
        # A copy: Gymnasium's environments take the mask out of the options, which the caller may look into afterwards.
        return self.env.reset(seed=seed, options=None if options is None else dict(options))  # type: ignore[arg-type]  # a list of seeds

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, Infos]:
        """Step, score what the sub-environments show, and resets those whose episode that ends.

        Returns:
            Observations, the model's rewards float64 (num_envs,), terminations and truncations bool (num_envs,), infos.

        Raises:
            ConfigError: A sub-environment has a goal that the reward does not know.
            InvalidFrameError: A sub-environment drew something that is no frame.
            VLMRewardsError: The reward service failed; see `RewardClient.score`.
        """
        observations, env_rewards, terminations, truncations, infos = self.env.step(actions)
        terminations, truncations = np.array(terminations), np.array(truncations)
        fresh = self._over | self._ended
        if self._ended.any() and not self._ends_by_itself:
            observations, reset_infos = self.env.reset(options={"reset_mask": self._ended.copy()})
            infos = _merged(infos, reset_infos, self._ended)
            terminations[self._ended] = truncations[self._ended] = False
        live = np.flatnonzero(~fresh)

        rewards = np.zeros(self.num_envs, np.float64)
        scores = np.zeros(self.num_envs, np.float32)
        ended = np.zeros(self.num_envs, np.bool_)
        if len(live):
            scores[live] = self._client.score(self._drawn(observations, live), self._goal_ids(live)).scores
            rewards[live] = self.description.reward(scores[live])
            if self.description.terminates:
                ended[live] = rewards[live] > 0
        self._over = terminations | truncations
        self._ended = ended & ~self._over
        terminations = terminations | ended
        for key, values in (("env_reward", env_rewards), ("vlm_score", scores), ("vlm_terminated", ended)):
            infos[key], infos["_" + key] = np.where(fresh, 0, values).astype(np.asarray(values).dtype), ~fresh

        if self._mode == AutoresetMode.NEXT_STEP:
            if self._ends_by_itself:
                self.env.unwrapped.end_episodes(np.flatnonzero(self._ended))
            return observations, rewards, terminations, truncations, infos
        self._over[:] = self._ended[:] = False
        done = terminations | truncations
        if self._resets and done.any():
            observations, infos = self._reset_done(observations, infos, done)
        return observations, rewards, terminations, truncations, infos

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle takes along.

        Raises:
            NotCopyableError: The sub-environments are processes: a copy would talk to those of this one.
        """
        if isinstance(self.env.unwrapped, AsyncVectorEnv):
            raise NotCopyableError(
                "a reward over an AsyncVectorEnv can be neither copied nor pickled: its sub-environments are "
                "processes; make another of the same constructors"
            )
        return self.__dict__

    @property
    def _ends_by_itself(self) -> bool:
        """Whether the env has a seam of its own for episodes that are ended from outside."""
        return isinstance(self.env.unwrapped, RewardVectorEnv)

    def _reset_done(self, observations: Any, infos: Infos, done: npt.NDArray[np.bool_]) -> tuple[Any, Infos]:
        final = np.full(self.num_envs, None, dtype=object)
        for index, observation in enumerate(iterate(self.observation_space, observations)):
            if done[index]:
                final[index] = deepcopy(observation)
        observations, reset_infos = self.env.reset(options={"reset_mask": done.copy()})
        merged = _merged(infos, reset_infos, done)
        # These describe the step, of which the reward is part, and not the state that it led to.
        merged.update({key: infos[key] for name in _OURS for key in (name, "_" + name)})
        merged.update(final_obs=final, _final_obs=done.copy(), final_info=infos, _final_info=done.copy())
        return observations, merged

    def _drawn(self, observations: Any, live: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
        if isinstance(self.env.unwrapped, RewardVectorEnv) and self._frames == "reward_frame":
            return self.env.unwrapped.reward_frames(live.tolist())
        if callable(self._frames):
            drawn: Any = self._frames(observations)
        else:
            drawn = _call(self.env, self._frames)
        if len(drawn) != self.num_envs:
            raise InvalidFrameError(f"{len(drawn)} frames for {self.num_envs} sub-environments; return one for each")
        frames = [np.asarray(drawn[index]) for index in live]
        for index, frame in zip(live, frames, strict=True):
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.shape != frames[0].shape:
                raise InvalidFrameError(
                    f"sub-environment {index} drew a frame {frame.dtype} {frame.shape}; all must be uint8 (h, w, 3) "
                    "of one size"
                )
        return np.stack(frames)

    def _goal_ids(self, live: npt.NDArray[np.int64]) -> list[str]:
        if self._goals is not None:
            return [self._goals[index] for index in live]
        if isinstance(self.env.unwrapped, RewardVectorEnv):
            return self.env.unwrapped.goal_ids(live.tolist())
        goals = _call(self.env, "goal_id")
        return [str(goals[index]) for index in live]

    def _checked_goals(self, goals: str | Sequence[str] | None) -> list[str] | None:
        if goals is None:
            return None
        listed = [goals] * self.num_envs if isinstance(goals, str) else list(goals)
        if len(listed) != self.num_envs:
            raise ConfigError(f"{len(listed)} goals for {self.num_envs} sub-environments; give one for each, or one")
        for goal in listed:
            if goal not in self.description.goal_ids:
                raise ConfigError(f"the reward has no goal {goal!r}; {near_matches(goal, self.description.goal_ids)}")
        return listed


_OURS = ("env_reward", "vlm_score", "vlm_terminated")


def _checked_mode(env: VectorEnv[Any, Any, Any]) -> AutoresetMode:
    if not isinstance(env.unwrapped, SyncVectorEnv | AsyncVectorEnv | RewardVectorEnv):
        raise ConfigError(
            f"{type(env.unwrapped).__name__} cannot reset single episodes on demand; build a SyncVectorEnv, "
            "AsyncVectorEnv or RewardVectorEnv, as with gymnasium.make_vec(..., vectorization_mode='sync')"
        )
    mode: AutoresetMode | None = env.metadata.get("autoreset_mode")
    if mode == AutoresetMode.SAME_STEP:
        raise ConfigError(
            "a vector env with SAME_STEP autoreset has left the final state before it can be drawn; build it with "
            "autoreset_mode=AutoresetMode.DISABLED, and VLMRewardVecEnv resets in the same step"
        )
    if mode is None or mode not in (AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED):
        raise ConfigError(f"unknown autoreset mode {mode!r}; use AutoresetMode.DISABLED or NEXT_STEP")
    return mode


def _check_wrappers(env: VectorEnv[Any, Any, Any]) -> None:
    """Refuse wrappers inside that cannot know of the episodes that the reward ends, or hide the infos."""
    around: VectorEnv[Any, Any, Any] = env
    while isinstance(around, VectorWrapper):
        name = type(around).__name__
        if isinstance(around, RecordEpisodeStatistics):
            raise ConfigError(
                f"{name} inside VLMRewardVecEnv does not see the episodes that the reward ends; put EpisodeStatistics "
                "around it"
            )
        if isinstance(around, NormalizeObservation) and not isinstance(env.unwrapped, RewardVectorEnv):
            raise ConfigError(
                f"{name} inside VLMRewardVecEnv resets no single episodes; put it around a VLMRewardVecEnv over a "
                "NEXT_STEP env"
            )
        if isinstance(around, DictInfoToList):
            raise ConfigError(f"{name} inside VLMRewardVecEnv hides the infos; put it around")
        around = around.env


def _frame_source(env: VectorEnv[Any, Any, Any], source: FrameSource) -> FrameSource:
    if callable(source):
        return source
    if source not in ("auto", "reward_frame", "render"):
        raise ConfigError(f"unknown frame source {source!r}; use 'auto', 'reward_frame', 'render' or a function")
    if isinstance(env.unwrapped, RewardVectorEnv):
        drawable = True
    else:
        drawable = all(_call(env, "has_wrapper_attr", "reward_frame"))
    if source != "render" and drawable:
        return "reward_frame"
    if source == "reward_frame":
        raise ConfigError("the sub-environments have no reward_frame(); use frames='render' or give a function")
    if env.render_mode != "rgb_array":
        raise ConfigError(
            f"render mode {env.render_mode!r} gives no frames; build the sub-environments with render_mode='rgb_array'"
        )
    return "render"


def _call(env: VectorEnv[Any, Any, Any], name: str, *arguments: Any) -> tuple[Any, ...]:
    """Read an attribute of all sub-environments, or call it if it is a method."""
    if isinstance(env.unwrapped, RewardVectorEnv):
        found = [sub_env.get_wrapper_attr(name) for sub_env in env.unwrapped.envs]
        return tuple(value(*arguments) if callable(value) else value for value in found)
    result: tuple[Any, ...] = env.unwrapped.call(name, *arguments)
    return result


def _merged(infos: Infos, other: Infos, mask: npt.NDArray[np.bool_]) -> Infos:
    """Take the rows in `mask` from `other` and the rest from `infos`; both in Gymnasium's vector form."""
    merged: Infos = {}
    for key in dict.fromkeys([*infos, *other]):
        if key.startswith("_"):
            continue
        has, other_has = (part.get("_" + key, np.zeros(len(mask), np.bool_)) for part in (infos, other))
        present = np.where(mask, other_has, has)
        if not present.any():
            continue
        mine, theirs = infos.get(key), other.get(key)
        if isinstance(mine, dict) or isinstance(theirs, dict):
            merged[key] = _merged(mine or {}, theirs or {}, mask)
        elif mine is None or theirs is None:
            values = np.array(theirs if mine is None else mine)
            merged[key] = np.where(_broadcast(present, values), values, np.zeros_like(values))
        else:
            mine, theirs = np.asarray(mine), np.asarray(theirs)
            merged[key] = np.where(_broadcast(mask, theirs), theirs, mine)
        merged["_" + key] = present
    return merged


def _broadcast(mask: npt.NDArray[np.bool_], values: np.ndarray) -> npt.NDArray[np.bool_]:
    return mask.reshape(-1, *[1] * (values.ndim - 1))
