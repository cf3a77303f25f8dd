"""Judge a trained agent once more, by ground truth alone: more episodes, or elsewhere than its own evaluation was.

python -m experiments.evaluate runs/demo-1 --episodes 1000
python -m experiments.evaluate runs/open_diverse-1 --set environment.evaluation_options.layout=shuffled
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Option, Output
from experiments.shared.job_storage import lasting_folder, results_path
from experiments.shared.preset_files import apply_override
from experiments.shared.run_settings import run_settings

if TYPE_CHECKING:
    from experiments.training.config import TrainConfig

HELP = """Evaluate a [bold]trained agent[/bold] from its newest checkpoint, beside the random policy.

The table, films and the episodes frame by frame go to a folder EVALUATION-N in the run's own, and to MLflow, as a child
of the training's run. The checkpoint is Ray's and pickled: only folders of your own.
"""


def _schema(values: Mapping[str, Any]) -> "type[TrainConfig]":
    from experiments.training.config import TrainConfig

    return TrainConfig


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    values = run_settings(_run(given), elsewhere=bool(given["mlflow_uri"]))
    for override in given["overrides"] or []:
        apply_override(values, override)
    return values


def _run(given: Mapping[str, Any]) -> Path:
    return results_path(given["run"])


def _store_folder(output: Path, given: Mapping[str, Any]) -> Path:
    """Return the folder that the training's own store lies in: the run's is one of several below it."""
    return _run(given).parent


def _evaluate(invocation: Invocation) -> None:
    from experiments.shared.run_folder import RunFolder
    from experiments.training.evaluation import Evaluation

    folder = RunFolder.existing(lasting_folder(_run(invocation.options)))
    Evaluation(invocation.config, folder, invocation.output).execute()


command = Command(
    name="evaluate",
    help=HELP,
    work=_evaluate,
    schema=_schema,
    read=_settings,
    example="evaluation.deterministic=false",
    options=(
        Option("run", "Folder of a run of experiments.train, or of a study's trial."),
        Option("--episodes", "Episodes, shared equally among the goals.", int, sets="evaluation.episodes"),
    ),
    output=Output(
        help="Folder that EVALUATION-N goes into; the run's own by default.",
        below_root=None,
        chosen=_run,
        store="beside the run's folder",
    ),
    store_folder=_store_folder,
)
app = command.app()

if __name__ == "__main__":
    app()
