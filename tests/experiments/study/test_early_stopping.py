"""ASHA over real trials: what does worse is stopped, and its run in MLflow says so."""

import pytest
import yaml
from mlflow.tracking import MlflowClient

from experiments.model_size import app
from experiments.shared.preset_files import load_preset
from tests.experiments.commands import invoke
from vlm_rewards.tracking.store import default_uri

pytestmark = [pytest.mark.long, pytest.mark.timeout(600), pytest.mark.budget(90)]


def test_the_worse_of_two_trials_is_stopped_at_the_first_rung(ray_session, tmp_path, with_store):
    with_store(tmp_path)
    values = load_preset("studies/model_size", "smoke")
    values["name"] = "asha"
    values["settings"] |= {
        "total_env_steps": 1024,
        "checkpoint_every_steps": 512,
        "algorithm": {"train_batch_size": 512},
        # Drawn actions: the most probable one of a beginner is always the same.
        "evaluation": {
            "episodes": 4, "every_steps": 512, "episodes_in_training": 40, "videos": 0, "deterministic": False,
        },
    }  # fmt: skip
    one_step = {"environment": {"evaluation_options": {"content": "eval", "max_episode_steps": 1}}}
    values["arms"] = {
        "twenty steps": {"settings": {"reward": {"kind": "ground_truth"}}},
        "one step": {"settings": {"reward": {"kind": "ground_truth"}, **one_step}},
    }
    values["asha"] = {"grace_steps": 512, "reduction_factor": 2}
    preset = tmp_path / "asha.yaml"
    preset.write_text(yaml.safe_dump(values, sort_keys=False))
    done = invoke(app, "--preset", preset, "--output", tmp_path)
    assert done.exit_code == 0, done.output + done.stderr

    client = MlflowClient(tracking_uri=default_uri(tmp_path))
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    by_arm = {run.data.tags["study.arm"]: run for run in runs if "study.arm" in run.data.tags}
    good, bad = by_arm["twenty steps"], by_arm["one step"]
    assert good.info.status == "FINISHED"
    assert good.data.metrics["held_out/success_rate"] > 0
    assert bad.info.status == "KILLED"
    assert bad.data.tags["end_reason"] == "stopped early by ASHA"
    good_steps, bad_steps = (
        max(m.step for m in client.get_metric_history(run.info.run_id, "train/env_steps")) for run in (good, bad)
    )
    assert bad_steps < 1024 <= good_steps
    assert "evaluation/success_rate" in good.data.metrics
    assert {run.info.status for run in runs} == {"FINISHED", "KILLED"}
