"""Zero-shot accuracy: what a model says that pictures show, among one caption for each thing or app there is.

python -m experiments.zero_shot --model runs/pretrain_clip/pocket-xs/model --model runs/pretrain_clip/pocket-l/model
python -m experiments.zero_shot --preset playhouse --model openai/clip-vit-base-patch32 --set pictures.count=500
"""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from experiments.shared.command_line import clear_errors, stop_on_sigterm
from experiments.shared.preset_files import load_preset, preset_names

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def zero_shot(
    preset: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Preset name ({', '.join(preset_names('zero_shot'))}) or the path of a YAML file; repeatable. "
            "All of them by default."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of every preset: --set pictures.count=500."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Packaged name, folder or hub id; repeatable. [default: pocket-android]")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder for the renderings, made once; OUTPUT/zero-shot-images by default.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder that run folders and MLflow's store go into.")] = Path("runs"),
    mlflow_uri: Annotated[
        str | None, typer.Option(help="MLflow server or store; a sqlite file in the output folder by default.")
    ] = None,
    update_card: Annotated[
        bool, typer.Option("--update-card", help="Write what was found into each model folder's README.md.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the settings as checked, and stop.")] = False,
) -> None:
    """Let [bold]models name pictures[/bold] that no training drew, among one caption for everything there is.

    Prints accuracy with its 95 % interval; a table by category, colour and app, the most frequent confusions and a
    figure of them go to the run's folder and to MLflow.
    """
    with clear_errors("run the same command again"):
        # Imported here: `--help` and a misspelt preset should not wait for torch.
        from experiments.offline.zero_shot_config import ZeroShotConfig

        configs = []
        for name in preset or preset_names("zero_shot"):
            values: dict[str, Any] = load_preset("zero_shot", name, overrides or [])
            if mlflow_uri:
                values.setdefault("tracking", {})["uri"] = mlflow_uri
            configs.append(ZeroShotConfig(**values))
        if dry_run:
            for config in configs:
                typer.echo(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), nl=False)
            return
        from experiments.offline.zero_shot_evaluation import ZeroShotEvaluation

        stop_on_sigterm()
        ZeroShotEvaluation(configs, model or ["pocket-android"], output, images, update_card).execute()


if __name__ == "__main__":
    app()
