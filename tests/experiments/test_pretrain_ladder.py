import pytest
import yaml
from typer.testing import CliRunner

from experiments.pretrain_ladder import app
from experiments.pretraining.ladder_config import LadderConfig
from experiments.shared.preset_files import load_preset, preset_names
from vlm_rewards.pretraining.stream_training import _shared

LADDER = {
    "sizes": ["shapes"],
    "data": {
        "source": "vlm_rewards.pretraining.shapes:random_shape",
        "stream": True,
        "workers": 1,
        "corpus_images": 60,
        "held_out_images": 60,
    },
    "training": {"steps": 6, "batch_size": 16, "checkpoint_every": 3, "threads": 1},
}


@pytest.mark.parametrize("preset", preset_names("pretrain_ladder"))
def test_every_preset_is_one_recipe_for_all_its_sizes(preset):
    ladder = LadderConfig(**load_preset("pretrain_ladder", preset, []))
    models = ladder.models()
    assert all(model.data.stream for model in models)
    assert all(_shared(model) == _shared(models[0]) for model in models)
    assert [model.name for model in models] == [ladder.prefix + size for size in ladder.sizes]
    starts = [model.training.start_from for model in models]
    assert starts == (list(ladder.sizes) if ladder.continued else [None] * len(models))


def test_a_ladder_is_trained_and_continues(tmp_path):
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump(LADDER))
    command = ["--preset", str(preset), "--output", str(tmp_path / "ladder")]
    for _ in range(2):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        assert "zero-shot accuracy" in result.output
    assert (tmp_path / "ladder" / "shapes" / "model" / "config.json").is_file()
    assert (tmp_path / "ladder" / "mlflow.db").is_file()


def test_a_ladder_without_a_stream_is_refused(tmp_path):
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump({**LADDER, "data": {**LADDER["data"], "stream": False}}))
    result = CliRunner().invoke(app, ["--preset", str(preset), "--output", str(tmp_path / "ladder")])
    assert result.exit_code != 0
    assert "set data.stream: true" in result.output
