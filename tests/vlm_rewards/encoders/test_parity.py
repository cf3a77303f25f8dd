"""The encoders against plain transformers in fp32: a full ViT-B/32 and the packaged pocket CLIP, fp32 and bf16."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, CLIPConfig, CLIPImageProcessorPil, CLIPModel

from vlm_rewards.encoders import load_encoder
from vlm_rewards.encoders.image_graph import openvino_is_installed
from vlm_rewards.encoders.loading import resolve_model
from vlm_rewards.encoders.precision import cpu_runs_bf16
from vlm_rewards.encoders.quiet import quiet_transformers
from vlm_rewards.pretraining.tokenizer import make_tokenizer

needs_openvino = pytest.mark.skipif(not openvino_is_installed(), reason="openvino is not installed")
RUNTIMES = ["torch", pytest.param("openvino", marks=needs_openvino)]
TRIAL = """
import json, sys
import numpy as np
from vlm_rewards.encoders import load_encoder
frames = np.random.default_rng(0).integers(0, 256, (5, 128, 80, 3), dtype=np.uint8)
for runtime in sys.argv[1:]:
    encoder = load_encoder("pocket-android", precision="bf16", encoder=runtime)
    print(json.dumps([runtime, encoder.precision, encoder.fingerprint, encoder.embed_images(frames).tolist()]))
"""


def noise(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def reference(folder: str, frames: np.ndarray) -> np.ndarray:
    """Embeddings by transformers alone, in fp32."""
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    with quiet_transformers():
        model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    pixels = processor(list(frames), return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        features = model.get_image_features(pixel_values=pixels).pooler_output
    return torch.nn.functional.normalize(features, dim=-1).numpy()


@pytest.fixture(scope="module")
def vit_b32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OpenAI's ViT-B/32 image tower in full size with random weights; the text tower, of no matter here, is small."""
    folder = tmp_path_factory.mktemp("vit_b32")
    torch.manual_seed(0)
    tokenizer = make_tokenizer(["a red square"], 400, 48)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"eos_token_id": tokenizer.sep_token_id, "bos_token_id": tokenizer.cls_token_id, "pad_token_id": 0}
    config = CLIPConfig(
        text_config={**small, **ids, "vocab_size": len(tokenizer), "max_position_embeddings": 48},
        vision_config={"image_size": 224, "patch_size": 32},
        projection_dim=512,
    )
    model = CLIPModel(config)
    assert sum(weight.numel() for weight in model.vision_model.parameters()) == 87_456_000
    with quiet_transformers():
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil().save_pretrained(folder)
    return folder


@needs_openvino
def test_a_vit_b32_of_full_size_equals_transformers(vit_b32):
    frames = noise(3, 128, 80)
    expected = reference(str(vit_b32), frames)
    encoder = load_encoder(str(vit_b32), encoder="openvino")
    cosines = encoder.embed_images(frames) @ expected.T
    assert np.diag(cosines).min() >= 0.9999
    # Random weights put all images near one another: the parity must be far better than that.
    assert cosines[~np.eye(3, dtype=bool)].max() < 0.999


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_packaged_pocket_clip_equals_transformers(runtime):
    frames = noise(5, 128, 80)
    expected = reference(resolve_model("pocket-android"), frames)
    encoder = load_encoder("pocket-android", encoder=runtime)
    assert (encoder.embed_images(frames) * expected).sum(axis=1).min() >= 0.9999
    assert encoder.precision == "fp32"


def test_bf16_is_close_to_transformers_in_fp32():
    """In a process of its own: where AMX traps, a variable that is read at its start keeps it out of use."""
    runtimes = ["torch", *(["openvino"] if openvino_is_installed() else [])]
    environment = dict(os.environ)
    if not all(cpu_runs_bf16(runtime) for runtime in runtimes):
        environment["ONEDNN_MAX_CPU_ISA"] = "AVX512_CORE_BF16"
    done = subprocess.run(
        [sys.executable, "-c", TRIAL, *runtimes],
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[3] / "platform")},
        capture_output=True,
        text=True,
        check=False,
    )
    if "OpenVINO computes in" in done.stderr:
        pytest.skip("this processor has no bf16")
    assert done.returncode == 0, done.stderr[-2000:]
    expected = reference(resolve_model("pocket-android"), noise(5, 128, 80))
    fingerprints = {load_encoder("pocket-android", encoder=runtime).fingerprint for runtime in runtimes}
    for line in done.stdout.splitlines():
        _, precision, fingerprint, embeddings = json.loads(line)
        assert precision == "bf16"
        assert (np.float32(embeddings) * expected).sum(axis=1).min() >= 0.999
        fingerprints.add(fingerprint)
    # Runtime and precision both make another encoder.
    assert len(fingerprints) == 2 * len(runtimes)
