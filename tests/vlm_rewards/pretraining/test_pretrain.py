"""Training, resuming and exporting for real, on coloured shapes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.small_disk import small_disk
from vlm_rewards.encoders import load_encoder
from vlm_rewards.errors import ConfigError, SelfCheckError
from vlm_rewards.pretraining.model_card import weights_of, with_measurement
from vlm_rewards.pretraining.pretrain import PretrainOutcome, pretrain
from vlm_rewards.pretraining.pretrain_config import PretrainConfig
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset, RenderSpec
from vlm_rewards.pretraining.trainer import Trainer

SHAPES = "vlm_rewards.pretraining.shapes:random_shape"


def config(**training) -> PretrainConfig:
    return PretrainConfig(
        name="tiny-shapes",
        model={
            "image_height": 32,
            "image_width": 24,
            "stem_channels": 12,
            "stage_channels": [12, 24, 32],
            "stage_depths": [1, 1, 1],
            "text_width": 32,
            "text_layers": 1,
            "max_tokens": 16,
            "vocab_size": 220,
            "embedding_dim": 32,
        },
        data={"source": SHAPES, "train_images": 1500, "held_out_images": 240, "workers": 0},
        training={
            "steps": 220,
            "batch_size": 64,
            "warmup_steps": 20,
            "threads": 1,
            "log_every": 20,
            "checkpoint_every": 100,
            "learning_rate": 3e-3,
            **training,
        },
    )


@pytest.fixture(scope="module")
def logs() -> list[tuple[int, dict[str, float]]]:
    return []


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, logs) -> PretrainOutcome:
    root = tmp_path_factory.mktemp("pretrain")
    return pretrain(config(), root / "run", root / "model", on_log=lambda step, metrics: logs.append((step, metrics)))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> RenderedDataset:
    return RenderedDataset.render(RenderSpec(SHAPES, 300, 32, 24, 5), tmp_path_factory.mktemp("data") / "shapes")


def test_it_learns_to_name_what_it_sees(outcome):
    assert outcome.report.images == 240
    assert outcome.report.accuracy > 0.6  # 12 labels: chance is 0.08
    assert len(outcome.report.by_label) == 12


def test_each_cycle_falls_to_nothing_from_half_of_the_peak_before_it(dataset):
    settings = config(steps=12, cycles=3, warmup_steps=2, log_every=1, learning_rate=4e-3, batch_size=4)
    rates: list[float] = []
    Trainer(settings.model, settings.training, dataset).run(on_log=lambda _, each: rates.append(each["learning_rate"]))
    assert rates[0] == 2e-3  # warming up
    assert rates[2::4] == pytest.approx([4e-3, 1e-3, 0.5e-3])
    assert rates[4::4] == pytest.approx([2e-3, 1e-3])
    assert rates[1] == 4e-3


def test_the_folder_loads_as_any_other_and_proves_itself(outcome):
    encoder = load_encoder(str(outcome.folder), encoder="torch")
    assert encoder.image_size == (32, 24)
    assert encoder.fingerprint == outcome.encoder.fingerprint
    names = {path.name for path in outcome.folder.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"}
    assert names >= {"README.md", "self_check.json", "self_check"}
    assert json.loads((outcome.folder / "config.json").read_text())["dtype"] == "float16"
    settings = json.loads((outcome.folder / "preprocessor_config.json").read_text())
    assert settings["size"] == {"height": 32, "width": 24}
    assert settings["do_center_crop"] is False


def test_damage_to_the_folder_is_noticed(outcome, tmp_path):
    import shutil

    copy = shutil.copytree(outcome.folder, tmp_path / "copy")
    settings = json.loads((copy / "preprocessor_config.json").read_text())
    settings["image_mean"] = [0, 0, 0]
    (copy / "preprocessor_config.json").write_text(json.dumps(settings))
    with pytest.raises(SelfCheckError, match="preprocessing differ"):
        load_encoder(str(copy))


def test_the_card_says_what_the_model_is(outcome):
    card = (outcome.folder / "README.md").read_text()
    assert f"**{outcome.report.accuracy:.4f}**" in card
    assert f"{outcome.facts.image_parameters:,} parameters" in card
    assert SHAPES in card
    assert "stands in for an off-the-shelf CLIP" in card
    for label in outcome.report.by_label:
        assert f"| {label} |" in card


def test_a_finished_run_gets_a_new_card_without_training_that_keeps_what_was_measured(outcome):
    card = outcome.folder / "README.md"
    before = card.read_text()
    card.write_text(
        with_measurement(before.replace("Recipe", "Old"), "things", weights_of(outcome.folder), "Found 0.9")
    )
    logged = []
    again = pretrain(
        config(),
        outcome.folder.parent / "run",
        outcome.folder,
        on_log=lambda step, metrics: logged.append(step),
    )
    assert not logged, "it was trained again"
    assert again.encoder.fingerprint == outcome.encoder.fingerprint
    assert again.report == outcome.report
    assert "## Recipe" in card.read_text()
    assert "Found 0.9" in card.read_text()


def test_metrics_are_logged_by_step_and_the_loss_falls(outcome, logs):
    assert [step for step, _ in logs] == list(range(20, 221, 20))
    assert logs[-1][1]["loss"] < logs[0][1]["loss"] / 2
    assert all(np.isfinite(value) for _, metrics in logs for value in metrics.values())


def weights(trainer: Trainer) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in trainer.model.state_dict().values()]


def test_a_run_that_was_cut_off_and_resumed_gives_the_same_weights(dataset, tmp_path):
    settings = config(steps=12, checkpoint_every=5, batch_size=32)
    straight = Trainer(settings.model, settings.training, dataset)
    straight.run()
    checkpoint = tmp_path / "state.pt"
    cut = Trainer(settings.model, settings.training, dataset)

    def stop(step: int, metrics: dict[str, float]) -> None:
        raise KeyboardInterrupt

    interrupted = settings.training.model_copy(update={"log_every": 8})
    cut = Trainer(settings.model, interrupted, dataset)
    with pytest.raises(KeyboardInterrupt):
        cut.run(checkpoint, stop)
    resumed = Trainer(settings.model, settings.training, dataset)
    resumed.run(checkpoint)
    assert resumed.step == 12
    for ours, theirs in zip(weights(straight), weights(resumed), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_seed_decides_the_weights(dataset):
    def trained(seed: int) -> list[torch.Tensor]:
        settings = config(steps=3, seed=seed, batch_size=16)
        trainer = Trainer(settings.model, settings.training, dataset)
        trainer.run()
        return weights(trainer)

    first, again, other = trained(0), trained(0), trained(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_checkpoint_of_other_settings_is_refused(dataset, tmp_path):
    settings = config(steps=2, batch_size=16)
    Trainer(settings.model, settings.training, dataset).run(tmp_path / "state.pt")
    other = config(steps=4, batch_size=16)
    with pytest.raises(ConfigError, match="belongs to other settings or data"):
        Trainer(other.model, other.training, dataset).run(tmp_path / "state.pt")


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-300], lambda data: b"\0garbage"])
def test_a_damaged_checkpoint_is_told_in_one_line(dataset, tmp_path, damage):
    settings = config(steps=2, batch_size=16)
    path = tmp_path / "state.pt"
    Trainer(settings.model, settings.training, dataset).run(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigError, match=r"state\.pt is damaged .* delete it to begin anew") as caught:
        Trainer(settings.model, settings.training, dataset).run(path)
    assert "\n" not in str(caught.value)


def test_a_full_disk_leaves_the_checkpoint_before_and_nothing_half_written(dataset, tmp_path):
    settings = config(steps=2, batch_size=16)
    trainer = Trainer(settings.model, settings.training, dataset)
    with small_disk(tmp_path / "disk", 40) as disk:
        trainer.save(disk / "state.pt", "this one")
        before = (disk / "state.pt").read_bytes()
        (disk / "others").write_bytes(bytes(40 * 2**20 - len(before) - 2**16))
        trainer.step = 5
        with pytest.raises(OSError, match="No space left"):
            trainer.save(disk / "state.pt", "this one")
        assert sorted(path.name for path in disk.iterdir()) == ["others", "state.pt"]
        assert (disk / "state.pt").read_bytes() == before
        trainer.restore(disk / "state.pt", "this one")
        assert trainer.step == 0


def test_a_checkpoint_runs_no_code(dataset, tmp_path):
    settings = config(steps=2, batch_size=16)
    torch.save({"identity": Boom(tmp_path / "ran")}, tmp_path / "state.pt")
    with pytest.raises(ConfigError, match="is damaged"):
        Trainer(settings.model, settings.training, dataset).run(tmp_path / "state.pt")
    assert not (tmp_path / "ran").exists()


class Boom:
    """Leaves a file where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).touch, (self.path,)


def test_every_epoch_shows_every_image_once(dataset):
    settings = config(batch_size=32)
    trainer = Trainer(settings.model, settings.training, dataset)
    seen: list[int] = []
    for trainer.step in range(10):
        seen.extend(trainer._batch_rows())
    counts = np.bincount(seen, minlength=300)
    # 320 rows of 300 images: an epoch, and 20 images of the next, some of which may share a batch with themselves.
    assert counts.min() == 1
    assert counts.max() <= 2


def test_captions_longer_than_the_text_tower_are_refused(dataset):
    settings = config()
    short = settings.model.model_copy(update={"max_tokens": 5})
    with pytest.raises(ConfigError, match=r"captions have up to \d+ tokens .* model.max_tokens is 5; raise it"):
        Trainer(short, settings.training, dataset)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"stage_depths": [1]}}, "equally long"),
        ({"model": {"text_width": 33}}, "multiple of text_heads"),
        ({"training": {"stepps": 1}}, "did you mean 'steps'"),
        ({"data": {"source": SHAPES, "train_images": 0}}, "train_images"),
    ],
)
def test_unusable_settings_are_refused(change, message):
    with pytest.raises(ConfigError) as caught:
        PretrainConfig(**{"name": "x", "data": {"source": SHAPES}, **change})
    assert message in str(caught.value)


def test_a_killed_run_leaves_no_model_folder(tmp_path):
    def stop(step: int, metrics: dict[str, float]) -> None:
        raise KeyboardInterrupt

    settings = config(steps=40)
    small = settings.data.model_copy(update={"train_images": 100, "held_out_images": 50})
    output: Path = tmp_path / "model"
    with pytest.raises(KeyboardInterrupt):
        pretrain(settings.model_copy(update={"data": small}), tmp_path / "run", output, on_log=stop)
    assert not output.exists()
