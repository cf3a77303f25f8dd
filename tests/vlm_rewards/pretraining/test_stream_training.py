"""Training on a stream for real, on coloured shapes."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.caption_source import CaptionedImage
from vlm_rewards.pretraining.learner import Learner
from vlm_rewards.pretraining.pretrain import pretrain, pretrain_side_by_side
from vlm_rewards.pretraining.pretrain_config import PretrainConfig
from vlm_rewards.pretraining.rendered_stream import CaptionedBatch, render_corpus
from vlm_rewards.pretraining.shapes import COLOURS, random_shape
from vlm_rewards.pretraining.stream_training import StreamTraining, shown_captions, stream_of


def contrasting(rng: np.random.Generator, height: int, width: int) -> CaptionedImage:
    drawn = random_shape(rng, height, width)
    colour, shape = drawn.label.split()
    other = str(rng.choice([each for each in COLOURS if each != colour]))
    return CaptionedImage(drawn.frame, drawn.captions, drawn.label, ((drawn.captions[0], f"a {other} {shape}"),))


def config(name: str = "tiny", channels: int = 8, **training) -> PretrainConfig:
    return PretrainConfig(
        name=name,
        model={
            "image_height": 24,
            "image_width": 16,
            "stem_channels": channels,
            "stage_channels": [channels, 2 * channels],
            "stage_depths": [1, 1],
            "text_width": 16,
            "text_layers": 1,
            "max_tokens": 16,
            "vocab_size": 220,
            "embedding_dim": 16,
        },
        data={
            "source": f"{__name__}:contrasting",
            "stream": True,
            "corpus_images": 60,
            "held_out_images": 60,
            "workers": 0,
        },
        training={
            **{"steps": 8, "batch_size": 16, "warmup_steps": 2, "threads": 1, "contrasts": 1, "shift": 1},
            **{"log_every": 4, "checkpoint_every": 3, **training},
        },
    )


@pytest.fixture(scope="module")
def corpus():
    return render_corpus(stream_of(config()), 60)


def weights(learner: Learner) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in learner.model.state_dict().values()]


def same(ours: Learner, theirs: Learner) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(ours), weights(theirs), strict=True))


def test_models_side_by_side_get_the_weights_that_they_get_alone(corpus):
    small, large = config("small"), config("large", channels=12)
    together = StreamTraining([small, large], corpus).run([None, None], workers=0)
    # Rendered by another process, which changes nothing.
    alone = StreamTraining([large], corpus).run([None], workers=1)
    assert same(together[1], alone[0])
    assert not same(alone[0], StreamTraining([large], corpus).learners[0])


def test_a_ladder_that_was_cut_off_between_two_checkpoints_gives_the_same_weights(corpus, tmp_path):
    models = [config("small"), config("large", channels=12)]
    files = [tmp_path / "small.pt", tmp_path / "large.pt"]
    straight = StreamTraining(models, corpus).run([None, None], workers=0)

    cut = StreamTraining(models, corpus)
    save = cut.learners[1].save

    def dies(path, identity):
        if cut.learners[1].step == 6:
            raise KeyboardInterrupt  # the first model's checkpoint is of step 6, this one's of step 3
        save(path, identity)

    cut.learners[1].save = dies
    with pytest.raises(KeyboardInterrupt):
        cut.run(files, workers=0)
    resumed = StreamTraining(models, corpus)
    steps = []
    resumed.run(files, on_log=lambda place, step, _: steps.append((place, step)), workers=0)
    assert steps == [(1, 4), (0, 8), (1, 8)], "the first went on from its step 6, the second from its step 3"
    assert all(same(ours, theirs) for ours, theirs in zip(resumed.learners, straight, strict=True))


def test_a_checkpoint_of_another_stream_is_refused(corpus, tmp_path):
    settings = config(steps=3)
    StreamTraining([settings], corpus).run([tmp_path / "state.pt"], workers=0)
    other = settings.model_copy(update={"data": settings.data.model_copy(update={"seed": 9})})
    with pytest.raises(ConfigError, match="belongs to other settings or data"):
        StreamTraining([other], corpus).run([tmp_path / "state.pt"], workers=0)


def test_models_that_would_see_other_images_are_refused(corpus):
    with pytest.raises(ConfigError, match="small, large differ in data"):
        StreamTraining([config("small"), config("large", batch_size=8)], corpus)


def test_each_image_brings_a_caption_and_its_contrasts():
    frames = np.zeros((2, 4, 4, 3), np.uint8)
    batch = CaptionedBatch(
        frames,
        (("a red square", "a square"), ("a blue cross",)),
        ((("a red square", "a blue cross"), ("a square", "a cross")), ()),
        ("red square", "blue cross"),
    )
    texts, positive = shown_captions(batch, 2, np.random.default_rng(0))
    assert texts == ["a blue cross", "a cross", "a red square", "a square"]
    # False of the first image and true of the second; "a cross" is true of neither that says so.
    assert positive.tolist() == [[False, False, True, True], [True, False, False, False]]
    few, _ = shown_captions(batch, 0, np.random.default_rng(0))
    assert len(few) == 2


def test_contrasts_teach_what_they_contrast(corpus):
    """Colours are told apart after few steps only where a wrong one stands beside each right one."""

    def told_apart(contrasts: int) -> float:
        settings = config(steps=60, contrasts=contrasts, batch_size=32, learning_rate=4e-3, shift=0)
        learner = StreamTraining([settings], corpus).run([None], workers=0)[0]
        pairs, right = 0, 0
        with torch.no_grad():
            for seed in range(60):
                drawn = contrasting(np.random.default_rng([7, seed]), 24, 16)
                ids, mask = learner.tokenized(list(drawn.contrasts[0]), 16)
                mean, std = (torch.tensor(each).view(3, 1, 1) for each in (learner.mean, learner.std))
                pixels = (torch.from_numpy(drawn.frame).permute(2, 0, 1).float() / 255 - mean) / std
                scores = learner.model(input_ids=ids, pixel_values=pixels[None], attention_mask=mask).logits_per_image
                right += bool(scores[0, 0] > scores[0, 1])
                pairs += 1
        return right / pairs

    assert told_apart(1) > 0.8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("ladder")
    configs = [config("small"), config("large", channels=12)]
    folders = [root / each.name for each in configs]
    logged = []
    outcomes = pretrain_side_by_side(
        configs, folders, [each / "model" for each in folders], root, on_log=lambda *each: logged.append(each[:2])
    )
    assert [outcome.folder for outcome in outcomes] == [each / "model" for each in folders]
    assert logged == [(0, 4), (1, 4), (0, 8), (1, 8)]
    assert not (root / "train-images").exists(), "nothing that is trained on is stored"
    return root


def test_the_card_says_that_no_image_was_seen_twice(folder):
    card = (folder / "small" / "model" / "README.md").read_text()
    assert "128 images of 24x16 pixels" in card
    assert "seen once" in card
    assert "each image brings 1 pairs of a true and a false caption" in card
    assert json.loads((folder / "small" / "zero-shot.json").read_text())["images"] == 60


def test_training_goes_on_from_a_finished_model(folder, tmp_path):
    start = str(folder / "small" / "model")
    settings = config("again", start_from=start, steps=1, learning_rate=1e-9, warmup_steps=0, shift=0)
    pretrain(settings, tmp_path / "run", tmp_path / "model")
    assert (tmp_path / "model" / "tokenizer.json").read_bytes() == (folder / "small/model/tokenizer.json").read_bytes()
    before, after = (load_file(each / "model.safetensors") for each in (folder / "small" / "model", tmp_path / "model"))
    for name in before:
        if "running" not in name and "num_batches" not in name:  # what batch normalisation has seen moves on
            torch.testing.assert_close(after[name], before[name], atol=1e-3, rtol=0)
    assert f"It began from the weights of {start}" in (tmp_path / "model" / "README.md").read_text()


def test_a_model_of_another_shape_is_no_start(folder, corpus):
    settings = config("other", channels=10, start_from=str(folder / "small" / "model"))
    with pytest.raises(ConfigError, match="another shape than the model settings"):
        StreamTraining([settings], corpus)


@pytest.mark.parametrize(
    ("data", "training", "message"),
    [
        ({"stream": True}, {"hard_negatives": True}, "use training.contrasts in a stream"),
        ({}, {"contrasts": 1}, "needs data.stream: true"),
    ],
)
def test_settings_that_need_or_refuse_a_stream_say_so(data, training, message):
    with pytest.raises(ConfigError, match=message):
        PretrainConfig(name="x", data={"source": "a:b", **data}, training=training)
