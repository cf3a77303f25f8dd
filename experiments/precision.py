"""Make a model faster without changing its rewards: an int8 image tower, and the proof that a precision agrees.

python -m experiments.precision quantise pocket-android --preset pocket-android
python -m experiments.precision agree --preset pocket-android
"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import typer

from experiments.shared.command import Command, Invocation, Option, command_group
from experiments.shared.preset_files import load_preset
from vlm_rewards.errors import ConfigError

if TYPE_CHECKING:
    from experiments.offline.agreement import AgreementConfig
    from vlm_rewards.pretraining.pretrain_config import PretrainConfig

QUANTISE_HELP = """Make the [bold]int8[/bold] image tower of MODEL, and write it into the model's folder.

For a hub id it goes into the cache folder. `reward.precision: int8` uses it from then on; `auto` only once
[bold]agree[/bold] has found its rewards to be those of fp32.
"""
AGREE_HELP = """Compare a model's rewards in faster precisions with those of fp32 on [bold]recorded frames[/bold].

What is found is kept in the model's folder as agreement.json, pass or not: `reward.precision: auto` chooses from those
that passed.
"""
# Of no pretraining's renderings, and of no recorded dataset.
CALIBRATION_SEED = 77


def _pretraining(values: Mapping[str, Any]) -> "type[PretrainConfig]":
    from vlm_rewards.pretraining.pretrain_config import PretrainConfig

    return PretrainConfig


def _renderings(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": given["preset"], **load_preset("pretrain_clip", given["preset"], given["overrides"] or [])}


def _quantise(invocation: Invocation) -> None:
    from vlm_rewards.encoders.loading import resolve_model
    from vlm_rewards.encoders.quantisation import quantise as make
    from vlm_rewards.pretraining.rendered_dataset import RenderedDataset, RenderSpec

    config: PretrainConfig = invocation.config
    model, frames = invocation.options["model"], invocation.options["frames"]
    if frames < 1:
        raise ConfigError("--frames must be at least 1")
    source, size, data = resolve_model(model), config.model, config.data
    spec = RenderSpec(data.source, frames, size.image_height, size.image_width, CALIBRATION_SEED, data.options)
    with TemporaryDirectory() as folder:
        images = RenderedDataset.render(spec, Path(folder)).frames
        where, record = make(source, images, f"renderings of the preset {config.name}")
    size_mb = sum(path.stat().st_size for path in (where / "int8").iterdir()) / 1e6
    typer.echo(f"int8 image tower of {model}: {size_mb:.1f} MB in {where / 'int8'}, digest {record.digest[:12]}")


def _agreement(values: Mapping[str, Any]) -> "type[AgreementConfig]":
    from experiments.offline.agreement import AgreementConfig

    return AgreementConfig


def _agree(invocation: Invocation) -> None:
    from experiments.offline.agreement import find_agreements
    from vlm_rewards.encoders.proof.agreement import LARGEST_AP_CHANGE, LEAST_EQUAL

    config: AgreementConfig = invocation.config
    for found in find_agreements(config, invocation.options["runtime"]):
        verdict = "agrees with fp32" if found.passed else "REFUSED"
        typer.echo(f"{config.model} in {found.precision} on {found.runtime}: {verdict}")
        for row in found.rewards:
            typer.echo(
                f"  {row.reward:24} {row.differing} of {row.frames:,} frames differ ({row.equal:.3%} equal, "
                f"{row.rewarded:,} rewarded), AP {row.average_precision:.4f} against "
                f"{row.fp32_average_precision:.4f} {'' if row.passed else 'NO'}"
            )
    typer.echo(f"passes at {LEAST_EQUAL:.1%} equal and a change of AP of at most {LARGEST_AP_CHANGE}")


# Both write into the model's own folder, and keep no run.
quantise = Command(
    name="quantise",
    help=QUANTISE_HELP,
    work=_quantise,
    schema=_pretraining,
    preset="pocket-android",
    presets="pretrain_clip",
    read=_renderings,
    example="data.options={}",
    options=(
        Option("model", "Packaged name, folder or hub id."),
        Option("--frames", "Renderings of the preset to calibrate on.", int, default=300),
    ),
    output=None,
    tracks="never",
)
agree = Command(
    name="agree",
    help=AGREE_HELP,
    work=_agree,
    schema=_agreement,
    preset="pocket-android",
    presets="agree",
    example="precisions=[bf16]",
    options=(Option("--runtime", "Of the image tower.", Literal["openvino", "torch"], default="openvino"),),
    output=None,
    tracks="never",
)
commands = (quantise, agree)
app = command_group(*commands)

if __name__ == "__main__":
    app()
