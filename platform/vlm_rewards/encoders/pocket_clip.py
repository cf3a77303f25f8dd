"""A small dual encoder with a convolutional image tower, in the ordinary Hugging Face folder format.

transformers' own `CLIPModel` has only ViT image towers, and its `VisionTextDualEncoderModel` refuses a ResNet.
Importing this module registers the model, so that `AutoModel.from_pretrained(folder)` reads it without remote code.
"""

from typing import Any, ClassVar, cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from transformers import (
    AutoConfig,
    AutoModel,
    BertConfig,
    BertModel,
    PreTrainedConfig,
    PreTrainedModel,
    ResNetConfig,
    ResNetModel,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.clip.modeling_clip import CLIPOutput


class PocketCLIPConfig(PreTrainedConfig):
    """Configuration of `PocketCLIPModel`.

    Attributes:
        vision_config: The ResNet image tower.
        text_config: The BERT text tower.
        projection_dim: D, dimension of the shared embedding.
        logit_scale_init_value: Log of 1 / temperature at the start of training; finite.
    """

    model_type = "pocket_clip"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {"vision_config": ResNetConfig, "text_config": BertConfig}

    vision_config: dict[str, Any] | ResNetConfig | None = None
    text_config: dict[str, Any] | BertConfig | None = None
    projection_dim: int = 64
    logit_scale_init_value: float = 2.6592


class PocketCLIPModel(PreTrainedModel):
    """ResNet image tower and BERT text tower, each projected to one space.

    The text embedding is the mean over the caption's tokens, so that every word counts wherever it stands.

    Attributes:
        config: Its configuration.
    """

    config: PocketCLIPConfig
    config_class = PocketCLIPConfig
    base_model_prefix = "pocket_clip"
    main_input_name = "pixel_values"

    def __init__(self, config: PocketCLIPConfig) -> None:
        """Build both towers with random weights."""
        super().__init__(config)
        # transformers has turned both into configuration objects by now, whatever was given.
        vision, text = cast(Any, config.vision_config), cast(Any, config.text_config)
        self.vision_model = ResNetModel(vision)
        self.text_model = BertModel(text, add_pooling_layer=False)
        self.visual_projection = nn.Linear(vision.hidden_sizes[-1], config.projection_dim, bias=False)
        self.text_projection = nn.Linear(text.hidden_size, config.projection_dim, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(float(config.logit_scale_init_value)))
        self.post_init()  # type: ignore[no-untyped-call]  # transformers leaves it open

    def _init_weights(self, module: nn.Module) -> None:
        # The towers initialise themselves; what is left are the two projections.
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=module.in_features**-0.5)

    def get_image_features(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Embed preprocessed images.

        Args:
            pixel_values: float (N, 3, H, W).
            kwargs: Ignored, for compatibility with other dual encoders.

        Returns:
            `pooler_output` (N, D), not normalised.
        """
        output = self.vision_model(pixel_values)
        pooled = self.visual_projection(output.pooler_output.flatten(1))
        return BaseModelOutputWithPooling(last_hidden_state=output.last_hidden_state, pooler_output=pooled)

    def get_text_features(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs: Any
    ) -> BaseModelOutputWithPooling:
        """Embed tokenised texts.

        Args:
            input_ids: int64 (M, L).
            attention_mask: int64 (M, L), 1 where there is a token; all ones if None.
            kwargs: Ignored, for compatibility with other dual encoders.

        Returns:
            `pooler_output` (M, D), not normalised.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        hidden = self.text_model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)
        return BaseModelOutputWithPooling(last_hidden_state=hidden, pooler_output=self.text_projection(mean))

    def forward(
        self, input_ids: torch.Tensor, pixel_values: torch.Tensor, attention_mask: torch.Tensor | None = None
    ) -> CLIPOutput:
        """Compare N images with M texts.

        Args:
            input_ids: int64 (M, L).
            pixel_values: float (N, 3, H, W).
            attention_mask: int64 (M, L), 1 where there is a token; all ones if None.

        Returns:
            `image_embeds` (N, D) and `text_embeds` (M, D), normalised; `logits_per_image` (N, M) and its transpose.
        """
        image_features = cast(torch.Tensor, self.get_image_features(pixel_values).pooler_output)
        text_features = cast(torch.Tensor, self.get_text_features(input_ids, attention_mask).pooler_output)
        images = nn.functional.normalize(image_features, dim=-1)
        texts = nn.functional.normalize(text_features, dim=-1)
        logits = images @ texts.T * self.logit_scale.exp()
        return CLIPOutput(logits_per_image=logits, logits_per_text=logits.T, image_embeds=images, text_embeds=texts)

    def fold_for_inference(self) -> None:
        """Fold every batch normalisation of the image tower into the convolution before it.

        Same function, fewer passes over memory. The model cannot be trained or saved in the original format
        afterwards.
        """
        self.train(False)
        for module in self.vision_model.modules():
            normalization, convolution = getattr(module, "normalization", None), getattr(module, "convolution", None)
            if isinstance(normalization, nn.BatchNorm2d) and isinstance(convolution, nn.Conv2d):
                module.convolution = fuse_conv_bn_eval(convolution, normalization)
                module.normalization = nn.Identity()


AutoConfig.register(PocketCLIPConfig.model_type, PocketCLIPConfig, exist_ok=True)
AutoModel.register(PocketCLIPConfig, PocketCLIPModel, exist_ok=True)
