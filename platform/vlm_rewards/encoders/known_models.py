"""The ladder of models that the deployments name: what they are, so that their cost is known before a download."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class KnownModel:
    """A public checkpoint's architecture, as its config.json gives it.

    Attributes:
        name: Short, as in the deployments.
        source: Hub id.
        kind: `clip` or `siglip`: the class in transformers.
        vision: Fields of the vision config, what differs from the class's defaults.
        text: Fields of the text config, likewise.
        dim: Embedding size of CLIP; SigLIP's is its width.
    """

    name: str
    source: str
    kind: Literal["clip", "siglip"]
    vision: dict[str, Any]
    text: dict[str, Any] = field(default_factory=dict)
    dim: int = 512


def _tower(width: int, layers: int, heads: int, mlp: int | None = None, **more: Any) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": mlp or 4 * width,
        **more,
    }


_LARGE = _tower(1024, 24, 16, patch_size=14)
_TEXT_768, _TEXT_1024, _TEXT_1280 = _tower(768, 12, 12), _tower(1024, 24, 16), _tower(1280, 32, 20)

KNOWN_MODELS = (
    KnownModel("vit-b32", "openai/clip-vit-base-patch32", "clip", {"patch_size": 32}),
    KnownModel("vit-b16", "openai/clip-vit-base-patch16", "clip", {"patch_size": 16}),
    KnownModel("siglip2-b16", "google/siglip2-base-patch16-224", "siglip", {}, {"vocab_size": 256_000}),
    KnownModel("vit-l14", "openai/clip-vit-large-patch14", "clip", _LARGE, _TEXT_768, 768),
    KnownModel(
        "vit-l14-336", "openai/clip-vit-large-patch14-336", "clip", {**_LARGE, "image_size": 336}, _TEXT_768, 768
    ),
    KnownModel(
        "vit-h14",
        "laion/CLIP-ViT-H-14-laion2B-s32B-b79K",
        "clip",
        _tower(1280, 32, 16, patch_size=14, hidden_act="gelu"),
        {**_TEXT_1024, "hidden_act": "gelu"},
        1024,
    ),
    KnownModel(
        "vit-bigg14",
        "laion/CLIP-ViT-bigG-14-laion2B-39B-b160k",
        "clip",
        _tower(1664, 48, 16, 8192, patch_size=14, hidden_act="gelu"),
        {**_TEXT_1280, "hidden_act": "gelu"},
        1280,
    ),
)
