"""Small dual encoders with random weights, saved as a user would have them on disk."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    SiglipConfig,
    SiglipImageProcessorPil,
    SiglipModel,
)

from vlm_rewards.encoders.pocket_clip import PocketCLIPModel
from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.goals import Goal, TaskSet
from vlm_rewards.pretraining.pretrain_config import ModelSize
from vlm_rewards.pretraining.tokenizer import make_tokenizer

WORDS = ["screenshot of gmail on android", "the home screen", "a red square on a white background", "blue circle table"]


def save_pocket_clip(folder: Path, seed: int = 0) -> Path:
    """A pocket CLIP of 48 x 32 pixels with random weights."""
    torch.manual_seed(seed)
    size = ModelSize(stem_channels=8, stage_channels=(8, 16), stage_depths=(1, 1), text_width=16, embedding_dim=16)
    tokenizer = make_tokenizer(WORDS, size.vocab_size, size.max_tokens)
    model = PocketCLIPModel(size.config(len(tokenizer)))
    # Batch statistics as after a training, so that folding them into the convolutions can go wrong.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, std=0.1)
    with quiet_transformers():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"height": 48, "width": 32}, do_center_crop=False, image_mean=[0.5, 0.4, 0.6], image_std=[0.2, 0.3, 0.25]
    ).save_pretrained(folder)
    return folder


def save_clip(folder: Path, seed: int = 0) -> Path:
    """A transformers CLIP (ViT) of 32 x 32 pixels with random weights."""
    torch.manual_seed(seed)
    tokenizer = make_tokenizer(WORDS, 400, 48)
    towers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"eos_token_id": tokenizer.sep_token_id, "bos_token_id": tokenizer.cls_token_id, "pad_token_id": 0}
    config = CLIPConfig(
        text_config={**towers, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 48},
        vision_config={**towers, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    with quiet_transformers():
        CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def save_siglip(folder: Path, seed: int = 0) -> Path:
    """A transformers SigLIP of 32 x 32 pixels with random weights."""
    torch.manual_seed(seed)
    tokenizer = make_tokenizer(WORDS, 400, 64)
    towers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = SiglipConfig(
        text_config={**towers, "vocab_size": len(tokenizer), "max_position_embeddings": 64, "projection_size": 32},
        vision_config={**towers, "image_size": 32, "patch_size": 8},
    )
    with quiet_transformers():
        SiglipModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small transformers SigLIP; read only."""
    return save_siglip(tmp_path_factory.mktemp("models") / "siglip")


@pytest.fixture(scope="session")
def pocket_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small pocket CLIP; read only."""
    return save_pocket_clip(tmp_path_factory.mktemp("models") / "pocket")


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small transformers CLIP; read only."""
    return save_clip(tmp_path_factory.mktemp("models") / "clip")


@pytest.fixture
def make_clip() -> Callable[..., Path]:
    """`save_clip`, for tests that need another one."""
    return save_clip


@pytest.fixture
def task_set() -> TaskSet:
    """Four training goals, two held-out ones, two captions of states in which no goal holds."""
    names = ["Gmail", "Sheets", "Chrome", "Clock"]
    return TaskSet(
        name="apps",
        version=1,
        goals=tuple(Goal(id=name.lower(), subject=name, instruction=f"open {name}") for name in names),
        held_out=tuple(Goal(id=x.lower(), subject=x, instruction=f"open {x}") for x in ("Maps", "Docs")),
        unachieved_captions=("Screenshot of the home screen on Android", "Screenshot of the app drawer on Android"),
    )
