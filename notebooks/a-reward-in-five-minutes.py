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
# # A reward in five minutes
#
# Can a model that has only seen pictures with captions say when a goal has been reached? This notebook asks one about a
# phone: pictures, words, p(goal), and what becomes of it when either changes. Nothing is trained here.

# %% tags=["setup"]
import importlib.util
import os
import sys
from pathlib import Path

ROOT = next((folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "envs").is_dir()), None)
if ROOT is None:
    raise SystemExit("open this notebook in a checkout of the repository: the phone is in its folder envs")
missing = [name for name in ("android_env", "matplotlib") if importlib.util.find_spec(name) is None]
if missing:
    raise SystemExit(f"this notebook needs {', '.join(missing)}, which are not installed: make install")
os.chdir(ROOT)
sys.path.insert(0, str(ROOT))

# %% [markdown]
# ## Pictures
#
# The phone of the [Open App](../docs/android/README.md) tasks, tapped at random. Its state is drawn for the reward in
# the encoder's size. Your own pictures would do as well: any `uint8 (N, H, W, 3)`.

# %%
import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

import envs.android  # registers android/OpenApp-v0

env = gym.make("android/OpenApp-v0", goal_id="gmail", terminate_on_success=False)
env.reset(seed=0)
phone = env.unwrapped
rng = np.random.default_rng(2)

frames, truth = [phone.reward_frame()], [False]
while sum(truth) < 3 and len(frames) < 300:
    if len(frames) % 15 == 0:
        env.reset(seed=len(frames))
    _, _, _, truncated, info = env.step(int(rng.integers(env.action_space.n)))
    frames.append(phone.reward_frame())
    truth.append(info["goal_achieved"])  # what the environment knows, and no agent sees
frames, truth = np.stack(frames), np.asarray(truth)
print(f"{len(frames)} screens {frames.shape[1:]}, {truth.sum()} of them show Gmail")

# %% [markdown]
# ## Words
#
# A reward compares a picture with a *set* of sentences: the goal, and what it competes with. Here these are the other
# goals of the task set, put into the same template, and captions of states in which no goal holds.

# %%
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel

tasks = TaskSet.named("open_common_apps")
config = RewardConfig(
    model="pocket-android",  # comes with the package; a hub id or a folder works as well
    template="D",
    negatives=NegativesSpec(kind="goals_and_states"),
    tau=0.05,
    beta=0.9,
)
reward = RewardModel(config, tasks)
for sentence in reward.prompts("gmail")[:3]:
    print(sentence)
print("...", len(reward.prompts("gmail")), "in all")

# %% [markdown]
# ## p(goal), and the reward
#
# Equation 1 of the paper makes a probability of the similarities, equation 2 a reward: 1 where it is above β. The agent
# is paid by that alone, and its episode ends there.

# %%
p = reward.score(frames, ["gmail"] * len(frames))  # float32 (N,)
paid = reward.reward(p)

fig, ax = plt.subplots(figsize=(8, 2.8))
ax.plot(p, lw=1, color="tab:blue", label="p(open Gmail)")
ax.axhline(config.beta, color="gray", ls=":", label="β")
ax.plot(np.flatnonzero(truth), p[truth], "o", color="tab:green", label="Gmail is open (ground truth)")
ax.set(xlabel="screen", ylabel="p", ylim=(-0.02, 1.02))
ax.legend(loc="center left", fontsize=8)
plt.show()
print(f"paid: {int(paid.sum())}; of these with Gmail open: {int(paid[truth].sum())}")
assert paid[truth].all()
assert not paid[~truth].any()

# %% [markdown]
# One screen for each goal that would have been paid, had it been asked for:

# %%
ids = [goal.id for goal in tasks.goals]
everything = reward.score_all(frames, ids)  # float32 (N, G): each frame is embedded once
best = np.argsort(-everything.max(axis=1))
best = best[everything[best].max(axis=1) > config.beta]
seen = dict.fromkeys(ids[everything[i].argmax()] for i in best)  # one screen for each goal that would be paid
shown = [next(i for i in best if ids[everything[i].argmax()] == goal) for goal in list(seen)[:5]]
fig, axes = plt.subplots(1, len(shown), figsize=(1.7 * len(shown), 3.1), squeeze=False)
for ax, i in zip(axes[0], shown, strict=True):
    ax.imshow(frames[i])
    ax.set_title(f"{ids[everything[i].argmax()]}\np = {everything[i].max():.2f}", fontsize=9)
    ax.axis("off")
plt.show()

# %% [markdown]
# ## What negatives are for
#
# Without captions of "not yet" the softmax has to give its unit of probability to some goal, whatever a picture shows.

# %%
goals_alone = RewardModel(RewardConfig(model="pocket-android", template="D", tau=0.05, beta=0.9), tasks)
home = frames[:1]
for name, model in (("other goals", goals_alone), ("other goals and states", reward)):
    scores = model.score_all(home, ids)[0]
    print(f"{name:>24}: the home screen is {ids[scores.argmax()]} with p = {scores.max():.3f}")

# %% [markdown]
# ## Your own words
#
# A goal needs an id, what it is about, and an instruction. A task set and a reward in one YAML file are a *preset*:
# every command takes it, and so does the [playground](../docs/playground.md), which shows all of this without Python.

# %%
import tempfile

from vlm_rewards.goals import Goal
from vlm_rewards.reward_preset import RewardPreset

own = TaskSet(
    name="mine",
    version=1,
    goals=(
        Goal(id="mail", subject="Gmail", instruction="read the mail"),
        Goal(id="map", subject="Maps", instruction="find the way"),
    ),
    unachieved_captions=tasks.unachieved_captions,
)
preset = Path(tempfile.mkdtemp()) / "mine.yaml"
preset.write_text(
    f"""reward: {{model: pocket-android, template: D, negatives: {{kind: goals_and_states}}, tau: 0.05, beta: 0.9}}
task_set: {own.model_dump_json()}
"""
)
mine = RewardPreset.from_file(preset)
model = RewardModel(mine.reward, mine.tasks)
print(model.score(frames[truth], ["mail"] * truth.sum()))

# %% [markdown]
# `vlm-rewards check-reward mine.yaml` says what is wrong with such a preset, and with `--preset mine.yaml` `vlm-rewards
# score FOLDER` scores pictures. [Your own environment](../docs/tutorials/own-environment.md) is paid by it in a dozen
# lines.
