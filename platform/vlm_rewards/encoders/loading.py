"""One way to get an encoder by name."""

import os
import re
from pathlib import Path

from vlm_rewards.encoders.encoder import Encoder, Precision
from vlm_rewards.encoders.fake import FakeEncoder
from vlm_rewards.encoders.proof import check_encoder
from vlm_rewards.encoders.runtimes import runtime
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import near_matches

PACKAGED_MODELS = Path(__file__).parent.parent / "checkpoints"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def packaged_models() -> list[str]:
    """Return the names of the models that come with the package."""
    return sorted(path.parent.name for path in PACKAGED_MODELS.glob("*/config.json"))


def resolve_model(model: str) -> str:
    """Return the folder or hub id that `model` stands for.

    Args:
        model: Name of a packaged model, a folder (`~` is the user's), or a hub id.

    Raises:
        ConfigError: None of these, or a packaged model whose weights were left out of this copy of the code.
    """
    model = os.path.expanduser(model)  # of a user who is none, it stays as it is
    if model in packaged_models():
        folder = PACKAGED_MODELS / model
        if not any(folder.glob("*.safetensors")):
            raise ConfigError(
                f"the weights of {model} did not come with this copy of the code ({folder}): submit the job with "
                f"python -m experiments.submit --model {model}, or with ray job submit, which sends all"
            )
        return str(folder)
    if os.path.isdir(model):  # of any text, also one that no path can be
        return model
    if _HUB_ID.fullmatch(model) and not model.startswith("."):
        return model
    if model.count("/") > 1:  # no hub id, and no name misspelt
        raise ConfigError(
            f"unknown model {model[:200]!r}: there is no such folder; make it first, as the preset that "
            "names it says, or name another folder, a packaged model or a hub id"
        )
    hint = near_matches(model, ["fake", *packaged_models()])
    raise ConfigError(f"unknown model {model[:200]!r}; {hint} (a folder or a hub id such as owner/name works too)")


def load_encoder(
    model: str,
    device: str = "cpu",
    precision: Precision = "fp32",
    encoder: str = "auto",
    compiled: bool = False,
    self_check: bool = True,
    reward: str = "",
) -> Encoder:
    """Load a frozen dual encoder and let it prove itself.

    Args:
        model: `fake`, the name of a packaged model such as `pocket-android`, a folder, or a hub id.
        device: Torch device, such as `cpu` or `cuda`.
        precision: The towers' arithmetic: `fp32`, `bf16`, `int8` (of the image tower, OpenVINO only), or `auto`:
            the fastest here of those whose rewards were found to agree with fp32's.
        encoder: Runtime of the image tower: `torch`, `openvino`, one that was added to `RUNTIMES`, or `auto`, which is
            OpenVINO on a CPU where it is installed and torch everywhere else.
        compiled: See `TransformersEncoder`; for torch only.
        self_check: Off only to record what a new checkpoint gives.
        reward: `RewardConfig.agreement_key` of the reward in use: `auto` then asks whether that one agrees. Without
            it, or where it was never compared, all rewards that were compared must.

    Raises:
        ConfigError: Unknown model, device, precision or encoder, or one that this machine lacks.
        CheckpointError: The folder or repository is no usable dual encoder.
        SelfCheckError: Its embeddings are not the recorded ones, or make no sense.
    """
    if model == "fake":
        return FakeEncoder()
    source = resolve_model(model)
    loaded = runtime(encoder, device, compiled).load(source, device, precision, compiled, reward)
    if self_check:
        check_encoder(loaded, Path(loaded.source) if Path(loaded.source).is_dir() else None)
    return loaded
