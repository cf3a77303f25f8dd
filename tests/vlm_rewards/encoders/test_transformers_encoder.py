"""Our encoder against plain transformers on the same folder."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, CLIPModel, SiglipModel

from vlm_rewards.encoders import load_encoder
from vlm_rewards.encoders.pocket_clip import PocketCLIPModel
from vlm_rewards.encoders.precision import cpu_runs_bf16
from vlm_rewards.errors import ConfigError

MODELS = {"clip": CLIPModel, "siglip": SiglipModel, "pocket": PocketCLIPModel}
TEXTS = ["Screenshot of Gmail on Android", "the home screen", "a red square", "unseen wörds 42!", "a"]


def reference(folder: Path, frames: np.ndarray, model_class: type) -> tuple[np.ndarray, np.ndarray]:
    """Normalised embeddings of images and texts, the way transformers' documentation computes them."""
    model = model_class.from_pretrained(folder).eval()
    processor, tokenizer = (
        AutoImageProcessor.from_pretrained(folder, backend="pil"),
        AutoTokenizer.from_pretrained(folder),
    )
    pixels = processor([Image.fromarray(frame) for frame in frames], return_tensors="pt")
    if model_class is SiglipModel:  # trained on padding, without a mask
        tokens = tokenizer(TEXTS, padding="max_length", max_length=64, return_tensors="pt")
        inputs = {"input_ids": tokens["input_ids"]}
    else:
        tokens = tokenizer(TEXTS, padding=True, return_tensors="pt")
        inputs = {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}
    with torch.no_grad():
        output = model(**inputs, pixel_values=pixels["pixel_values"])
    return output.image_embeds.numpy(), output.text_embeds.numpy()


@pytest.mark.parametrize("shape", [(48, 32), (32, 32), (128, 80), (50, 90)], ids=str)
@pytest.mark.parametrize("kind", ["clip", "siglip", "pocket"])
def test_cosines_with_transformers_are_at_least_9999(kind, shape, request):
    folder = request.getfixturevalue(f"{kind}_folder")
    frames = np.random.default_rng(0).integers(0, 256, (6, *shape, 3), dtype=np.uint8)
    images, texts = reference(folder, frames, MODELS[kind])
    encoder = load_encoder(str(folder))
    assert (encoder.embed_images(frames) * images).sum(axis=1).min() >= 0.9999
    assert (encoder.embed_texts(TEXTS) * texts).sum(axis=1).min() >= 0.9999
    np.testing.assert_allclose(encoder.embed_images(frames) @ encoder.embed_texts(TEXTS).T, images @ texts.T, atol=2e-4)


def test_folding_batch_normalisation_changes_only_rounding(pocket_folder):
    pixels = torch.randn(4, 3, 48, 32)
    plain, folded = (PocketCLIPModel.from_pretrained(pocket_folder).eval() for _ in range(2))
    folded.fold_for_inference()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    with torch.no_grad():
        torch.testing.assert_close(
            folded.get_image_features(pixels).pooler_output, plain.get_image_features(pixels).pooler_output
        )


def test_auto_model_reads_a_pocket_clip_without_remote_code(pocket_folder):
    assert type(AutoModel.from_pretrained(pocket_folder, trust_remote_code=False)) is PocketCLIPModel


def test_every_word_of_a_caption_counts(pocket_folder):
    encoder = load_encoder(str(pocket_folder))
    words = ["a", "red", "square", "on", "a", "white", "background"]
    variants = [" ".join([*words[:i], "table", *words[i + 1 :]]) for i in range(len(words))]
    embeddings = encoder.embed_texts([" ".join(words), *variants])
    assert np.linalg.norm(embeddings[0] - embeddings[1:], axis=1).min() > 1e-3


def test_a_prompt_that_would_be_cut_is_refused(clip_folder):
    with pytest.raises(ConfigError, match=r"tokens, but .* reads 48; shorten it"):
        load_encoder(str(clip_folder)).embed_texts(["short", "red " * 60])


def test_an_unknown_device_is_named(clip_folder):
    with pytest.raises(ConfigError, match="device 'tpu9' cannot be used here"):
        load_encoder(str(clip_folder), device="tpu9")


def test_an_unknown_precision_is_named(clip_folder):
    with pytest.raises(ConfigError, match="unknown precision 'int3'"):
        load_encoder(str(clip_folder), precision="int3")


def test_bf16_is_close_to_fp32_or_refused_where_the_processor_would_die(pocket_folder):
    if not cpu_runs_bf16():
        with pytest.raises(ConfigError, match="announces AMX but dies of it"):
            load_encoder(str(pocket_folder), precision="bf16")
        return
    exact, fast = load_encoder(str(pocket_folder)), load_encoder(str(pocket_folder), precision="bf16")
    frames = np.random.default_rng(0).integers(0, 256, (6, 48, 32, 3), dtype=np.uint8)
    assert (exact.embed_images(frames) * fast.embed_images(frames)).sum(axis=1).min() >= 0.999
    assert (exact.embed_texts(TEXTS) * fast.embed_texts(TEXTS)).sum(axis=1).min() >= 0.999
    assert exact.fingerprint != fast.fingerprint
