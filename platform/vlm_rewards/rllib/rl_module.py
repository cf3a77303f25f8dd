"""The agent: a policy and a value function over an image and a goal in words."""

import functools
from contextlib import AbstractContextManager
from typing import Any, Literal, Self, cast

import gymnasium as gym
import torch
from pydantic import Field, model_validator
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.utils import make_target_network
from ray.rllib.core.rl_module.apis import (
    TARGET_NETWORK_ACTION_DIST_INPUTS,
    InferenceOnlyAPI,
    TargetNetworkAPI,
    ValueFunctionAPI,
)
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import Tensor, nn

from vlm_rewards.encoders.precision import cpu_runs_bf16
from vlm_rewards.environment.action_memory import PAST_ACTIONS, remembered_actions
from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.eye import EYE_PREDICTIONS, Eye
from vlm_rewards.rllib.goal_networks import GoalEncoder, GoalImageEncoder
from vlm_rewards.strict_config import StrictConfig


@functools.cache
def multiplies_bf16(device: str) -> bool:
    """Return whether a device has instructions for bf16 and survives them; without them it is slower than fp32.

    Args:
        device: `cpu` or `cuda`.
    """
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16")) and cpu_runs_bf16()


@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]  # a compiled learner asks once
def _trains_in_bf16(precision: str, device: str) -> bool:
    """Return whether a learner's encoder computes in bf16 on a device, for a `training_precision`."""
    return precision == "bf16" or (precision == "auto" and multiplies_bf16(device))


class GoalModuleConfig(StrictConfig):
    """Sizes of `GoalConditionedModule`; `to_model_config` makes RLlib's `model_config` of it.

    Attributes:
        channels: Channels of the convolutions.
        strides: Strides of the convolutions; each divides the sides of what it is given.
        goal_dim: Size of the goal vector.
        hidden_dim: Size of the features that policy and value read.
        grid: (rows, columns) to which the feature map is averaged before the dense layer; not used with `tap_grid`.
        tap_grid: (rows, columns) of the screen cells that the first rows x columns actions tap, row by row; None if
            actions are not places in the image. With it each cell's logit also comes from the features *at* that
            cell, so what is learned about an icon holds wherever it lies.
        recurrent: Put a GRU between features and heads. Training then works on sequences of `max_seq_len` steps.
        max_seq_len: Length of training sequences, in steps; used if recurrent.
        training_precision: Arithmetic of the image encoder and the dense layer when learning: `fp32`, or `bf16` by
            autocast, 1.5 to 1.8 times as fast on processors with avx512_bf16. Weights, heads, losses, and all sampling
            stay in fp32. `auto` takes `bf16` where the learner's GPU or processor multiplies it itself.
        eye: The auxiliary loss by which the reward model teaches the features; None for none, as in the paper.
    """

    channels: tuple[int, ...] = (24, 48, 48)
    strides: tuple[int, ...] = (4, 2, 1)
    goal_dim: int = Field(default=32, ge=1)
    hidden_dim: int = Field(default=128, ge=1)
    grid: tuple[int, int] = (6, 4)
    tap_grid: tuple[int, int] | None = None
    recurrent: bool = False
    max_seq_len: int = Field(default=20, ge=1)
    training_precision: Literal["auto", "fp32", "bf16"] = "auto"
    eye: Eye | None = None

    @model_validator(mode="after")
    def _layers_are_usable(self) -> Self:
        if not self.channels or len(self.channels) != len(self.strides):
            raise ConfigError(f"channels {self.channels} and strides {self.strides} need one number a layer")
        if min(*self.channels, *self.strides, *self.grid, *(self.tap_grid or ())) < 1:
            raise ConfigError("channels, strides and grids must be positive numbers")
        return self

    def to_model_config(self) -> dict[str, Any]:
        """Return the plain dict that RLlib wants."""
        return self.model_dump()


class GoalConditionedModule(TorchRLModule, ValueFunctionAPI, TargetNetworkAPI, InferenceOnlyAPI):
    """Policy and value function over `Dict(image=uint8 (H, W, 3), goal=int64 (GOAL_LENGTH,))`, discrete actions.

    Where the env shows the last actions, too (`ActionMemoryEnv`), they are added to the features.
    The goal's words go through a text encoder of the module's own, trained from scratch, and modulate the image
    features (FiLM). Policy and value share everything below their heads. Without recurrence batches are (B, ...);
    with it they are (B, T, ...) and carry a state `{"h": (B, hidden_dim)}`, as RLlib's connectors make them.

    Learners that need a slowly following copy of the policy (APPO) make one, `target`; the others do without, and so
    do env runners, which are not sent it.
    """

    # Images per forward pass where no gradient is wanted: bounds the memory of the value pass over a whole batch.
    _CHUNK = 512

    def setup(self) -> None:
        """Build the networks; RLlib calls it once.

        Raises:
            ConfigError: Spaces or sizes that the module cannot work with.
        """
        known = GoalModuleConfig.model_fields
        settings = cast(dict[str, Any], self.model_config)
        # RLlib adds keys of its own.
        config = GoalModuleConfig(**{key: value for key, value in settings.items() if key in known})
        actions = self._checked_actions(config)
        self._config = config
        self.target: GoalConditionedModule | None = None
        self.goal_encoder = GoalEncoder(config.goal_dim)
        self.image_encoder = GoalImageEncoder(
            config.channels, config.strides, config.goal_dim, config.tap_grid or config.grid
        )
        rows, columns = self.image_encoder.grid
        self.dense = nn.Linear(config.channels[-1] * rows * columns, config.hidden_dim)
        self._remembered = remembered_actions(self.observation_space)
        # What was done acts on the features beside the picture, before the goal modulates them.
        self.past = (
            nn.Linear(self._remembered * (actions + 1), config.hidden_dim, bias=False) if self._remembered else None
        )
        self.goal_film = nn.Linear(config.goal_dim, 2 * config.hidden_dim)
        self.gru = nn.GRU(config.hidden_dim, config.hidden_dim, batch_first=True) if config.recurrent else None
        self.policy_head = nn.Linear(config.hidden_dim, actions)
        self.tap_keys = nn.Conv2d(config.channels[-1], config.goal_dim, kernel_size=1) if config.tap_grid else None
        self.tap_query = nn.Linear(config.goal_dim, config.goal_dim) if config.tap_grid else None
        self.value_head = nn.Sequential(
            nn.Linear(config.hidden_dim, config.hidden_dim), nn.ReLU(), nn.Linear(config.hidden_dim, 1)
        )
        # Of `agent.eye`: the number of captions is the task set's.
        outputs = int(settings.get("eye_outputs", 0))
        self.eye_head = nn.Linear(config.hidden_dim, outputs) if config.eye is not None and outputs else None
        # A nearly uniform first policy: with 60 actions anything else starts by not exploring some of them.
        nn.init.orthogonal_(self.policy_head.weight, gain=0.01)
        nn.init.zeros_(self.policy_head.bias)

    def get_initial_state(self) -> dict[str, Any]:
        """Return the state at the start of an episode: `{"h": float32 (hidden_dim,)}`, or {} without recurrence."""
        return {"h": torch.zeros(self._config.hidden_dim)} if self._config.recurrent else {}

    def compute_values(self, batch: dict[str, Any], embeddings: Tensor | None = None) -> Tensor:
        """Return the values of observations.

        Args:
            batch: Holds the observations, and the state if recurrent.
            embeddings: What `forward_train` returned for this batch, float32 (B, D) or (B, T, D). Without them the
                values carry no gradient (RLlib asks so for bootstrapping only).

        Returns:
            float32 (B,), or (B, T) if recurrent.
        """
        if embeddings is not None:
            return self._values(embeddings)
        with torch.no_grad():
            return torch.cat([self._values(self._learned(part)[0]) for part in self._chunks(batch)])

    @property
    def eye_weight(self) -> float:
        """Weight of the eye's loss, at least 0; 0 without an eye."""
        return self._config.eye.weight if self._config.eye is not None else 0.0

    def make_target_networks(self) -> None:
        """Make `target` an equal copy, without gradients; RLlib's learner calls it."""
        self.target = None
        self.target = cast(GoalConditionedModule, make_target_network(self))
        # A compiled pass is bound to the weights that it was compiled with: the copy's would be the original's.
        self.target.__dict__.pop("_forward_train", None)

    def get_target_network_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the pairs (what is followed, what follows)."""
        return [(self, self.target)] if self.target is not None else []

    def forward_target(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the logits of `target`, float32 (B[, T], actions)."""
        assert self.target is not None, "make_target_networks first"
        with torch.no_grad():
            logits = self.target._forward_train(batch)[Columns.ACTION_DIST_INPUTS]
        return {TARGET_NETWORK_ACTION_DIST_INPUTS: logits}

    def get_non_inference_attributes(self) -> list[str]:
        """Return what env runners can do without."""
        return ["target"] if self.eye_head is None else ["target", "eye_head"]

    def _values(self, features: Tensor) -> Tensor:
        """Return the values (...,) of features (..., hidden_dim)."""
        values: Tensor = self.value_head(features).squeeze(-1)
        return values

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        features, taps, state = self._features(batch)
        output: dict[str, Any] = {Columns.ACTION_DIST_INPUTS: self._logits(features, taps)}
        if state is not None:
            output[Columns.STATE_OUT] = {"h": state}
        return output

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        features, taps, _ = self._learned(batch)
        output = {Columns.ACTION_DIST_INPUTS: self._logits(features, taps), Columns.EMBEDDINGS: features}
        if self.eye_head is not None:
            output[EYE_PREDICTIONS] = self.eye_head(features)
        return output

    def _learned(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return what `_features` does, in the precision of training, as float32."""
        with self._training_precision(batch[Columns.OBS]["image"].device.type):
            features, taps, state = self._features(batch)
        return features.float(), None if taps is None else taps.float(), None if state is None else state.float()

    def _training_precision(self, device: str) -> AbstractContextManager[Any]:
        """Return the context in which a learner's encoder computes."""
        return torch.autocast(device, torch.bfloat16, enabled=_trains_in_bf16(self._config.training_precision, device))

    def _features(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return features (B[, T], hidden_dim), tap logits (B*T, cells) and the next state (B, hidden_dim)."""
        image, tokens = batch[Columns.OBS]["image"], batch[Columns.OBS]["goal"]
        lead = image.shape[:-3]
        goal = self.goal_encoder(tokens.reshape(-1, tokens.shape[-1]).long())
        maps = self.image_encoder(image.reshape(-1, *image.shape[-3:]), goal)
        scale, shift = self.goal_film(goal).chunk(2, dim=1)
        dense = self.dense(maps.flatten(1))
        if self.past is not None:
            past = batch[Columns.OBS][PAST_ACTIONS].reshape(-1, self._remembered).long()
            codes = nn.functional.one_hot(past, self.past.in_features // self._remembered)
            dense = dense + self.past(codes.flatten(1).to(torch.float32))
        features = torch.relu(dense * (1 + scale) + shift).reshape(*lead, -1)
        taps = self._taps(maps, goal)
        if self.gru is None:
            return features, taps, None
        features, state = self.gru(features, batch[Columns.STATE_IN]["h"].unsqueeze(0).contiguous())
        return features, taps, state.squeeze(0)

    def _taps(self, maps: Tensor, goal: Tensor) -> Tensor | None:
        """Return how well each cell's features answer the goal's query, (B*T, cells); None without a tap grid."""
        if self.tap_keys is None or self.tap_query is None:
            return None
        keys = self.tap_keys(maps).flatten(2)
        query = self.tap_query(goal).unsqueeze(2)
        result: Tensor | None = (keys * query).sum(dim=1) / keys.shape[1] ** 0.5
        return result

    def _logits(self, features: Tensor, taps: Tensor | None) -> Tensor:
        logits: Tensor = self.policy_head(features)
        if taps is None:
            return logits
        others = logits.shape[-1] - taps.shape[-1]
        result: Tensor = logits + nn.functional.pad(taps, (0, others)).reshape(logits.shape)
        return result

    def _chunks(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        image = batch[Columns.OBS]["image"]
        steps = image.shape[1] if self._config.recurrent else 1
        size = max(1, self._CHUNK // steps)
        parts = []
        for start in range(0, len(image), size):
            rows = slice(start, start + size)
            part = {Columns.OBS: {key: value[rows] for key, value in batch[Columns.OBS].items()}}
            if self._config.recurrent:
                part[Columns.STATE_IN] = {"h": batch[Columns.STATE_IN]["h"][rows]}
            parts.append(part)
        return parts

    def _checked_actions(self, config: GoalModuleConfig) -> int:
        """Return the number of actions if the module can work with the spaces and sizes it was given."""
        spaces = getattr(self.observation_space, "spaces", {})
        if set(spaces) - {PAST_ACTIONS} != {"image", "goal"}:
            raise ConfigError(
                f"the agent needs observations Dict(image, goal), with {PAST_ACTIONS} or without, "
                f"not {self.observation_space}"
            )
        if not isinstance(self.action_space, gym.spaces.Discrete):
            raise ConfigError(f"the agent needs a Discrete action space, not {self.action_space}")
        actions = int(self.action_space.n)
        if config.tap_grid is not None and config.tap_grid[0] * config.tap_grid[1] > actions:
            raise ConfigError(f"tap_grid {config.tap_grid} has more cells than there are actions ({actions})")
        return actions
