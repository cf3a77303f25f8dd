"""Judge a trained agent once more, by ground truth alone: more episodes, or elsewhere than its own evaluation was.

python -m experiments.evaluate runs/demo-1 --episodes 1000
python -m experiments.evaluate runs/open_diverse-1 --set environment.evaluation_options.layout=shuffled
"""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from experiments.shared.command_line import clear_errors, stop_on_sigterm
from experiments.shared.job_storage import lasting_folder
from experiments.shared.preset_files import apply_override, with_shortcuts

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a run of experiments.train, or of a study's trial.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change one of the run's settings: --set evaluation.deterministic=false. Repeatable.",
        ),
    ] = None,
    episodes: Annotated[int | None, typer.Option(help="Episodes, shared equally among the goals.")] = None,
    mlflow_uri: Annotated[
        str | None, typer.Option(help="MLflow server or store; that of the run's own folder by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the settings as checked, and stop.")] = False,
) -> None:
    """Evaluate a [bold]trained agent[/bold] from its newest checkpoint, beside the random policy.

    The table and films go to a folder EVALUATION-N in the run's own, and to MLflow, as a child of the training's run.
    """
    with clear_errors("run the same command again"):
        # Imported here: `--help` should not wait for ray and torch.
        from experiments.shared.run_folder import RunFolder
        from experiments.training.config import TrainConfig
        from experiments.training.evaluation import Evaluation

        folder = RunFolder.existing(lasting_folder(run))
        values = folder.config()
        for override in overrides or []:
            apply_override(values, override)
        shortcuts = {"evaluation.episodes": episodes, "tracking.uri": mlflow_uri}
        config = TrainConfig(**with_shortcuts(values, shortcuts))
        if dry_run:
            typer.echo(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), nl=False)
            return
        stop_on_sigterm()
        Evaluation(config, folder).execute()


if __name__ == "__main__":
    app()
