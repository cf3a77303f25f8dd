"""Train pocket CLIPs of several sizes side by side on one stream of fresh renderings.

python -m experiments.pretrain_ladder --preset fresh
python -m experiments.pretrain_ladder --preset fresh --size pocket-xs --size pocket-s --set training.steps=500
"""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from pydantic import Field

from experiments.shared.command_line import clear_errors, stop_on_sigterm
from experiments.shared.preset_files import load_preset, preset_names
from experiments.shared.progress import Bars
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import StrictConfig

RUN_ID_FILE = "mlflow-run-id.txt"
REPOSITORY = Path(__file__).resolve().parent.parent

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


class LadderConfig(StrictConfig):
    """What the models of a ladder share, and which sizes it has.

    Attributes:
        sizes: presets of `pretrain_clip`, of which the towers' shapes are taken.
        prefix: before each size's name in the name of its model, such as `web-`.
        continued: whether each model goes on from the packaged one of its size's name.
        model: settings of all towers, in place of those of the sizes.
        data: captioned images.
        training: optimisation.
    """

    sizes: tuple[str, ...]
    prefix: str = ""
    continued: bool = False
    model: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any]
    training: dict[str, Any] = Field(default_factory=dict)

    def models(self) -> list[dict[str, Any]]:
        """Returns the settings of each model, for `PretrainConfig`."""
        start = {"start_from": None}
        return [
            {
                "name": self.prefix + size,
                "model": {**load_preset("pretrain_clip", size, [])["model"], **self.model},
                "data": self.data,
                "training": {**start, **self.training, **({"start_from": size} if self.continued else {})},
            }
            for size in self.sizes
        ]


@app.command()
def pretrain_ladder(
    preset: Annotated[
        str,
        typer.Option(help=f"Preset name ({', '.join(preset_names('pretrain_ladder'))}) or the path of a YAML file."),
    ] = "fresh",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting: --set training.steps=500. Repeatable."),
    ] = None,
    size: Annotated[list[str] | None, typer.Option(help="Train only this size; repeatable.")] = None,
    output: Annotated[
        Path, typer.Option(help="Folder of the run folders, one a model, with its checkpoint and model folder in it.")
    ] = Path("runs") / "pretrain_ladder",
    mlflow_uri: Annotated[
        str | None, typer.Option(help="MLflow server or store; a sqlite file in the output folder by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the settings as checked, and stop.")] = False,
) -> None:
    """Train [bold]a ladder of pocket CLIPs[/bold]: one recipe, the same images for every size, each seen once.

    A second process renders what the first one trains on; nothing but held-out pictures is written to disk. Run the
    command again to continue a ladder that was cut off: the weights become the same as without the stop.
    """
    with clear_errors("run the same command again to continue"):
        stop_on_sigterm()
        config = LadderConfig(**load_preset("pretrain_ladder", preset, overrides or []))
        if size:
            config = config.model_copy(update={"sizes": tuple(size)})
        _pretrain(config, output, mlflow_uri, dry_run)


def _pretrain(ladder: LadderConfig, output: Path, mlflow_uri: str | None, dry_run: bool) -> None:
    # Imported here: `--help` and a misspelt preset should not wait for torch.
    import contextlib

    from vlm_rewards.pretraining.caption_source import import_source
    from vlm_rewards.pretraining.pretrain import pretrain_side_by_side
    from vlm_rewards.pretraining.pretrain_config import PretrainConfig
    from vlm_rewards.tracking import MlflowRun, flatten, provenance_tags
    from vlm_rewards.tracking.store import default_uri

    configs = [PretrainConfig(**each) for each in ladder.models()]
    if dry_run:
        for config in configs:
            typer.echo(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), nl=False)
        return
    if not all(config.data.stream for config in configs):
        raise ConfigError("a ladder is trained on a stream; set data.stream: true")
    import_source(configs[0].data.source, configs[0].data.options)  # a misspelt source leaves no run behind
    folders = [output / config.name for config in configs]
    uri = mlflow_uri or default_uri(output)
    with contextlib.ExitStack() as stack:
        runs = []
        for config, folder in zip(configs, folders, strict=True):
            folder.mkdir(parents=True, exist_ok=True)
            run_id_file = folder / RUN_ID_FILE
            run = MlflowRun.start(
                uri=uri,
                experiment="pretrain_clip",
                name=config.name,
                params=flatten(config.model_dump(mode="json")),
                tags=provenance_tags(REPOSITORY),
                spill_folder=folder,
                resume_run_id=run_id_file.read_text().strip() if run_id_file.is_file() else None,
            )
            stack.enter_context(run)
            run_id_file.write_text(run.run_id)
            runs.append(run)
        bars = stack.enter_context(Bars(stage_width=26))

        def logged(place: int, step: int, metrics: dict[str, float]) -> None:
            runs[place].log_metrics({f"train/{name}": value for name, value in metrics.items()}, step)

        outcomes = pretrain_side_by_side(
            configs,
            folders,
            [folder / "model" for folder in folders],
            output,
            on_progress=lambda stage, done, total, metrics: bars.show(stage, done, total, _note(metrics)),
            on_log=logged,
        )
        for run, outcome, config in zip(runs, outcomes, configs, strict=True):
            run.log_metrics({"zero_shot/accuracy": outcome.report.accuracy}, config.training.steps + 1)
            run.log_artifact(outcome.folder / "README.md")
            bars.console.print(
                f"{config.name}: zero-shot accuracy {outcome.report.accuracy:.4f} on {outcome.report.images:,} "
                f"held-out images; {outcome.folder}",
                soft_wrap=True,
            )


def _note(metrics: dict[str, float]) -> str:
    """Returns what stands beside the bar of a stage that has metrics: those of the last size."""
    return f"loss {metrics['loss']:.3f}  batch accuracy {metrics['batch_accuracy']:.3f}" if metrics else ""


if __name__ == "__main__":
    app()
