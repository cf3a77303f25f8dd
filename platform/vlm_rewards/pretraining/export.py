"""Writes a trained pocket CLIP as a Hugging Face folder that proves itself."""

import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CLIPImageProcessorPil

from vlm_rewards.encoders.checkpoint import Checkpoint
from vlm_rewards.encoders.proof import write_record
from vlm_rewards.encoders.transformers_encoder import TransformersEncoder
from vlm_rewards.pretraining.learner import Learner
from vlm_rewards.pretraining.pretrain_config import ModelSize
from vlm_rewards.pretraining.rendered_dataset import RenderedDataset

# Largest loss that storing in half precision may cause, as the cosine of an embedding with its fp32 self.
_HALF_PRECISION_COSINE = 0.9999


def export(trainer: Learner, size: ModelSize, held_out: RenderedDataset, folder: Path) -> TransformersEncoder:
    """Write weights, tokenizer, preprocessing and self-check record.

    Weights are stored in fp16 if every embedding of 64 held-out images and of 64 captions keeps a cosine of 0.9999 with
    its fp32 self.

    Args:
        trainer: After its run.
        size: Shape of the towers.
        held_out: Images for the record.
        folder: Replaced if it exists, once everything is written.

    Returns:
        The encoder, loaded from `folder` as any user would.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        _write(trainer, size, held_out, partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return _load(folder)


def _write(trainer: Learner, size: ModelSize, held_out: RenderedDataset, folder: Path) -> None:
    trainer.tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"height": size.image_height, "width": size.image_width},
        do_center_crop=False,
        image_mean=trainer.mean,
        image_std=trainer.std,
    ).save_pretrained(folder)
    _save_weights(trainer, folder, torch.float32)
    exact = _embeddings(folder, held_out)
    _save_weights(trainer, folder, torch.float16)
    cosines = (exact * _embeddings(folder, held_out)).sum(axis=1)
    if not cosines.min() >= _HALF_PRECISION_COSINE:  # so that NaN counts as a loss
        _save_weights(trainer, folder, torch.float32)
    known, texts = _known_pairs(held_out)
    write_record(folder, _load(folder), known, texts)


def _save_weights(trainer: Learner, folder: Path, dtype: torch.dtype) -> None:
    # A copy: the trainer's own weights keep their type and memory layout.
    model: Any = copy.deepcopy(trainer.model)
    model.to(device="cpu", dtype=dtype, memory_format=torch.contiguous_format).eval().save_pretrained(folder)
    for path in folder.glob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes for its owner alone, but a packaged model is for everybody


def _load(folder: Path) -> TransformersEncoder:
    return TransformersEncoder(Checkpoint.load(str(folder)))


def _embeddings(folder: Path, held_out: RenderedDataset, count: int = 64) -> np.ndarray:
    """Return what a folder's model makes of images and captions, float32 (N, D)."""
    encoder = _load(folder)
    captions = held_out.captions[:: max(1, len(held_out.captions) // count)][:count]
    return np.concatenate([encoder.embed_images(held_out.frames[:count]), encoder.embed_texts(captions)])


def _known_pairs(held_out: RenderedDataset, count: int = 4) -> tuple[list[np.ndarray], list[str]]:
    """Return the first image of each of `count` labels, and the usual captions of these labels."""
    usual = held_out.usual_captions()
    labels = list(usual)[:: max(1, len(usual) // count)][:count]
    return [np.array(held_out.frames[held_out.labels.index(label)]) for label in labels], [usual[x] for x in labels]
