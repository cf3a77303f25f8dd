"""A preset may name a model's folder from where the study is started, though Tune would put each trial elsewhere."""

import os

import pytest
import yaml

from experiments.model_size import app
from experiments.shared.preset_files import load_preset
from tests.experiments.commands import invoke
from vlm_rewards.encoders.loading import PACKAGED_MODELS

pytestmark = [pytest.mark.long, pytest.mark.timeout(300), pytest.mark.budget(60)]


def test_a_trial_finds_a_model_by_its_relative_folder(ray_session, tmp_path, with_store):
    with_store(tmp_path)
    values = load_preset("studies/model_size", "smoke")
    values["settings"] |= {
        "total_env_steps": 256,
        "algorithm": {"train_batch_size": 256},
        "served_by": {"kind": "in_process"},
        "evaluation": {"episodes": 2, "videos": 0},
    }
    values["arms"] = {"one": {"settings": {"reward": {"model": os.path.relpath(PACKAGED_MODELS / "pocket-xs")}}}}
    preset = tmp_path / "relative.yaml"
    preset.write_text(yaml.safe_dump(values, sort_keys=False))
    done = invoke(app, "--preset", preset, "--output", tmp_path)
    assert done.exit_code == 0, done.output + done.stderr
    assert "failed" not in done.output + done.stderr
