"""Judge reward models on recorded, labelled trajectories: precision and recall by beta, before any agent is trained.

python -m experiments.collect --preset full --out data/playhouse-full
python -m experiments.offline_pr --preset playhouse --dataset data/playhouse-full --model A_FOLDER --model ANOTHER
python -m experiments.offline_pr --resume runs/playhouse-1
"""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from experiments.shared.command_line import clear_errors, stop_on_sigterm
from experiments.shared.preset_files import load_preset, preset_names, with_shortcuts
from vlm_rewards.errors import ConfigError

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def offline_pr(
    preset: Annotated[
        str, typer.Option(help=f"Preset name ({', '.join(preset_names('offline_pr'))}) or the path of a YAML file.")
    ] = "playhouse",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting: --set reward.tau=0.02. Repeatable."),
    ] = None,
    dataset: Annotated[Path | None, typer.Option(help="Folder of the labelled dataset.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="Packaged name, folder or hub id; repeatable, one curve each.")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option(help=f"Prompt set to try ({', '.join(preset_names('prompts'))}) or a YAML file.")
    ] = None,
    family: Annotated[list[str] | None, typer.Option(help="Use only this family of goals; repeatable.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use this many trajectories, evenly spread.")] = None,
    transport: Annotated[
        str | None, typer.Option(help="Short for --set served_by.kind=KIND: deploy, in_process, attach, http.")
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder that run folders, embeddings and MLflow's store go into.")
    ] = Path("runs"),
    mlflow_uri: Annotated[
        str | None, typer.Option(help="MLflow server or store; a sqlite file in the output folder by default.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Continue the run in this folder; takes no other option.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the settings as checked, and stop.")] = False,
) -> None:
    """Measure how well [bold]a frozen CLIP's reward[/bold] agrees with the truth on a fixed set of trajectories.

    Every frame is embedded once per model, through the reward service; prompts, negatives and thresholds are compared
    from the embeddings. A figure, a table, confusions and raw scores go to the run's folder and to MLflow.
    """
    with clear_errors("continue with --resume RUN_FOLDER"):
        # Imported here: `--help` and a misspelt preset should not wait for torch.
        from experiments.offline.config import OfflinePRConfig
        from experiments.offline.evaluation import OfflineEvaluation
        from experiments.shared.run_folder import RunFolder

        if resume is not None:
            if any((overrides, dataset, model, prompts, family, limit, transport, mlflow_uri, dry_run)):
                raise ConfigError("--resume continues a run with its own settings; leave the other options out")
            folder: RunFolder | None = RunFolder.existing(resume)
            config = OfflinePRConfig(**folder.config())
            output = folder.path.parent
        else:
            folder = None
            values = load_preset("offline_pr", preset, overrides or [])
            shortcuts = {
                "data.dataset": dataset and str(dataset),
                "data.families": family,
                "data.limit": limit,
                "models": model,
                "prompts": prompts,
                "served_by.kind": transport,
                "tracking.uri": mlflow_uri,
            }
            config = OfflinePRConfig(**with_shortcuts(values, shortcuts))
            if dry_run:
                typer.echo(
                    yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True), sort_keys=False), nl=False
                )
                return
        stop_on_sigterm()
        OfflineEvaluation(config, output, folder).execute()


if __name__ == "__main__":
    app()
