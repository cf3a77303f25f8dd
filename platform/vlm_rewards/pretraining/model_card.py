"""The README.md of a pocket CLIP's folder."""

from dataclasses import dataclass

from vlm_rewards.pretraining.pretrain_config import PretrainConfig
from vlm_rewards.pretraining.zero_shot import ZeroShotReport


@dataclass(frozen=True)
class TrainingFacts:
    """What a training turned out to be.

    Attributes:
        image_parameters: of the image tower and its projection.
        text_parameters: of the text tower and its projection.
        distinct_captions: in the training images.
        training_seconds: of optimisation, in this process.
        weights_dtype: as stored, such as `float16`.
    """

    image_parameters: int
    text_parameters: int
    distinct_captions: int
    training_seconds: float
    weights_dtype: str


def model_card(config: PretrainConfig, facts: TrainingFacts, report: ZeroShotReport) -> str:
    """Returns the card as Markdown: what the model is, its data, recipe, numbers and limits."""
    model, data, training = config.model, config.data, config.training
    rows = []
    for label, accuracy in report.by_label.items():
        wrong = report.confused_with[label]
        rows.append(f"| {label} | {accuracy:.3f} | {f'{wrong[0]} ({wrong[1]:.3f})' if wrong else ''} |")
    options = ", ".join(f"{key}={value}" for key, value in data.held_out_options.items())
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: zero-shot-image-classification
---

# {config.name}

A pocket CLIP: a small contrastive dual encoder (ResNet image tower, BERT text tower) in the Hugging Face folder format,
trained by this project on captioned renderings. It stands in for an off-the-shelf CLIP on machines without a network.
It knows the renderings it was trained on and nothing of the world beyond them.

It never saw a trajectory, a reward, or the wording of a task: its captions describe what an image shows.

| | |
|---|---|
| image tower | {facts.image_parameters:,} parameters, reads RGB {model.image_height} high, {model.image_width} wide |
| text tower | {facts.text_parameters:,} parameters, up to {model.max_tokens} tokens |
| embedding | {model.embedding_dim} numbers |
| weights | safetensors, {facts.weights_dtype} |

## Data

{data.train_images:,} images drawn by `{data.source}` (seed {data.seed}),
with {facts.distinct_captions:,} distinct captions.
The {report.images:,} held-out images have another seed{f" and {options}" if options else ""}.

## Recipe

{training.steps:,} steps of {training.batch_size} images; AdamW, learning rate {training.learning_rate},
cosine schedule after {training.warmup_steps} warm-up steps, weight decay {training.weight_decay};
shifts of up to {training.shift} pixels and colour jitter of {training.jitter};
{training.precision}; seed {training.seed}.
Contrastive loss with every distinct caption of a batch encoded once and all true pairs as positives.
{facts.training_seconds:.0f} s of training on {training.threads} CPU thread(s).

## Zero-shot accuracy

Each held-out image chooses among one caption a label. Over all: **{report.accuracy:.4f}**.

| label | accuracy | most often taken for |
|---|---|---|
{chr(10).join(rows)}

## Limits

Other renderers, photographs, other languages and words outside its captions are beyond it: unknown words are spelled
letter by letter and mean nothing to it. A view that shows nothing of its captions still resembles one of them most;
offer it captions of such states too.
"""
