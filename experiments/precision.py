"""Make a model faster without changing its rewards: an int8 image tower, and the proof that a precision agrees.

python -m experiments.precision quantise pocket-android --preset pocket-android
python -m experiments.precision agree --preset pocket-android
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

import typer

from experiments.shared.command_line import clear_errors
from experiments.shared.preset_files import load_preset, preset_names

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False, no_args_is_help=True)
# Of no pretraining's renderings, and of no recorded dataset.
CALIBRATION_SEED = 77


@app.command()
def quantise(
    model: Annotated[str, typer.Argument(help="Packaged name, folder or hub id.")],
    preset: Annotated[
        str,
        typer.Option(help=f"Pretraining ({', '.join(preset_names('pretrain_clip'))}) whose renderings calibrate."),
    ],
    frames: Annotated[int, typer.Option(min=1, help="Renderings to calibrate on.")] = 300,
) -> None:
    """Make the [bold]int8[/bold] image tower of MODEL, and write it into the model's folder.

    For a hub id it goes into the cache folder. `reward.precision: int8` uses it from then on; `auto` only once
    [bold]agree[/bold] has found its rewards to be those of fp32.
    """
    with clear_errors("start it again"):
        from vlm_rewards.encoders.loading import resolve_model
        from vlm_rewards.encoders.quantisation import quantise as make
        from vlm_rewards.pretraining.pretrain_config import PretrainConfig
        from vlm_rewards.pretraining.rendered_dataset import RenderedDataset, RenderSpec

        config = PretrainConfig(**{"name": preset, **load_preset("pretrain_clip", preset)})
        size, data = config.model, config.data
        spec = RenderSpec(data.source, frames, size.image_height, size.image_width, CALIBRATION_SEED, data.options)
        with TemporaryDirectory() as folder:
            images = RenderedDataset.render(spec, Path(folder)).frames
            where, record = make(resolve_model(model), images, f"renderings of the preset {preset}")
        size_mb = sum(path.stat().st_size for path in (where / "int8").iterdir()) / 1e6
        typer.echo(f"int8 image tower of {model}: {size_mb:.1f} MB in {where / 'int8'}, digest {record.digest[:12]}")


@app.command()
def agree(
    preset: Annotated[
        str, typer.Option(help=f"What to compare ({', '.join(preset_names('agree'))}) or the path of a YAML file.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting: --set precisions=[bf16]. Repeatable."),
    ] = None,
    runtime: Annotated[Literal["openvino", "torch"], typer.Option(help="Of the image tower.")] = "openvino",
) -> None:
    """Compare a model's rewards in faster precisions with those of fp32 on [bold]recorded frames[/bold].

    What is found is kept in the model's folder as agreement.json, pass or not: `reward.precision: auto` chooses from
    those that passed.
    """
    with clear_errors("start it again"):
        from experiments.offline.agreement import AgreementConfig, find_agreements
        from vlm_rewards.encoders.proof.agreement import LARGEST_AP_CHANGE, LEAST_EQUAL

        config = AgreementConfig(**load_preset("agree", preset, overrides or []))
        for found in find_agreements(config, runtime):
            verdict = "agrees with fp32" if found.passed else "REFUSED"
            typer.echo(f"{config.model} in {found.precision} on {found.runtime}: {verdict}")
            for row in found.rewards:
                typer.echo(
                    f"  {row.reward:24} {row.differing} of {row.frames:,} frames differ ({row.equal:.3%} equal, "
                    f"{row.rewarded:,} rewarded), AP {row.average_precision:.4f} against "
                    f"{row.fp32_average_precision:.4f} {'' if row.passed else 'NO'}"
                )
        typer.echo(f"passes at {LEAST_EQUAL:.1%} equal and a change of AP of at most {LARGEST_AP_CHANGE}")


if __name__ == "__main__":
    app()
