"""Muesli's agent: the actor-critic's networks, values as distributions, and a model that looks a few actions ahead."""

from typing import Any, cast

import torch
from ray.rllib.core.columns import Columns
from torch import Tensor, nn

from vlm_rewards.errors import ConfigError
from vlm_rewards.rllib.categorical_values import Atoms
from vlm_rewards.rllib.eye import EYE_PREDICTIONS
from vlm_rewards.rllib.rl_module import GoalConditionedModule

VALUE_LOGITS = "value_logits"
"""Of the states' values, float32 (B, T + 1, atoms)."""

MODEL_POLICY_LOGITS = "model_policy_logits"
"""What the model says of the policy k actions after each state, float32 (K, B, T, actions), k from 1."""

MODEL_VALUE_LOGITS = "model_value_logits"
"""The same of the value, float32 (K, B, T, atoms)."""

MODEL_REWARD_LOGITS = "model_reward_logits"
"""The same of the reward of arriving there, float32 (K, B, T, atoms)."""

PRIOR_LOGITS = "prior_logits"
"""Of the prior policy, which is the target network's, float32 (B, T + 1, actions)."""

PRIOR_VALUES = "prior_values"
"""Its values, float32 (B, T + 1)."""

PRIOR_ACTION_VALUES = "prior_action_values"
"""Its one-step model's r + gamma v of every action, float32 (B, T + 1, actions)."""


class ActionModel(nn.Module):
    """A recurrent model of what actions bring: its state begins as the features, and each action moves it on.

    An action is a vector of its own. Where actions tap cells of the picture, the first one also says how well its cell
    answers the goal (`tap_grid`), so that what the model learns of an icon holds wherever the icon lies.
    """

    def __init__(self, hidden_dim: int, actions: int, atoms: int, taps: int) -> None:
        """Make the model.

        Args:
            hidden_dim: Size of features and state.
            actions: Number of actions.
            atoms: Atoms of rewards and values.
            taps: How many of the first actions tap cells; 0 for none.
        """
        super().__init__()
        self._taps = taps
        self.actions = nn.Embedding(actions, hidden_dim)
        self.tapped = nn.Linear(1, hidden_dim, bias=False) if taps else None
        self.core = nn.GRUCell(hidden_dim, hidden_dim)
        self.policy = nn.Linear(hidden_dim, actions)
        self.value = _distribution(hidden_dim, atoms)
        self.reward = _distribution(hidden_dim, atoms)

    def forward(self, state: Tensor, action: Tensor, taps: Tensor | None = None) -> Tensor:
        """Return the states after actions.

        Args:
            state: float32 (N, hidden_dim).
            action: int64 (N,).
            taps: float32 (N, cells), how well each cell answers the goal in these states, where that is known.

        Returns:
            float32 (N, hidden_dim).
        """
        code = self.actions(action)
        if self.tapped is not None and taps is not None:
            answer = taps.gather(1, action.clamp(max=self._taps - 1).unsqueeze(1))
            code = code + self.tapped(answer * (action < self._taps).unsqueeze(1))
        result: Tensor = self.core(code, state)
        return result


class MuesliModule(GoalConditionedModule):
    """Policy, categorical value and an `ActionModel` on one encoder; training works on windows of T + 1 states.

    `model_config` also holds `gamma`, `unroll` (K), `atoms` and `value_range`. Values and rewards are distributions
    over atoms in squashed space. Its target network is the prior policy.
    """

    def setup(self) -> None:
        """Build the networks; RLlib calls it once.

        Raises:
            ConfigError: Spaces or sizes that the module cannot work with, or recurrence.
        """
        super().setup()
        if self._config.recurrent:
            raise ConfigError(
                "muesli's model is recurrent, its agent is not; set agent.recurrent false, or train with ppo"
            )
        settings = cast(dict[str, Any], self.model_config)
        self._gamma, self._unroll = float(settings["gamma"]), int(settings["unroll"])
        self.atoms = Atoms(int(settings["atoms"]), *settings["value_range"])
        count, hidden = len(self.atoms.positions), self._config.hidden_dim
        self._actions = self.policy_head.out_features
        grid = self._config.tap_grid
        self.value_head = _distribution(hidden, count)
        self.model = ActionModel(hidden, self._actions, count, grid[0] * grid[1] if grid else 0)
        # Of the advantages' second moment, and how much of it is known (equation 16 and its bias correction).
        self.register_buffer("advantage_square", torch.zeros(()))
        self.register_buffer("advantage_unknown", torch.ones(()))

    def advantage_scale(self, errors: Tensor, decay: float = 0.99) -> Tensor:
        """Take in a batch of G - v and return the moving root of their mean square, without its start at zero.

        Args:
            errors: float32 (N,), at least one.
            decay: Share of the old mean that is kept.

        Returns:
            A float32 scalar above 0.
        """
        square, unknown = cast(Tensor, self.advantage_square), cast(Tensor, self.advantage_unknown)
        with torch.no_grad():
            square.mul_(decay).add_(errors.square().mean(), alpha=1 - decay)
            unknown.mul_(decay)
            return (square / (1 - unknown)).clamp(min=1e-12).sqrt()

    def get_non_inference_attributes(self) -> list[str]:
        """Return what env runners can do without."""
        return [*super().get_non_inference_attributes(), "model", "value_head"]

    def _values(self, features: Tensor) -> Tensor:
        return self.atoms.mean(self.value_head(features))

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        features, taps, _ = self._learned(batch)
        output = {
            Columns.ACTION_DIST_INPUTS: self._logits(features, taps),
            Columns.EMBEDDINGS: features,
            VALUE_LOGITS: self.value_head(features),
            **self._looked_ahead(features, taps, batch[Columns.ACTIONS].long()),
        }
        if self.eye_head is not None:
            output[EYE_PREDICTIONS] = self.eye_head(features)
        assert self.target is not None, "make_target_networks first"
        return output | cast(MuesliModule, self.target).judged(batch)

    def judged(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return what the prior policy says of the states, without gradients.

        Args:
            batch: Holds the observations, (B, T + 1, ...).

        Returns:
            `PRIOR_LOGITS` float32 (B, T + 1, actions), `PRIOR_VALUES` float32 (B, T + 1), and `PRIOR_ACTION_VALUES`
            float32 (B, T + 1, actions).
        """
        with torch.no_grad():
            features, taps, _ = self._learned(batch)
            return {
                PRIOR_LOGITS: self._logits(features, taps),
                PRIOR_VALUES: self._values(features),
                PRIOR_ACTION_VALUES: self._action_values(features, taps),
            }

    def _action_values(self, features: Tensor, taps: Tensor | None) -> Tensor:
        """Return r + gamma v of each action by one step of the model, float32 (..., actions)."""
        lead, count = features.shape[:-1], self._actions
        state = features.flatten(0, -2).repeat_interleave(count, dim=0)
        action = torch.arange(count, device=state.device).repeat(len(state) // count)
        taps = None if taps is None else taps.repeat_interleave(count, dim=0)
        # With the phone's sixty actions this is most of an update.
        with self._training_precision(state.device.type):
            ahead = self.model(state, action, taps)
            logits = self.model.reward(ahead), self.model.value(ahead)
        reward, value = (self.atoms.mean(each) for each in logits)
        return (reward + self._gamma * value).reshape(*lead, count)

    def _looked_ahead(self, features: Tensor, taps: Tensor | None, actions: Tensor) -> dict[str, Tensor]:
        """Return the model's predictions from each of T states, features (B, T + 1, D), under actions (B, T)."""
        batch, steps = actions.shape
        state = features[:, :-1].flatten(0, 1)
        seen = None if taps is None else taps.reshape(batch, steps + 1, -1)[:, :-1].flatten(0, 1)
        states = []
        for k in range(min(self._unroll, steps)):
            # Beyond the window any action: what it leads to is masked out.
            action = nn.functional.pad(actions[:, k:], (0, k)).flatten()
            state = self.model(state, action, seen if k == 0 else None)
            states.append(state)
        ahead = torch.stack(states).reshape(len(states), batch, steps, -1)
        return {
            MODEL_POLICY_LOGITS: self.model.policy(ahead),
            MODEL_VALUE_LOGITS: self.model.value(ahead),
            MODEL_REWARD_LOGITS: self.model.reward(ahead),
        }


def _distribution(hidden_dim: int, atoms: int) -> nn.Sequential:
    """Return a head of atoms whose first distribution is uniform."""
    head = nn.Sequential(nn.Linear(hidden_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, atoms))
    nn.init.zeros_(cast(nn.Linear, head[2]).weight)
    nn.init.zeros_(cast(nn.Linear, head[2]).bias)
    return head
