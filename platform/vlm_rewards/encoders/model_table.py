"""What each model of the ladder costs, computed from its architecture alone: no weights, no network.

python -m vlm_rewards.encoders.model_table > docs/models.md
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import typer
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoConfig, AutoImageProcessor, CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

from vlm_rewards.encoders.known_models import KNOWN_MODELS, KnownModel
from vlm_rewards.encoders.loading import PACKAGED_MODELS, packaged_models
from vlm_rewards.encoders.pocket_clip import PocketCLIPModel
from vlm_rewards.encoders.preprocessing import ImagePreprocessing

_INTRODUCTION = """\
# Models of the reward ladder

Made by `python -m vlm_rewards.encoders.model_table > docs/models.md`; a test compares the two. Everything is computed
from the architectures, built without weights on torch's meta device. GFLOPs are those of the image tower for one image,
multiply and add counted as two, matrix products and convolutions only. Memory is that of the weights of both towers;
an encoder needs about a tenth more for activations, and OpenVINO keeps its own copy of the image tower instead of
torch's. The text tower runs once a prompt, when a reward is loaded or its prompts change.

On a CPU the image tower runs on OpenVINO, where it is installed, in the `precision` that the reward names. `fp32` is
the default. `bf16` is twice as fast where the processor has it, `int8` up to twice as fast again, and both change
embeddings a little. `auto` takes the fastest on this machine of those that are known not to change the rewards: a
model's folder says in `agreement.json` which rewards were compared with fp32's, on how many recorded frames, and how
many differed; a precision is tried only if at least 99.9 % of a reward's frames get the same one and its average
precision moves by at most 0.002. Each candidate is timed in a process of its own, which may die of an instruction that
the processor announces and does not have; that takes a second or two, once a machine and model, and is kept in the
cache folder (`VLM_REWARDS_CACHE`, or `vlm_rewards` in the user's). What was chosen is in the fingerprint, so a run that
goes on elsewhere, or a replica on another kind of machine, is refused where the choice differs: name the precision in
clusters of unlike machines. Without a record `auto` is fp32. `python -m experiments.precision agree` makes one;
`python -m experiments.precision quantise` makes an int8 tower, which only pocket-android has ready.

The pocket models come with the package; [cards](rewards/README.md) say what the rewards that ship with them are worth.
The others are public checkpoints under the licenses of their makers, read from the hub by their id, or from a folder
into which they were downloaded (`huggingface-cli download ID --local-dir FOLDER`, then `model: FOLDER`).

"""
_COLUMNS = (
    "name",
    "model",
    "image (h x w)",
    "D",
    "image tower (M params)",
    "text tower (M params)",
    "GFLOPs an image",
    "weights fp32 (MB)",
    "weights bf16 (MB)",
)


@dataclass(frozen=True)
class ModelCost:
    """What a model costs.

    Attributes:
        name: Short.
        source: Packaged name or hub id.
        image_size: (height, width) in pixels.
        dim: D.
        image_params: Parameters of the image tower, its projection included.
        text_params: Parameters of the text tower, its projection included.
        gflops: GFLOP of the image tower, for one image.
    """

    name: str
    source: str
    image_size: tuple[int, int]
    dim: int
    image_params: int
    text_params: int
    gflops: float

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        params = self.image_params + self.text_params
        decimals = 2 if self.image_params < 1e7 else 0
        return (
            self.name,
            f"`{self.source}`",
            f"{self.image_size[0]} x {self.image_size[1]}",
            str(self.dim),
            f"{self.image_params / 1e6:,.{decimals}f}",
            f"{self.text_params / 1e6:,.{decimals}f}",
            f"{self.gflops:.3g}" if self.gflops < 100 else f"{self.gflops:.0f}",
            f"{params * 4 / 1e6:,.{decimals}f}",
            f"{params * 2 / 1e6:,.{decimals}f}",
        )


def known_cost(known: KnownModel) -> ModelCost:
    """Compute the cost of a public checkpoint."""
    config: Any
    build: Callable[[], Any]
    if known.kind == "clip":
        config = CLIPConfig(vision_config=known.vision, text_config=known.text, projection_dim=known.dim)
        build = functools.partial(CLIPModel, config)
    else:
        config = SiglipConfig(vision_config=known.vision, text_config=known.text)
        build = functools.partial(SiglipModel, config)
    side = config.vision_config.image_size
    return _cost(known.name, known.source, build, (side, side))


def packaged_cost(name: str) -> ModelCost:
    """Compute the cost of a model that comes with the package."""
    folder = PACKAGED_MODELS / name
    config: Any = AutoConfig.from_pretrained(folder)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    size = ImagePreprocessing.from_processor(processor).image_size
    return _cost(name, name, functools.partial(PocketCLIPModel, config), size)


def _cost(name: str, source: str, build: Callable[[], Any], image_size: tuple[int, int]) -> ModelCost:
    with torch.device("meta"):
        model = build().eval()
        pixels = torch.zeros(1, 3, *image_size)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        features = model.get_image_features(pixel_values=pixels).pooler_output
    sizes = {"image": 0, "text": 0}
    for parameter_name, parameter in model.named_parameters():
        tower = "image" if parameter_name.startswith(("vision", "visual")) else "text"
        sizes[tower] += parameter.numel() if parameter.ndim else 0  # the temperature of the training is no tower's
    return ModelCost(
        name, source, image_size, features.shape[1], sizes["image"], sizes["text"], counter.get_total_flops() / 1e9
    )


def table(costs: Iterable[ModelCost]) -> str:
    """Return the rows as a Markdown table, with its head."""
    rows: list[Sequence[str]] = [_COLUMNS, ["---"] * 2 + ["---:"] * (len(_COLUMNS) - 2)]
    rows.extend(cost.cells() for cost in costs)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main() -> None:
    """Print docs/models.md."""
    costs = [packaged_cost(name) for name in packaged_models()] + [known_cost(known) for known in KNOWN_MODELS]
    typer.echo(_INTRODUCTION + table(costs), nl=False)


if __name__ == "__main__":
    typer.run(main)
