"""Stable-Baselines3's PPO learns to open an app, paid by a reward model alone.

    python -m examples.stable_baselines3_ppo                      # the packaged model in this process
    serve deploy serve_deployments/gateway.yaml                   # or on a Ray cluster, then:
    python -m examples.stable_baselines3_ppo --url http://127.0.0.1:8765

Needs `pip install stable-baselines3`. Nothing here uses Ray: with a URL, the policy's process knows the reward's
settings and where it is served, and refuses another. A gateway's token is that in VLM_REWARDS_TOKEN. The environment's
own reward, the truth, is printed beside the model's and never reaches the learner.
"""

import argparse
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import FilterObservation
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnv, VecMonitor

import envs.android  # noqa: F401 registers android/OpenApp-v0
from vlm_rewards.environment.vlm_reward_vec_env import VLMRewardVecEnv
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.service.served_by import Http, InProcess, ServedByKind, connect

# What serve_deployments/gateway.yaml serves as reward-pocket.
REWARD = RewardConfig(model="pocket-android", negatives=NegativesSpec(kind="goals_and_states"), tau=0.05, beta=0.9)


class GymnasiumVecEnv(VecEnv):
    """A Gymnasium vector environment with SAME_STEP autoreset, as Stable-Baselines3 wants it."""

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any]) -> None:
        """Wrap `env`."""
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Any:
        """Start all episodes."""
        observations, _ = self.env.reset(seed=list(self._seeds))  # type: ignore[arg-type]  # Gymnasium takes a list, too
        self._reset_seeds()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Step; the final observation of an ended episode goes where Stable-Baselines3 looks for it."""
        observations, rewards, terminations, truncations, infos = self.env.step(self._actions)
        dones = terminations | truncations
        listed: list[dict[str, Any]] = []
        for i in range(self.num_envs):
            info = {name: infos[name][i] for name in ("vlm_score", "env_reward")}
            info["TimeLimit.truncated"] = bool(truncations[i] and not terminations[i])
            if dones[i]:
                info["terminal_observation"] = infos["final_obs"][i]
            listed.append(info)
        return observations, rewards.astype(np.float32), dones, listed

    def close(self) -> None:
        """Close the sub-environments."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Read an attribute of sub-environments."""
        values = self.env.unwrapped.get_attr(attr_name)
        return [values[i] for i in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of all sub-environments."""
        self.env.unwrapped.set_attr(attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Call a method of sub-environments."""
        values = self.env.unwrapped.call(method_name, *args, **kwargs)
        return [values[i] for i in self._get_indices(indices)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Say that no sub-environment has Stable-Baselines3's wrappers."""
        return [False for _ in self._get_indices(indices)]


class Progress(BaseCallback):
    """Adds up both returns of the episodes that have ended, rollout by rollout."""

    def __init__(self) -> None:
        """Start with nothing."""
        super().__init__()
        self.returns: list[float] = []
        self.true_returns: list[float] = []
        self.scores: list[float] = []
        self._truth: np.ndarray | None = None
        self._printed = 0

    def _on_step(self) -> bool:
        if self._truth is None:
            self._truth = np.zeros(self.training_env.num_envs)
        for i, info in enumerate(self.locals["infos"]):
            self._truth[i] += info["env_reward"]
            self.scores.append(float(info["vlm_score"]))
            if "episode" in info:
                self.returns.append(float(info["episode"]["r"]))
                self.true_returns.append(float(self._truth[i]))
                self._truth[i] = 0
        return True

    def _on_rollout_end(self) -> None:
        new = slice(self._printed, len(self.returns))
        if self.returns[new]:
            print(
                f"step {self.num_timesteps:6d}   episodes {len(self.returns):4d}   return by the model "
                f"{np.mean(self.returns[new]):.2f}   ground truth {np.mean(self.true_returns[new]):.2f}",
                flush=True,
            )
            self._printed = len(self.returns)


def make_env(goal: str) -> gym.Env[Any, Any]:
    """Return a phone on which one goal is asked for, so that the policy needs to see the screen only."""
    env = gym.make("android/OpenApp-v0", goal_id=goal, terminate_on_success=False, disable_env_checker=True)
    return FilterObservation(env, ["image"])


def train(
    served_by: ServedByKind,
    goal: str = "gmail",
    steps: int = 6000,
    count: int = 8,
    seed: int = 0,
) -> Progress:
    """Train, and return what the learner and the ground truth made of it.

    Args:
        served_by: Where the reward is computed.
        goal: Id of the only goal.
        steps: Environment steps.
        count: Environments; their frames travel in one request a step.
        seed: Seed of everything.
    """
    progress = Progress()
    with connect(served_by, REWARD, TaskSet.named("open_common_apps")) as client:
        phones = SyncVectorEnv([lambda: make_env(goal)] * count, autoreset_mode=AutoresetMode.DISABLED)
        env = VecMonitor(GymnasiumVecEnv(VLMRewardVecEnv(phones, client)))
        ppo = PPO(
            "MultiInputPolicy",
            env,
            n_steps=32,
            batch_size=64,
            n_epochs=4,
            gamma=0.9,
            learning_rate=1e-3,
            ent_coef=0.01,
            seed=seed,
            device="cpu",
        )
        ppo.learn(steps, callback=progress)
        env.close()
    return progress


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", help="of a running gateway; without it the packaged model computes in this process")
    parser.add_argument("--model", default="reward-pocket", help="the model's name there")
    parser.add_argument("--goal", default="gmail")
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        served_by = Http(url=options.url, model=options.model) if options.url else InProcess()
        progress = train(served_by, goal=options.goal, steps=options.steps, seed=options.seed)
    except VLMRewardsError as error:
        parser.exit(1, f"error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "interrupted\n")
    last = slice(-50, None)
    print(
        f"last {len(progress.returns[last])} episodes: return by the model {np.mean(progress.returns[last]):.2f}, "
        f"ground truth {np.mean(progress.true_returns[last]):.2f}"
    )


if __name__ == "__main__":
    main()
