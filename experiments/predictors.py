"""Which offline measure of a reward predicts the agent that it trains: over all trials of MLflow stores.

python -m experiments.predictors
python -m experiments.predictors --mlflow-uri http://127.0.0.1:5000 --also sqlite:////shared/runs/mlflow.db
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from experiments.shared.command import Command, Invocation, Option, Output
from experiments.shared.job_storage import output_root, results_path

HELP = """Correlate every [bold]offline measure[/bold] of a reward with the success of the agents that it trained.

Trainings and what offline_pr and pressure measured are put together by family of goals, model, template, negatives,
head, tau and beta. A measure is chosen on half of the settings and reported on the others; where one misled is said.
"""


def _store_folder(output: Path, given: Mapping[str, Any]) -> Path:
    """Return where trainings put theirs."""
    return results_path(output_root())


def _write(invocation: Invocation) -> None:
    # Imported here: `--help` should not wait for MLflow.
    from experiments.predicting.report import write

    options = invocation.options
    folder = invocation.output if invocation.output_given else invocation.output / "predictors"
    stores = [invocation.mlflow_uri, *(options["also"] or [])]
    typer.echo(write(stores, folder, options["loose"], options["resamples"], options["seed"]))
    typer.echo(str(folder))


def _show(invocation: Invocation) -> None:
    stores = [invocation.mlflow_uri, *(invocation.options["also"] or [])]
    typer.echo(f"trials and measures of {', '.join(stores)}, into {invocation.output}")


command = Command(
    name="predictors",
    help=HELP,
    work=_write,
    options=(
        Option("--also", "Another MLflow store to read; repeatable.", list[str], metavar="URI"),
        Option("--loose", "Let tau and beta differ between training and measuring.", bool),
        Option("--resamples", "Resamples of the bootstrap over settings.", int, default=2000),
        Option("--seed", "Seed of the halves and of the bootstrap.", int, default=0),
    ),
    output=Output(help="Folder for the files, made if it is not there; `predictors` in the default one."),
    store_folder=_store_folder,
    again="run the same command again",
    show=_show,
    dry_run="Say what would be read and where the tables would go, and stop.",
)
app = command.app()

if __name__ == "__main__":
    app()
