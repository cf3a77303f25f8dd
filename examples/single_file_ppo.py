"""PPO in one file, in CleanRL's way: an agent learns to open an app from pixels, paid by a packaged CLIP alone.

    python -m examples.single_file_ppo
    python -m examples.single_file_ppo --url http://127.0.0.1:8765    # the reward from a running gateway

Read it from top to bottom: what the reward changes in a PPO is one wrapper. The environment's own reward, the truth, is
printed beside the model's and never reaches the learner.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import torch
from gymnasium.spaces import Dict, Discrete
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from torch import nn
from torch.distributions import Categorical

import envs.android  # noqa: F401 registers android/OpenApp-v0
from vlm_rewards.environment.episode_statistics import EpisodeStatistics
from vlm_rewards.environment.vlm_reward_vec_env import VLMRewardVecEnv
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.reward_preset import packaged_rewards
from vlm_rewards.service.served_by import Http, InProcess, connect


@dataclass(frozen=True)
class Args:
    """What a run is told; each is an option of the command line."""

    goal: str = "gmail"
    """Id of the only goal."""
    url: str = ""
    """URL of a reward gateway; without it the packaged model computes in this process."""
    seed: int = 0
    """Seed of everything."""
    total_timesteps: int = 8000
    """Environment steps."""
    num_envs: int = 8
    """Environments; their frames travel in one request a step."""
    num_steps: int = 32
    """Steps of each environment in one rollout."""
    learning_rate: float = 1e-3
    """Adam's step size at the start; it falls to 0 over the run."""
    gamma: float = 0.9
    """Discount."""
    gae_lambda: float = 0.95
    """Lambda of the generalised advantage estimate."""
    minibatch_size: int = 64
    """Steps in one update."""
    update_epochs: int = 4
    """Passes over a rollout."""
    clip_coef: float = 0.2
    """How far the new policy's probability ratio may move, either way."""
    ent_coef: float = 0.01
    """Weight of the entropy bonus."""
    vf_coef: float = 0.5
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Longest gradient."""


class Agent(nn.Module):
    """A small convolutional network with a policy and a value on top."""

    def __init__(self, shape: tuple[int, ...], actions: int) -> None:
        """Make the network.

        Args:
            shape: (H, W, 3) of the pictures.
            actions: How many there are.
        """
        super().__init__()
        convolutions = [
            layer(nn.Conv2d(3, 16, 8, stride=4)),
            nn.ReLU(),
            layer(nn.Conv2d(16, 32, 4, stride=2)),
            nn.ReLU(),
            nn.Flatten(),
        ]
        with torch.no_grad():
            features = nn.Sequential(*convolutions)(torch.zeros(1, 3, *shape[:2])).shape[1]
        self.body = nn.Sequential(*convolutions, layer(nn.Linear(features, 128)), nn.ReLU())
        self.policy = layer(nn.Linear(128, actions), std=0.01)
        self.value = layer(nn.Linear(128, 1), std=1.0)

    def forward(self, pictures: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        """Return the policy and the values (N,) of pictures uint8 (N, H, W, 3)."""
        features = self.body(pictures.permute(0, 3, 1, 2).float() / 255)
        return Categorical(logits=self.policy(features)), self.value(features).squeeze(-1)


def layer(module: nn.Conv2d | nn.Linear, std: float = 2**0.5) -> nn.Module:
    """Start a layer orthogonally, and its bias at 0."""
    nn.init.orthogonal_(module.weight, std)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


def make_phone(goal: str) -> gym.Env[dict[str, npt.NDArray[np.generic]], int]:
    """Return a phone on which one goal is asked for. Only time, or the reward, ends its episodes."""
    return gym.make("android/OpenApp-v0", goal_id=goal, terminate_on_success=False, disable_env_checker=True)


def train(args: Args) -> tuple[list[float], list[float]]:
    """Train an agent.

    Returns:
        Of each episode in order of its end: the return by the model, and the true one.
    """
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    preset = packaged_rewards()["reward-pocket"]
    served_by = Http(url=args.url, model="reward-pocket") if args.url else InProcess()
    with connect(served_by, preset.reward, preset.tasks) as client:
        phones = SyncVectorEnv([lambda: make_phone(args.goal)] * args.num_envs, autoreset_mode=AutoresetMode.DISABLED)
        vec_env = EpisodeStatistics(VLMRewardVecEnv(phones, client))
        try:
            return _ppo(args, vec_env, rng)
        finally:
            vec_env.close()


def _ppo(args: Args, vec_env: EpisodeStatistics, rng: np.random.Generator) -> tuple[list[float], list[float]]:
    observations, actions_of_one = vec_env.single_observation_space, vec_env.single_action_space
    assert isinstance(observations, Dict)
    assert isinstance(actions_of_one, Discrete)
    shape = observations["image"].shape
    assert shape is not None
    agent = Agent(shape, int(actions_of_one.n))
    optimizer = torch.optim.Adam(agent.parameters(), lr=args.learning_rate, eps=1e-5)
    rollouts = max(1, args.total_timesteps // (args.num_envs * args.num_steps))

    size = (args.num_steps, args.num_envs)
    pictures = torch.zeros((*size, *shape), dtype=torch.uint8)
    actions, logprobs, values = torch.zeros(size, dtype=torch.long), torch.zeros(size), torch.zeros(size)
    rewards, dones = torch.zeros(size), torch.zeros(size)
    returns_by_model: list[float] = []
    true_returns: list[float] = []
    truth = np.zeros(args.num_envs)
    begun = time.monotonic()

    observations, _ = vec_env.reset(seed=args.seed)
    for rollout in range(rollouts):
        optimizer.param_groups[0]["lr"] = args.learning_rate * (1 - rollout / rollouts)
        for step in range(args.num_steps):
            pictures[step] = torch.as_tensor(observations["image"])
            with torch.no_grad():
                policy, values[step] = agent(pictures[step])
            actions[step] = policy.sample()
            logprobs[step] = policy.log_prob(actions[step])
            observations, paid, terminations, truncations, infos = vec_env.step(actions[step].numpy())
            rewards[step] = torch.as_tensor(paid)
            dones[step] = torch.as_tensor(terminations | truncations)
            truth += infos["env_reward"]
            for i in np.flatnonzero(terminations | truncations):
                if not terminations[i]:  # out of time, and not at an end: what would have come is worth something
                    with torch.no_grad():
                        last = torch.as_tensor(infos["final_obs"][i]["image"])[None]
                        rewards[step, i] += args.gamma * agent(last)[1][0]
                returns_by_model.append(float(infos["episode"]["r"][i]))
                true_returns.append(float(truth[i]))
                truth[i] = 0

        with torch.no_grad():
            following = agent(torch.as_tensor(observations["image"]))[1]
        advantages, advantage = torch.zeros(size), torch.zeros(args.num_envs)
        for step in reversed(range(args.num_steps)):
            goes_on = 1 - dones[step]
            delta = rewards[step] + args.gamma * following * goes_on - values[step]
            advantage = delta + args.gamma * args.gae_lambda * goes_on * advantage
            advantages[step], following = advantage, values[step]
        targets = advantages + values

        batch = [table.flatten(0, 1) for table in (pictures, actions, logprobs, advantages, targets)]
        for _ in range(args.update_epochs):
            order = torch.as_tensor(rng.permutation(args.num_steps * args.num_envs))
            for rows in order.split(args.minibatch_size):
                seen, taken, old_logprob, gain, target = (table[rows] for table in batch)
                policy, value = agent(seen)
                ratio = (policy.log_prob(taken) - old_logprob).exp()
                gain = (gain - gain.mean()) / (gain.std() + 1e-8)
                policy_loss = -torch.min(
                    gain * ratio, gain * ratio.clamp(1 - args.clip_coef, 1 + args.clip_coef)
                ).mean()
                value_loss = 0.5 * (value - target).pow(2).mean()
                loss = policy_loss - args.ent_coef * policy.entropy().mean() + args.vf_coef * value_loss
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), args.max_grad_norm)
                optimizer.step()

        steps = (rollout + 1) * args.num_steps * args.num_envs
        by_model, true = (np.mean(returns[-50:] or [0]) for returns in (returns_by_model, true_returns))
        print(
            f"step {steps:6d}   episodes {len(true_returns):4d}   return by the model {by_model:.2f}   "
            f"ground truth {true:.2f}   {steps / (time.monotonic() - begun):.0f} steps/s",
            flush=True,
        )
    return returns_by_model, true_returns


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Args):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    args = Args(**vars(parser.parse_args(arguments)))
    torch.set_num_threads(1)
    try:
        returns, truth = train(args)
    except VLMRewardsError as error:
        parser.exit(1, f"error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted\n")
    last = slice(-50, None)
    print(
        f"last {len(returns[last])} episodes: return by the model {np.mean(returns[last] or [0]):.2f}, "
        f"ground truth {np.mean(truth[last] or [0]):.2f}"
    )


if __name__ == "__main__":
    main()
