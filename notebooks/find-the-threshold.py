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
# # Find the threshold
#
# β says how sure the model must be to pay, τ how sharply the goal competes with its negatives. Both are chosen on
# recorded states whose truth is known, before any training, and judged on others. Here a pocket CLIP of 2.4 million
# parameters, which was trained on other pictures besides the phone's, gets a threshold for opening apps.

# %% tags=["setup"]
import importlib.util
import os
import sys
from pathlib import Path

ROOT = next((folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "envs").is_dir()), None)
if ROOT is None:
    raise SystemExit("open this notebook in a checkout of the repository: the phone is in its folder envs")
missing = [name for name in ("android_env", "matplotlib", "pyarrow", "scipy") if importlib.util.find_spec(name) is None]
if missing:
    raise SystemExit(f"this notebook needs {', '.join(missing)}, which are not installed: make install")
os.chdir(ROOT)
sys.path.insert(0, str(ROOT))

# %% [markdown]
# ## Recorded states
#
# `experiments.collect` plays scripts on the phone (straight to the app, by detours, to other apps, at random) and
# writes each state with its picture and its truth.

# %%
import subprocess
import tempfile

folder = Path(tempfile.mkdtemp()) / "phone"
command = "experiments.collect --preset android_small --set trajectories=100 --quiet"
subprocess.run([sys.executable, "-m", *command.split(), "--output", str(folder)], check=True, stdout=subprocess.DEVNULL)

# %%
import numpy as np

from vlm_rewards.evaluation.offline.dataset import LabelledDataset, decode_frames

data = LabelledDataset.open(folder)
frames = np.concatenate([decode_frames(batch["image"]) for batch in data.batches(512)])
states = data.states
truth = states.goal_achieved
print(f"{len(frames)} states of {len(data.trajectories)} trajectories; in {truth.sum()} the goal has been reached")

# %% [markdown]
# ## Two sides
#
# The threshold is chosen on one part and judged on the other. States of one trajectory resemble each other, so whole
# trajectories go to one side.

# %%
from vlm_rewards.evaluation.offline import SplitSpec, split_trajectories

split = split_trajectories(states, SplitSpec(calibration_share=0.5, seed=0))
choosing, judging = states.rows_of(split.calibration), states.rows_of(split.test)
print(f"{choosing.sum()} states to choose on, {judging.sum()} to judge on")

# %% [markdown]
# ## Scores, with two kinds of negatives

# %%
from vlm_rewards.evaluation.offline.precision_recall import average_precision, precision_recall_curve
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel

tasks = TaskSet.named("open_common_apps")
scores = {}
for kind in ("goals", "goals_and_states"):
    config = RewardConfig(model="pocket-m", template="D", negatives=NegativesSpec(kind=kind), tau=0.05, beta=0.5)
    scores[kind] = RewardModel(config, tasks).score(frames, states.goal_id)  # p(goal): float32 (N,)
    print(f"{kind:>17}: average precision {average_precision(scores[kind][choosing], truth[choosing]):.3f}")

# %%
import matplotlib.pyplot as plt

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
for kind, p in scores.items():
    curve = precision_recall_curve(p[choosing], truth[choosing])
    left.step(curve.recall, curve.precision, where="post", label=kind)
left.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.02), title="over all thresholds")
left.legend(title="negatives")
p = scores["goals_and_states"]
bins = np.linspace(0, 1, 21)
right.hist([p[choosing & ~truth], p[choosing & truth]], bins, label=["not yet", "reached"], stacked=True, log=True)
right.set(xlabel="p(goal)", ylabel="states", title="goals and states")
right.legend()
plt.tight_layout()
plt.show()

# %% [markdown]
# ## A threshold
#
# The point of most recall whose precision is high enough: not on the curve itself, which flatters the best of many
# points, but by the lower end of its confidence interval, over resampled trajectories.

# %%
from vlm_rewards.evaluation.offline.thresholds import choose_threshold

p = scores["goals_and_states"]
choice = choose_threshold(p[choosing], truth[choosing], states.trajectory[choosing], precision=0.8)
print(f"beta {choice.beta:.3f}: precision {choice.precision:.2f} (at least {choice.precision_bound:.2f}), ", end="")
print(f"recall {choice.recall:.2f}; {'as asked' if choice.reached else 'less than asked: this is the nearest'}")

# %% [markdown]
# And on the states that it was not chosen on:

# %%
from vlm_rewards.evaluation.offline.precision_recall import precision_and_recall

judged = {}
for beta in (0.5, choice.beta):
    precision, recall = judged[beta] = precision_and_recall(p[judging] > beta, truth[judging])
    print(f"beta {beta:.3f}: precision {precision:.2f}, recall {recall:.2f}")
assert judged[choice.beta][0] > 0.7
assert judged[choice.beta][1] > judged[0.5][1]

# %% [markdown]
# ## Is it enough?
#
# Precision decides whether an agent learns the right thing, recall how soon. What an agent finds is not what a script
# finds: it *searches* for states that are paid. [Rewards under pressure](../docs/results/pressure.md) has what was left
# of such rewards then, and [the home](../docs/results/playhouse.md) a case in which more precision taught less.
#
# `python -m experiments.calibrate` does the above over temperatures, templates and sets of negatives, and writes a
# reward preset; `python -m experiments.offline_pr` compares models.
