"""The reward as a transform of TorchRL's environments."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vlm_rewards.environment.vlm_reward_vec_env import ScoringClient
from vlm_rewards.errors import ConfigError, InvalidFrameError
from vlm_rewards.extras import needs_extra
from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.strict_config import near_matches

with needs_extra("torchrl"):
    from tensordict import NonTensorData, TensorDictBase
    from torchrl.data import Composite, Unbounded
    from torchrl.envs import EnvBase, GymWrapper, SerialEnv, Transform

_OURS = ("vlm_score", "env_reward")


class VLMRewardTransform(Transform):
    """Replaces an environment's reward by a vision-language model's, and ends episodes where that does.

    Appended to a `TransformedEnv`. Each step sends one request with the frames of all environments below it. What
    `VLMRewardVecEnv` is for Gymnasium: rewards are the same to the bit, forms with a threshold end episodes, and the
    environment's own reward goes to `("next", "env_reward")`, the score to `("next", "vlm_score")`.

    Over a `GymEnv`, or a `SerialEnv` of them, frames and goals come from the environments themselves. Over anything
    else, such as a `ParallelEnv`, name the key that holds frames, and the goals.

    Attributes:
        description: Description of the reward, as it was when the transform was made.
    """

    description: RewardDescription

    def __init__(
        self, client: ScoringClient, goals: str | Sequence[str] | None = None, frames: str | tuple[str, ...] = "auto"
    ) -> None:
        """Ask the client for the reward's description.

        Args:
            client: Such as `RewardClient(HttpTransport(...))`.
            goals: One goal for all, one for each environment, or None: the current `goal_id` of each.
            frames: What the reward sees: `auto`, the `reward_frame()` of each environment or else its `rgb_array`
                rendering; or the key of frames uint8 (*batch, H, W, 3) in the tensordict, such as `pixels`.

        Raises:
            ConfigError: A goal that the reward does not know, or a reward that waits until several states agree.
            RewardServiceError: The reward service does not answer.
        """
        super().__init__(in_keys=["reward"], out_keys=["reward", *_OURS])
        self._client = client
        self._frames = frames
        self.description = client.describe()
        if not self.description.agree.is_of_one:
            raise ConfigError("this transform judges each state alone; leave reward.head.agree out")
        self._goals = [goals] if isinstance(goals, str) else None if goals is None else list(goals)
        for goal in self._goals or ():
            if goal not in self.description.goal_ids:
                raise ConfigError(f"the reward has no goal {goal!r}; {near_matches(goal, self.description.goal_ids)}")

    def _step(self, tensordict: TensorDictBase, next_tensordict: TensorDictBase) -> TensorDictBase:
        """Score what the environments show, and write reward and ends.

        Raises:
            ConfigError: An environment has a goal that the reward does not know.
            InvalidFrameError: An environment drew something that is no frame.
            VLMRewardsError: The reward service failed; see `RewardClient.score`.
        """
        count = next_tensordict.batch_size.numel()
        scores = self._client.score(self._drawn(next_tensordict, count), self._goal_ids(count)).scores
        rewards = self.description.reward(scores)
        own = next_tensordict.get("reward")
        as_own = {"dtype": own.dtype, "device": own.device}
        next_tensordict.set("env_reward", own.clone())
        next_tensordict.set("vlm_score", torch.as_tensor(scores).reshape(own.shape).to(own.device))
        next_tensordict.set("reward", torch.as_tensor(rewards).reshape(own.shape).to(**as_own))
        if self.description.terminates:
            ended = next_tensordict.get("reward") > 0
            for key in ("terminated", "done"):
                next_tensordict.set(key, next_tensordict.get(key) | ended)
        return next_tensordict

    def _reset(self, tensordict: TensorDictBase, tensordict_reset: TensorDictBase) -> TensorDictBase:
        """Write zeros for the episodes that begin."""
        shape = self.parent_env.output_spec["full_reward_spec"]["reward"].shape
        for key in _OURS:
            tensordict_reset.set(key, torch.zeros(shape, device=tensordict_reset.device))
        return tensordict_reset

    def transform_observation_spec(self, observation_spec: Composite) -> Composite:
        """Add the score and the environment's own reward, float32 in the shape of the reward."""
        shape = self.parent_env.output_spec["full_reward_spec"]["reward"].shape
        for key in _OURS:
            observation_spec[key] = Unbounded(shape=shape, dtype=torch.float32, device=observation_spec.device)
        return observation_spec

    @property
    def parent_env(self) -> EnvBase:
        """The environment under all transforms.

        Raises:
            ConfigError: The transform is in no environment.
        """
        if self.container is None:
            raise ConfigError(
                "VLMRewardTransform works in an environment only: TransformedEnv(env, VLMRewardTransform(...))"
            )
        base: EnvBase = self.container.base_env
        return base

    def _environments(self) -> list[Any]:
        """Return the Gymnasium environments below, in the order of the batch."""
        base = self.parent_env
        members = list(base._envs) if isinstance(base, SerialEnv) and not base.is_closed else [base]
        found = []
        for member in members:
            while hasattr(member, "base_env"):
                member = member.base_env
            if not isinstance(member, GymWrapper):
                raise ConfigError(
                    f"{type(member).__name__} shows no frames of itself; name the key of the frames (frames='pixels', "
                    "of environments made with from_pixels=True) and the goals"
                )
            found.append(member._env)
        return found

    def _drawn(self, next_tensordict: TensorDictBase, count: int) -> npt.NDArray[np.uint8]:
        if self._frames != "auto":
            drawn = next_tensordict.get(self._frames, None)
            if drawn is None or isinstance(drawn, NonTensorData):
                known = near_matches(str(self._frames), map(str, next_tensordict.keys()))
                raise ConfigError(f"the tensordict has no frames {self._frames!r}; {known}")
            frames: npt.NDArray[np.uint8] = (
                drawn.cpu().numpy().reshape(count, *drawn.shape[next_tensordict.batch_dims :])
            )
        else:
            frames = _stacked([_frame_of(env) for env in self._environments()])
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            raise InvalidFrameError(
                f"frames {self._frames!r} are {frames.dtype} {frames.shape[1:]}; they must be uint8 (H, W, 3) as they "
                "were drawn: put VLMRewardTransform before transforms of pictures"
            )
        return frames

    def _goal_ids(self, count: int) -> list[str]:
        if self._goals is None:
            return [str(env.get_wrapper_attr("goal_id")) for env in self._environments()]
        if len(self._goals) not in (1, count):
            raise ConfigError(f"{len(self._goals)} goals for {count} environments; give one for each, or one")
        return self._goals * (count if len(self._goals) == 1 else 1)


def _frame_of(env: Any) -> npt.NDArray[np.uint8]:
    if env.has_wrapper_attr("reward_frame"):
        reward_frame: npt.NDArray[np.uint8] = np.asarray(env.get_wrapper_attr("reward_frame")())
        return reward_frame
    if env.render_mode != "rgb_array":
        raise ConfigError(
            f"{env} has no reward_frame(), and render mode {env.render_mode!r} gives no frames; build it with "
            "render_mode='rgb_array'"
        )
    drawn: npt.NDArray[np.uint8] = np.asarray(env.render())
    return drawn


def _stacked(frames: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    if len({frame.shape for frame in frames}) > 1:
        raise InvalidFrameError("the environments draw frames of several sizes; build all with one configuration")
    return np.stack(frames)
