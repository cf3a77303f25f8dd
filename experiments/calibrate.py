"""Choose tau and beta of a reward on one half of a labelled dataset, and report how they do on the other.

python -m experiments.calibrate --preset playhouse --dataset data/playhouse-full --model A_FOLDER --family find
python -m experiments.train --preset runs/playhouse-calibration-1/reward.yaml    # after --extends A_TRAINING_PRESET
"""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from experiments.shared.command_line import clear_errors, stop_on_sigterm
from experiments.shared.preset_files import load_preset, preset_names, with_shortcuts

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def calibrate(
    preset: Annotated[
        str, typer.Option(help=f"Preset name ({', '.join(preset_names('calibrate'))}) or the path of a YAML file.")
    ] = "playhouse",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting: --set precision=0.95. Repeatable."),
    ] = None,
    dataset: Annotated[Path | None, typer.Option(help="Folder of the labelled dataset.")] = None,
    model: Annotated[str | None, typer.Option(help="Packaged name, folder or hub id.")] = None,
    search: Annotated[
        str | None,
        typer.Option(help=f"Search the templates of this prompt set ({', '.join(preset_names('prompts'))})."),
    ] = None,
    family: Annotated[list[str] | None, typer.Option(help="Use only this family of goals; repeatable.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use this many trajectories, evenly spread.")] = None,
    precision: Annotated[float | None, typer.Option(help="Precision to reach.")] = None,
    transport: Annotated[
        str | None, typer.Option(help="Short for --set served_by.kind=KIND: deploy, in_process, attach, http.")
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder that run folders, embeddings and MLflow's store go into.")
    ] = Path("runs"),
    reward_file: Annotated[
        Path | None, typer.Option(help="Where the reward preset goes; RUN_FOLDER/reward.yaml by default.")
    ] = None,
    extends: Annotated[
        str | None, typer.Option(help="Training preset that the reward preset extends, to be trained with as it is.")
    ] = None,
    mlflow_uri: Annotated[
        str | None, typer.Option(help="MLflow server or store; a sqlite file in the output folder by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the settings as checked, and stop.")] = False,
) -> None:
    """Pick [bold]tau and beta[/bold] by precision, since false positives hurt an agent most.

    The trajectories are divided so that calibration and test share no home. On the calibration side the most recall
    is taken among all temperatures and thresholds that are precise enough; the test side says what that is worth.
    The embeddings are those of `experiments.offline_pr` with the same output folder; run the command again to continue.
    """
    with clear_errors("run the same command again to continue"):
        # Imported here: `--help` and a misspelt preset should not wait for torch.
        from experiments.offline.calibration import Calibration
        from experiments.offline.config import CalibrateConfig

        shortcuts = {
            "data.dataset": dataset and str(dataset),
            "data.families": family,
            "data.limit": limit,
            "reward.model": model,
            "search": search,
            "precision": precision,
            "served_by.kind": transport,
            "tracking.uri": mlflow_uri,
        }
        config = CalibrateConfig(**with_shortcuts(load_preset("calibrate", preset, overrides or []), shortcuts))
        if dry_run:
            typer.echo(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True), sort_keys=False), nl=False)
            return
        stop_on_sigterm()
        Calibration(config, output, reward_file, extends).execute()


if __name__ == "__main__":
    app()
