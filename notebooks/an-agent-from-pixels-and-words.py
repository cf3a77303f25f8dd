# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # An agent from pixels and words
#
# A policy that sees a phone's screen learns to open Gmail. It is paid by a frozen CLIP alone; the environment's own
# reward is logged beside it and never reaches the learner. The learner here is Stable-Baselines3's PPO: two minutes on
# one CPU core. `make demo` does the same with RLlib for ten apps.

# %% tags=["setup"]
import importlib.util
import os
import sys
from pathlib import Path

ROOT = next((folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "envs").is_dir()), None)
if ROOT is None:
    raise SystemExit("open this notebook in a checkout of the repository: the phone is in its folder envs")
needed = ("android_env", "matplotlib", "stable_baselines3")
missing = [name for name in needed if importlib.util.find_spec(name) is None]
if missing:
    raise SystemExit(f"this notebook needs {', '.join(missing)}, which are not installed: make install")
os.chdir(ROOT)
sys.path.insert(0, str(ROOT))

# %% [markdown]
# ## The reward
#
# The settings of the model, and a client. This one computes in this process; with `HttpTransport(url, name)` it would
# ask a gateway, and nothing else would change.

# %%
import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import FilterObservation

import envs.android  # registers android/OpenApp-v0
from vlm_rewards.environment.vlm_reward_vec_env import VLMRewardVecEnv
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import InProcessTransport, RewardClient

torch.set_num_threads(1)
config = RewardConfig(model="pocket-android", negatives=NegativesSpec(kind="goals_and_states"), tau=0.05, beta=0.9)
model = RewardModel(config, TaskSet.named("open_common_apps"))
client = RewardClient(InProcessTransport(model))

# %% [markdown]
# ## The environment
#
# Eight phones, whose episodes end where the reward says so, and not where the truth does: that would tell the agent
# what it should find out. `GymnasiumVecEnv` is the thin adapter of
# [examples/stable_baselines3_ppo.py](../examples/stable_baselines3_ppo.py).

# %%
from stable_baselines3.common.vec_env import VecMonitor

from examples.stable_baselines3_ppo import GymnasiumVecEnv


def make_phone():
    env = gym.make("android/OpenApp-v0", goal_id="gmail", terminate_on_success=False, disable_env_checker=True)
    return FilterObservation(env, ["image"])  # one goal: the policy need not read it


phones = SyncVectorEnv([make_phone] * 8, autoreset_mode=AutoresetMode.DISABLED)
env = VecMonitor(GymnasiumVecEnv(VLMRewardVecEnv(phones, client)))

# %% [markdown]
# ## Training

# %%
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback


class Returns(BaseCallback):
    """Both returns of each episode that has ended: what was paid, and what was true."""

    def __init__(self):
        super().__init__()
        self.rows, self.truth = [], np.zeros(8)

    def _on_step(self):
        for i, info in enumerate(self.locals["infos"]):
            self.truth[i] += info["env_reward"]
            if "episode" in info:
                self.rows.append((self.num_timesteps, info["episode"]["r"], self.truth[i]))
                self.truth[i] = 0
        return True


STEPS = 6000
returns = Returns()
ppo = PPO(
    "MultiInputPolicy",
    env,
    n_steps=32,
    batch_size=64,
    n_epochs=4,
    gamma=0.9,
    learning_rate=1e-3,
    ent_coef=0.01,
    seed=0,
    device="cpu",
)
ppo.learn(STEPS, callback=returns)
print(f"{len(returns.rows)} episodes")

# %%
import matplotlib.pyplot as plt

steps, paid, true = np.asarray(returns.rows).T
width = 30


def mean(values):
    return np.convolve(values, np.ones(width) / width, "valid")


fig, ax = plt.subplots(figsize=(8, 3))
ax.plot(steps[width - 1 :], mean(paid), label="return by the model (all that the agent is trained on)")
ax.plot(steps[width - 1 :], mean(true), "--", label="ground truth (never seen by the agent)")
ax.set(xlabel="environment steps", ylabel=f"mean of {width} episodes", ylim=(-0.02, 1.05))
ax.legend(fontsize=8)
plt.show()
print(f"first {width} episodes: truth {true[:width].mean():.2f}; last {width}: {true[-width:].mean():.2f}")
assert true[-width:].mean() > true[:width].mean() + 0.2

# %% [markdown]
# The two curves lie close together: what the model pays for is what was meant. Where the first rises alone, the agent
# has found what the model pays for by mistake.
#
# ## An episode of the trained agent

# %%
phone = make_phone()
observation, _ = phone.reset(seed=12345)
pictures, p = [phone.unwrapped.reward_frame()], []
for _ in range(8):
    p.append(float(model.score(pictures[-1][None], ["gmail"])[0]))
    if p[-1] > config.beta:
        break
    action, _ = ppo.predict(observation, deterministic=False)
    observation, *_ = phone.step(int(action))
    pictures.append(phone.unwrapped.reward_frame())

fig, axes = plt.subplots(1, len(p), figsize=(1.6 * len(p), 3), squeeze=False)
for ax, picture, value in zip(axes[0], pictures, p, strict=False):
    ax.imshow(picture)
    ax.set_title(f"p = {value:.2f}", fontsize=9)
    ax.axis("off")
plt.show()

# %% [markdown]
# Next: `python -m experiments.train --help` for RLlib, [your own environment](../docs/tutorials/own-environment.md),
# and [the service](../docs/service.md) for several trainings on one model.
