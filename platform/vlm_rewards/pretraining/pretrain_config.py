"""What one pretraining is made of: the schema of `experiments/presets/pretrain_clip/*.yaml`."""

from typing import Any, Literal

from pydantic import Field, model_validator

from vlm_rewards.encoders.pocket_clip import PocketCLIPConfig
from vlm_rewards.strict_config import StrictConfig


class ModelSize(StrictConfig):
    """The shape of both towers.

    Attributes:
        image_height: Pixels that the image tower reads.
        image_width: Pixels that the image tower reads.
        stem_channels: Channels after the first convolution.
        stage_channels: Channels of each ResNet stage; every stage after the first halves the resolution.
        stage_depths: Residual layers of each stage.
        layer_type: `basic` (two 3x3 convolutions) or `bottleneck`.
        text_width: Hidden size of the BERT tower.
        text_layers: Transformer layers of the BERT tower.
        text_heads: Attention heads of the BERT tower.
        max_tokens: Longest caption in tokens.
        vocab_size: Most tokens in the vocabulary.
        embedding_dim: D, of the shared space.
    """

    image_height: int = Field(default=128, ge=16)
    image_width: int = Field(default=80, ge=16)
    stem_channels: int = Field(default=24, ge=1)
    stage_channels: tuple[int, ...] = (24, 48, 72, 96)
    stage_depths: tuple[int, ...] = (1, 1, 1, 1)
    layer_type: Literal["basic", "bottleneck"] = "basic"
    text_width: int = Field(default=64, ge=8)
    text_layers: int = Field(default=2, ge=1)
    text_heads: int = Field(default=2, ge=1)
    max_tokens: int = Field(default=48, ge=4)
    vocab_size: int = Field(default=1000, ge=200)
    embedding_dim: int = Field(default=64, ge=2)

    @model_validator(mode="after")
    def _fits_together(self) -> "ModelSize":
        if len(self.stage_channels) != len(self.stage_depths):
            raise ValueError("stage_channels and stage_depths must be equally long")
        if self.text_width % self.text_heads:
            raise ValueError("text_width must be a multiple of text_heads")
        return self

    def config(self, vocab_size: int) -> PocketCLIPConfig:
        """Return the model configuration for a tokenizer of `vocab_size` tokens."""
        return PocketCLIPConfig(
            vision_config={
                "embedding_size": self.stem_channels,
                "hidden_sizes": list(self.stage_channels),
                "depths": list(self.stage_depths),
                "layer_type": self.layer_type,
            },
            text_config={
                "vocab_size": vocab_size,
                "hidden_size": self.text_width,
                "num_hidden_layers": self.text_layers,
                "num_attention_heads": self.text_heads,
                "intermediate_size": 2 * self.text_width,
                "max_position_embeddings": self.max_tokens,
                # Without dropout a step depends on the weights and the batch alone, which resuming relies on.
                "hidden_dropout_prob": 0.0,
                "attention_probs_dropout_prob": 0.0,
            },
            projection_dim=self.embedding_dim,
        )


class DataConfig(StrictConfig):
    """The captioned images.

    Attributes:
        source: `package.module:function` of a `CaptionSource`.
        stream: Render each training image while the model trains, and never show one twice; nothing of it is stored.
        train_images: Without a stream: rendered once, seen again in each epoch.
        corpus_images: How many images of a stream are rendered first, for vocabulary and channel statistics.
        options: Keyword arguments of the source for training images.
        held_out_options: Those for held-out images, such as other content.
        held_out_images: Rendered with another seed, for the model card's numbers.
        seed: Seed of the renderings.
        workers: Rendering processes.
    """

    source: str
    options: dict[str, Any] = Field(default_factory=dict)
    stream: bool = False
    train_images: int = Field(default=20_000, ge=1)
    corpus_images: int = Field(default=4_000, ge=1)
    held_out_options: dict[str, Any] = Field(default_factory=dict)
    held_out_images: int = Field(default=2_000, ge=1)
    seed: int = Field(default=0, ge=0)
    workers: int = Field(default=2, ge=0)


class TrainingConfig(StrictConfig):
    """The optimisation.

    Attributes:
        steps: Gradient steps.
        batch_size: Images a step.
        cycles: Times the learning rate falls to 0, over equally many steps each (SGDR, Loshchilov and Hutter 2017,
            arXiv 1608.03983). A model that is finished after one cycle can be trained for another.
        learning_rate: Adam's step size at its first peak; cosine to 0 after the warm-up. Each further cycle starts at
            half of the peak before it.
        warmup_steps: Linear rise from 0.
        weight_decay: Weight decay of matrices and convolutions.
        shift: Augmentation, largest shift in pixels.
        jitter: Augmentation, largest relative change of brightness, contrast and colour.
        contrasts: Of the pairs of a true and a false caption that come with an image, how many are shown
            beside one of its captions. Only for a stream.
        start_from: Packaged name or folder of a trained model of the same shape, whose weights, vocabulary and channel
            statistics training goes on from.
        hard_negatives: Give each batch, beside its captions, others that differ from them by a word or two.
        precision: `bf16` runs the towers under autocast.
        seed: Seed of weights, batches and augmentation.
        threads: Threads of torch; results are the same only for the same number.
        log_every: Steps between two log entries.
        checkpoint_every: Steps between two checkpoints.
    """

    steps: int = Field(default=2_000, ge=1)
    cycles: int = Field(default=1, ge=1)
    batch_size: int = Field(default=128, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    warmup_steps: int = Field(default=100, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    shift: int = Field(default=3, ge=0)
    jitter: float = Field(default=0.15, ge=0, lt=1)
    contrasts: int = Field(default=0, ge=0)
    start_from: str | None = None
    hard_negatives: bool = False
    precision: Literal["fp32", "bf16"] = "fp32"
    seed: int = Field(default=0, ge=0)
    threads: int = Field(default=2, ge=1)
    log_every: int = Field(default=20, ge=1)
    checkpoint_every: int = Field(default=500, ge=1)


class PretrainConfig(StrictConfig):
    """One pretraining.

    Attributes:
        name: Name of the model, for its card.
        model: Shape of the towers.
        data: Captioned images.
        training: Optimisation.
    """

    name: str = Field(min_length=1)
    model: ModelSize = ModelSize()
    data: DataConfig
    training: TrainingConfig = TrainingConfig()

    @model_validator(mode="after")
    def _fits_its_data(self) -> "PretrainConfig":
        if self.data.stream and self.training.hard_negatives:
            raise ValueError(
                "training.hard_negatives needs a fixed set of captions; use training.contrasts in a stream"
            )
        if self.training.contrasts and not self.data.stream:
            raise ValueError("training.contrasts needs data.stream: true")
        return self

    @property
    def images_seen(self) -> int:
        """Images that training reads, counted as often as it reads them."""
        return self.training.steps * self.training.batch_size
