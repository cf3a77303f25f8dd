"""The README.md of a pocket CLIP's folder."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm_rewards.pretraining.pretrain_config import PretrainConfig
from vlm_rewards.pretraining.zero_shot import ZeroShotReport

CARD = "README.md"
# With more labels than these a table of them says less than a line.
_LABELS_LISTED = 40
_LIMITS = "## Limits\n"
# What later measurements write into a card, so that it can be found again: name, and the weights that were measured.
_MEASUREMENT = re.compile(
    r"<!-- measured: (?P<name>\S+) (?P<weights>\w+) -->\n(?P<text>.*?)<!-- end -->\n\n?", re.DOTALL
)


@dataclass(frozen=True)
class TrainingFacts:
    """What a training turned out to be.

    Attributes:
        image_parameters: Numbers in the image tower and its projection.
        text_parameters: Numbers in the text tower and its projection.
        distinct_captions: Distinct captions in the training images.
        training_seconds: Seconds of optimisation, in this process.
        weights_dtype: As stored, such as `float16`.
    """

    image_parameters: int
    text_parameters: int
    distinct_captions: int
    training_seconds: float
    weights_dtype: str


def model_card(config: PretrainConfig, facts: TrainingFacts, report: ZeroShotReport) -> str:
    """Return the card as Markdown: what the model is, its data, recipe, numbers and limits."""
    model, data, training = config.model, config.data, config.training
    seen = config.images_seen
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

{_images(config, facts)}

{_sources(data.source, data.options)}

The {report.images:,} held-out images have seed {data.seed + 1}, and are drawn thus:

{_sources(data.source, data.held_out_options)}

## Recipe

{training.steps:,} steps of {training.batch_size} images; AdamW, learning rate {training.learning_rate},
cosine schedule after {training.warmup_steps} warm-up steps\
{f" in {training.cycles} cycles, each from half the peak of the one before" if training.cycles > 1 else ""}, \
weight decay {training.weight_decay};
shifts of up to {training.shift} pixels and colour jitter of {training.jitter};
{training.precision}; seed {training.seed}.
Contrastive loss with every distinct caption of a batch encoded once and all true pairs as positives\
{"; each batch also gets captions that differ from its own by a word or two" if training.hard_negatives else ""}\
{f"; each image brings {training.contrasts} pairs of a true and a false caption" if training.contrasts else ""}.
It saw {seen:,} images{": each once" if data.stream else f": each about {seen / data.train_images:.1f} times"}.\
{f" It began from the weights of {training.start_from}." if training.start_from else ""}
{facts.training_seconds:.0f} s of training on {training.threads} CPU thread(s).

## Zero-shot accuracy

{_accuracy(report)}

## Limits

Other renderers, photographs, other languages and words outside its captions are beyond it: unknown words are spelled
letter by letter and mean nothing to it. A view that shows nothing of its captions still resembles one of them most;
offer it captions of such states too.
"""


def _images(config: PretrainConfig, facts: TrainingFacts) -> str:
    data, model = config.data, config.model
    pixels = f"{model.image_height}x{model.image_width} pixels, seed {data.seed}"
    if data.stream:
        return (
            f"{config.images_seen:,} images of {pixels}, each rendered while the model trained and seen once; "
            f"{data.corpus_images:,} more\nof them gave {facts.distinct_captions:,} distinct captions:"
        )
    return f"{data.train_images:,} images of {pixels}, with\n{facts.distinct_captions:,} distinct captions:"


def with_measurement(card: str, name: str, weights: str, text: str) -> str:
    """Return a card with a measurement in it, in place of an older one of the same name.

    Args:
        card: Card of any model; the measurement goes before its limits, where it has such a heading, else to its end.
        name: Name of the measurement, without blanks.
        weights: What was measured, see `weights_of`.
        text: Markdown.
    """
    block = f"<!-- measured: {name} {weights} -->\n{text.strip()}\n<!-- end -->\n\n"
    for match in _MEASUREMENT.finditer(card):
        if match["name"] == name:
            return card[: match.start()] + block + card[match.end() :]
    before, limits, after = card.partition(_LIMITS)
    return before + block + limits + after if limits else f"{card.rstrip()}\n\n{block}"


def with_measurements_of(card: str, earlier: str, weights: str) -> str:
    """Return a new card with those measurements of an earlier one that were made of the same weights."""
    for match in _MEASUREMENT.finditer(earlier):
        if match["weights"] == weights:
            card = with_measurement(card, match["name"], weights, match["text"])
    return card


def weights_of(folder: Path) -> str:
    """Return the first hex digits of the sha256 over a folder's weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _sources(source: str, options: Mapping[str, Any]) -> str:
    """Return a list of where images come from; a mixture's parts one by one."""
    parts = options.get("parts")
    if not isinstance(parts, Mapping):
        return f"- `{source}`{_in_words(options)}"
    total = sum(part.get("weight", 1.0) for part in parts.values())
    return "\n".join(
        f"- {name}, {part.get('weight', 1.0) / total:.0%}: `{part['source']}`{_in_words(part.get('options', {}))}"
        for name, part in parts.items()
    )


def _in_words(options: Mapping[str, Any]) -> str:
    return f" with {', '.join(f'{key}={value}' for key, value in options.items())}" if options else ""


def _accuracy(report: ZeroShotReport) -> str:
    """Return accuracy by label, or by part of a mixture where there are too many labels to read."""
    text = f"Each held-out image chooses among one caption a label. Over all: **{report.accuracy:.4f}**."
    if len(report.by_label) <= _LABELS_LISTED:
        rows = []
        for label, accuracy in report.by_label.items():
            wrong = report.confused_with[label]
            rows.append(f"| {label} | {accuracy:.3f} | {f'{wrong[0]} ({wrong[1]:.3f})' if wrong else ''} |")
        return f"{text}\n\n| label | accuracy | most often taken for |\n|---|---|---|\n" + "\n".join(rows)
    parts: dict[str, list[str]] = {}
    for label in report.by_label:
        parts.setdefault(label.split(": ")[0] if ": " in label else "all", []).append(label)
    lines = []
    for part, labels in parts.items():
        images = sum(report.counts[label] for label in labels)
        right = sum(report.counts[label] * report.by_label[label] for label in labels)
        lines.append(f"| {part} | {len(labels)} | {images:,} | {right / images:.3f} |")
    return (
        f"{text}\nThe {len(report.by_label)} labels also say how a thing is seen, and several of their captions are "
        "often true of one image; this number is for comparing models of one recipe, not a rate of errors.\n\n"
        "| part | labels | images | accuracy |\n|---|---|---|---|\n" + "\n".join(lines)
    )
