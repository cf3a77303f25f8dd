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
# # A study, read from MLflow
#
# A study is a set of trainings that differ in one thing, and each is an MLflow run below the study's own. All that its
# report shows comes from there, so other questions can be asked of the same runs, with MLflow's client and a few lines.

# %% tags=["setup"]
import importlib.util
import os
import sys
from pathlib import Path

ROOT = next((folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / "envs").is_dir()), None)
if ROOT is None:
    raise SystemExit("open this notebook in a checkout of the repository: the phone is in its folder envs")
missing = [name for name in ("android_env", "matplotlib", "mlflow", "ray") if importlib.util.find_spec(name) is None]
if missing:
    raise SystemExit(f"this notebook needs {', '.join(missing)}, which are not installed: make install")
os.chdir(ROOT)
sys.path.insert(0, str(ROOT))

# %% [markdown]
# ## A study to read
#
# The smoke test of a study: templates A and D of the paper, two trainings of two thousand steps, too short to learn
# anything. It takes the whole path: Ray, Tune, rewards, evaluation, MLflow. The rewards are computed within the trials
# (`in_process`); by default each would be an application of its own, which takes a minute more to start on two cores.

# %%
import subprocess
import tempfile

folder = Path(tempfile.mkdtemp())
settings = ["served_by={kind: in_process}", "evaluation.episodes=10", "evaluation.videos=0"]
command = ["-m", "experiments.prompts", "--smoke", *(f"--set=settings.{setting}" for setting in settings)]
done = subprocess.run([sys.executable, *command, "--output", str(folder)], capture_output=True, text=True)
if done.returncode:
    raise SystemExit(done.stderr)
print("\n".join(line for line in done.stdout.splitlines() if line.endswith(("begins", "done"))))

# %% [markdown]
# ## The runs
#
# The parent has the settings and a description; its children are the trials. The tag `study.arm` names what differs.

# %%
from mlflow import MlflowClient

client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
experiment = client.get_experiment_by_name("studies")
runs = client.search_runs([experiment.experiment_id])
(parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
trials = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
print(parent.data.tags["mlflow.note.content"])
for run in trials:
    tags, params = run.data.tags, run.data.params
    print(f"arm {tags['study.arm']}, seed {tags['study.seed']}: {run.info.status}; ", end="")
    print(f"template {params['reward.template']}, reward {tags['reward.fingerprint'][:8]}")
assert {run.info.status for run in trials} == {"FINISHED"}

# %% [markdown]
# ## Both returns of each trial
#
# `train/reward_return` is what the agent is trained on, `train/success_rate` the ground truth, which it never sees. In
# a study that is long enough they rise together, or the first rises alone.

# %%
import matplotlib.pyplot as plt
import numpy as np

from vlm_rewards.evaluation.statistics import Curve


def curve(run, metric):
    history = client.get_metric_history(run.info.run_id, metric)
    steps, values = zip(*((point.step, point.value) for point in history), strict=True)
    return Curve(np.asarray(steps, np.float64), np.asarray(values, np.float64))


fig, axes = plt.subplots(1, len(trials), figsize=(4.2 * len(trials), 2.8), sharey=True, squeeze=False)
for ax, run in zip(axes[0], sorted(trials, key=lambda run: run.data.tags["study.arm"]), strict=True):
    for metric, style in (("train/reward_return", "-"), ("train/success_rate", "--")):
        found = curve(run, metric)
        ax.plot(found.steps, found.values, style, label=metric)
    ax.set(title=f"template {run.data.tags['study.arm']}", xlabel="environment steps", ylim=(-0.02, 1.02))
axes[0, 0].legend(fontsize=8)
plt.tight_layout()
plt.show()

# %% [markdown]
# ## How precise was the reward in training?
#
# Of the episodes that the reward ended, how many had reached the goal. The counts are added up; a mean of ratios would
# weigh an iteration with one success like one with fifty.

# %%
for run in trials:
    paid = curve(run, "train/reward_successes").values.sum()
    true = curve(run, "train/true_reward_successes").values.sum()
    rate, low, high = (run.data.metrics[f"evaluation/success_rate{end}"] for end in ("", "_low", "_high"))
    chance = run.data.metrics["evaluation/random_success_rate"]
    print(
        f"template {run.data.tags['study.arm']}: {paid:.0f} episodes paid, {true / max(paid, 1):.2f} of them rightly; "
        f"success {rate:.2f} ({low:.2f} to {high:.2f}) afterwards, by chance {chance:.2f}"
    )

# %% [markdown]
# One seed and ten episodes decide nothing: the intervals say so. [Read a study](../docs/tutorials/read-a-study.md) has
# the order in which to look at one that does.
#
# ## The report
#
# The same from the command line, with figures, tables and one HTML page:

# %%
command = ["experiments.report", "prompts_smoke", "--output", str(folder / "report")]
command += ["--mlflow-uri", f"sqlite:///{folder / 'mlflow.db'}"]
print(subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True, text=True).stdout)
print(*sorted(path.name for path in (folder / "report").iterdir()), sep="\n")
