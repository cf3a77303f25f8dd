"""Batched preprocessing against transformers' own processor."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil, ViTImageProcessorPil
from transformers.models.vilt.image_processing_pil_vilt import ViltImageProcessorPil

from vlm_rewards.encoders.preprocessing import ImagePreprocessing
from vlm_rewards.errors import CheckpointError

PROCESSORS = {
    "clip": CLIPImageProcessorPil(),
    "clip, small": CLIPImageProcessorPil(size={"shortest_edge": 64}, crop_size={"height": 48, "width": 56}),
    "clip, crop beyond the image": CLIPImageProcessorPil(
        size={"shortest_edge": 40}, crop_size={"height": 64, "width": 51}
    ),
    "clip, crop only": CLIPImageProcessorPil(do_resize=False, crop_size={"height": 40, "width": 40}),
    "pocket": CLIPImageProcessorPil(size={"height": 128, "width": 80}, do_center_crop=False, image_std=[0.2, 0.3, 0.4]),
    "bilinear": ViTImageProcessorPil(size={"height": 50, "width": 70}),
    "lanczos": CLIPImageProcessorPil(size={"height": 60, "width": 60}, do_center_crop=False, resample=1),
    "siglip": SiglipImageProcessorPil(size={"height": 96, "width": 96}),
    "siglip 2": SiglipImageProcessorPil(size={"height": 224, "width": 224}, resample=2, image_mean=0.5, image_std=0.5),
    "clip, 336": CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}),
}
SHAPES = [
    (224, 224),
    (128, 80),
    (96, 60),
    (400, 250),
    (250, 400),
    (37, 211),
    (211, 37),
    (64, 64),
    (5, 9),
    (1, 1),
    (90, 2),
]


def smooth_and_noise(height: int, width: int) -> np.ndarray:
    """A frame with soft areas and edges, and one of pure noise, where filters overshoot most."""
    rng = np.random.default_rng(height * 1000 + width)
    coarse = rng.integers(0, 256, (max(1, height // 8), max(1, width // 8), 3), dtype=np.uint8)
    soft = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    return np.stack([soft, rng.integers(0, 256, (height, width, 3), dtype=np.uint8)])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", PROCESSORS)
def test_pixels_are_within_2_of_255_of_the_reference(name, shape):
    processor, frames = PROCESSORS[name], smooth_and_noise(*shape)
    ours = ImagePreprocessing.from_processor(processor)
    images = [Image.fromarray(frame) for frame in frames]
    raw = np.stack(processor(images, do_rescale=False, do_normalize=False)["pixel_values"]).astype(np.float64)
    mine = ours.resized(frames).numpy()
    assert mine.shape == raw.shape
    assert mine.shape[2:] == ours.image_size
    assert np.abs(mine - raw).max() <= 2
    assert np.abs(mine - raw).mean() < 0.05
    full = np.stack(processor(images)["pixel_values"])
    assert np.abs(ours(frames).numpy() - full).max() <= 2 / 255 / min(ours.std) + 1e-5


def test_random_shapes_keep_the_order_of_pillows_passes():
    rng = np.random.default_rng(0)
    for _ in range(150):
        shape, size = rng.integers(2, 160, 2), rng.integers(2, 160, 2)
        processor = CLIPImageProcessorPil(size={"height": int(size[0]), "width": int(size[1])}, do_center_crop=False)
        frames = smooth_and_noise(*(int(x) for x in shape))
        images = [Image.fromarray(frame) for frame in frames]
        raw = np.stack(processor(images, do_rescale=False, do_normalize=False)["pixel_values"]).astype(np.float64)
        assert np.abs(ImagePreprocessing.from_processor(processor).resized(frames).numpy() - raw).max() <= 2, (
            shape,
            size,
        )


@pytest.mark.parametrize("name", ["clip", "clip, 336", "siglip 2", "pocket"])
@given(height=st.integers(1, 300), width=st.integers(1, 300))
@settings(max_examples=12, deadline=None)
def test_any_size_and_aspect_is_within_2_of_255_and_exact_in_float64(name, height, width):
    processor = PROCESSORS[name]
    ours = ImagePreprocessing.from_processor(processor)
    frames = np.random.default_rng(height * 1000 + width).integers(0, 256, (1, height, width, 3), dtype=np.uint8)
    images = [Image.fromarray(frame) for frame in frames]
    raw = np.stack(processor(images, do_rescale=False, do_normalize=False)["pixel_values"]).astype(np.float64)
    assert np.abs(ours.resized(frames).numpy() - raw).max() <= 2
    np.testing.assert_array_equal(ours.resized(frames, exact=True).numpy(), raw)
    normalised = np.stack(processor(images)["pixel_values"])
    np.testing.assert_allclose(ours(frames).numpy(), normalised, atol=2.001 / 255 / min(ours.std))
    packed = ours.resized_frames(frames)
    assert packed.dtype == np.uint8
    np.testing.assert_array_equal(packed, ours.resized(frames).permute(0, 2, 3, 1).numpy())


def test_frames_of_the_models_own_size_pass_unchanged():
    frames = smooth_and_noise(128, 80)
    resized = ImagePreprocessing.from_processor(PROCESSORS["pocket"]).resized(frames)
    np.testing.assert_array_equal(resized.permute(0, 2, 3, 1).numpy(), frames)
    assert resized.is_contiguous(memory_format=torch.channels_last)


def test_a_frame_of_20000_by_1_pixels_needs_neither_minutes_nor_gigabytes():
    started = time.monotonic()
    pixels = ImagePreprocessing.from_processor(PROCESSORS["clip"])(np.zeros((1, 20_000, 1, 3), np.uint8))
    assert pixels.shape == (1, 3, 224, 224)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("processor", "message"),
    [
        (CLIPImageProcessorPil(resample=0), "resampling filter 0"),
        (CLIPImageProcessorPil(do_center_crop=False), "neither crops nor resizes to a fixed size"),
        (CLIPImageProcessorPil(do_resize=False, do_center_crop=False), "neither crops nor resizes to a fixed size"),
        (CLIPImageProcessorPil(do_pad=True), "not supported"),
        (CLIPImageProcessorPil(size={"shortest_edge": 30, "longest_edge": 60}), "no fixed image size"),
        (ViltImageProcessorPil(), "not supported"),
    ],
)
def test_processors_that_do_something_else_are_refused(processor, message):
    with pytest.raises(CheckpointError, match=message):
        ImagePreprocessing.from_processor(processor)
