"""A vector environment whose episodes can be ended from outside: by the reward."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array, iterate

from vlm_rewards.errors import ConfigError, InvalidFrameError


class RewardVectorEnv(VectorEnv[Any, Any, Any]):
    """Steps `RewardableEnv`s one after the other in this process, with NEXT_STEP autoreset.

    The paper's episodes end when the reward model says so. `end_episodes` marks sub-environments whose episode is
    over for that reason; the next `step` resets them and ignores their action, exactly as it does after an episode
    that terminated by itself. Sub-environments may be wrapped: `reward_frame` and `goal_id` are looked up through
    Gymnasium's `get_wrapper_attr`.

    Observations are newly allocated in every step, so callers may keep them.

    Attributes:
        envs: The sub-environments.
        num_envs: How many they are.
        single_observation_space: Observations of one of them.
        single_action_space: Actions of one of them.
        observation_space: Observations of all, batched.
        action_space: Actions of all, batched.
        metadata: Gymnasium's, with the autoreset mode.
        render_mode: That of the sub-environments.
    """

    def __init__(self, env_fns: Sequence[Callable[[], gym.Env[Any, Any]]]) -> None:
        """Build the sub-environments.

        Args:
            env_fns: One constructor a sub-environment, at least one; all must have the same spaces.

        Raises:
            ConfigError: No sub-environment, spaces that differ, or a sub-environment without `reward_frame`.
        """
        super().__init__()
        self.envs: list[gym.Env[Any, Any]] = []
        if not env_fns:
            raise ConfigError("RewardVectorEnv needs at least one sub-environment; pass one constructor each")
        self.envs = [env_fn() for env_fn in env_fns]
        first = self.envs[0]
        for env in self.envs:
            if env.observation_space != first.observation_space or env.action_space != first.action_space:
                raise ConfigError("sub-environments have different spaces; build all of them with one configuration")
            # `goal_id` belongs to an episode and need not exist before the first reset.
            if not env.has_wrapper_attr("reward_frame"):
                raise ConfigError(f"{env} has no reward_frame(); implement vlm_rewards.rllib.RewardableEnv")
        self.num_envs = len(self.envs)
        self.single_observation_space = first.observation_space
        self.single_action_space = first.action_space
        self.observation_space = batch_space(first.observation_space, self.num_envs)
        self.action_space = batch_space(first.action_space, self.num_envs)
        self.metadata = {**first.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}
        self.render_mode = first.render_mode
        self._reward_frame = [env.get_wrapper_attr("reward_frame") for env in self.envs]
        self._reset_next = np.zeros(self.num_envs, dtype=np.bool_)
        # What each sub-environment showed last; None before its first reset.
        self._last: list[Any] = [None] * self.num_envs

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode in every sub-environment.

        Args:
            seed: Sub-environment i gets `seed + i`, or its own from a sequence of `num_envs`.
            options: Passed to every sub-environment; a `reset_mask` in them, bool (num_envs,), is ours: only those that
                it names start an episode, and the others show what they showed last. The caller's dict stays as it is.

        Returns:
            Batched observations, and infos as a dict of arrays with a mask `_key` beside each key.

        Raises:
            ConfigError: Not one seed a sub-environment, or a mask of another kind, or one before the first reset.
        """
        options = None if options is None else dict(options)
        mask = np.ones(self.num_envs, np.bool_) if not options else self._reset_mask(options)
        if seed is None or isinstance(seed, int):
            seeds: list[int | None] = [None if seed is None else seed + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ConfigError(f"{len(seeds)} seeds for {self.num_envs} sub-environments; pass one each")
        infos: list[dict[str, Any]] = [{}] * self.num_envs
        for i in np.flatnonzero(mask):
            self._last[i], infos[i] = self.envs[i].reset(seed=seeds[i], options=options)
        self._reset_next[mask] = False
        return self._batched(self._last), batched_infos(infos)

    def step(
        self, actions: Any
    ) -> tuple[Any, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Step every sub-environment, or reset it if its last episode is over.

        Args:
            actions: Batched as `action_space` says.

        Returns:
            Observations, rewards float64 (num_envs,), terminations and truncations bool (num_envs,), infos. Right
            after a reset the reward is 0 and both flags are False.
        """
        observations = self._last
        infos: list[dict[str, Any]] = [{}] * self.num_envs
        rewards = np.zeros(self.num_envs, dtype=np.float64)
        terminations = np.zeros(self.num_envs, dtype=np.bool_)
        truncations = np.zeros(self.num_envs, dtype=np.bool_)
        for i, (env, action) in enumerate(zip(self.envs, iterate(self.action_space, actions), strict=True)):
            if self._reset_next[i]:
                observations[i], infos[i] = env.reset()
            else:
                observations[i], rewards[i], terminations[i], truncations[i], infos[i] = env.step(action)
        self._reset_next = terminations | truncations
        return self._batched(observations), rewards, terminations, truncations, batched_infos(infos)

    def end_episodes(self, indices: Iterable[int]) -> None:
        """Mark sub-environments whose episode is over; the next `step` resets them.

        Args:
            indices: Indices of sub-environments, in [0, num_envs). One that is already over stays so.

        Raises:
            IndexError: No such sub-environment.
        """
        for index in indices:
            self._reset_next[self._checked(index)] = True

    def reward_frames(self, indices: Sequence[int]) -> npt.NDArray[np.uint8]:
        """Draw the current states of some sub-environments for the reward model.

        Args:
            indices: Indices of n sub-environments, in [0, num_envs).

        Returns:
            uint8 (n, h, w, 3); (0, 0, 0, 3) for no indices.

        Raises:
            IndexError: No such sub-environment.
            InvalidFrameError: A frame that is not uint8 (h, w, 3), or of another size than the first.
        """
        if not len(indices):
            return np.zeros((0, 0, 0, 3), dtype=np.uint8)
        frames = [self._reward_frame[self._checked(index)]() for index in indices]
        for index, frame in zip(indices, frames, strict=True):
            if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.shape != frames[0].shape:
                raise InvalidFrameError(
                    f"sub-environment {index} drew a reward frame {frame.dtype} {frame.shape}; "
                    f"all must be uint8 (h, w, 3) of one size"
                )
        return np.stack(frames)

    def goal_ids(self, indices: Sequence[int]) -> list[str]:
        """Return the goals of the current episodes of some sub-environments, in the order of `indices`.

        Raises:
            IndexError: No such sub-environment.
        """
        return [self.envs[self._checked(index)].get_wrapper_attr("goal_id") for index in indices]

    def achieved_goals(self, indices: Sequence[int]) -> list[list[str]]:
        """Return which goals hold in the current states of some sub-environments: ground truth.

        Args:
            indices: Indices of n sub-environments, in [0, num_envs).

        Returns:
            n lists of goal ids.

        Raises:
            IndexError: No such sub-environment.
            ConfigError: The sub-environments cannot say.
        """
        found = []
        for index in indices:
            env = self.envs[self._checked(index)]
            if not env.has_wrapper_attr("achieved_goals"):
                raise ConfigError(
                    f"{env} has no achieved_goals(), so its own reward can score no other goals; "
                    "leave algorithm.hindsight out, or train on a reward model"
                )
            found.append(list(env.get_wrapper_attr("achieved_goals")()))
        return found

    def render(self) -> tuple[Any, ...]:
        """Return each sub-environment's own rendering."""
        return tuple(env.render() for env in self.envs)

    def close_extras(self, **kwargs: Any) -> None:
        """Close the sub-environments; `close` calls it once."""
        for env in self.envs:
            env.close()

    def _reset_mask(self, options: dict[str, Any]) -> npt.NDArray[np.bool_]:
        """Take the mask out of options; all where they have none."""
        mask = options.pop("reset_mask", None)
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            raise ConfigError(
                f"reset_mask is {mask.dtype} {mask.shape}; give bool ({self.num_envs},), one for each sub-environment"
            )
        if any(self._last[i] is None for i in np.flatnonzero(~mask)):
            raise ConfigError("reset_mask leaves out sub-environments that never began; reset all of them first")
        return mask

    def _batched(self, observations: list[Any]) -> Any:
        space = self.single_observation_space
        return concatenate(space, observations, create_empty_array(space, n=self.num_envs))

    def _checked(self, index: int) -> int:
        if not 0 <= index < self.num_envs:
            raise IndexError(f"no sub-environment {index} among {self.num_envs}")
        return index


def batched_infos(infos: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Turn a list of infos into Gymnasium's vector form.

    Args:
        infos: One dict a sub-environment; their keys may differ.

    Returns:
        For every key an array (n,), of dtype bool, int64, float64 or object, and under `_key` the mask bool (n,)
        of the sub-environments that have it.
    """
    batched: dict[str, Any] = {}
    for key in dict.fromkeys(key for info in infos for key in info):
        values = np.zeros(len(infos), dtype=_common_dtype([info[key] for info in infos if key in info]))
        for i, info in enumerate(infos):
            if key in info:
                values[i] = info[key]
        batched[key] = values
        batched["_" + key] = np.array([key in info for info in infos], dtype=np.bool_)
    return batched


def _common_dtype(values: Sequence[Any]) -> Any:
    for kind, dtype in ((bool | np.bool_, np.bool_), (int | np.integer, np.int64), (float | np.floating, np.float64)):
        # bool is an int in Python: the first line has caught it, unless the values are mixed.
        if all(isinstance(value, kind) for value in values):
            return dtype
    return object
