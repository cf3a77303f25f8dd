"""Which offline measure of a reward predicts the agent that it trains: over all trials of MLflow stores.

python -m experiments.predictors
python -m experiments.predictors --mlflow-uri http://127.0.0.1:5000 --also sqlite:////shared/runs/mlflow.db
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.shared.options import Option
from experiments.shared.store_reader import store_reader

HELP = """Correlate every [bold]offline measure[/bold] of a reward with the success of the agents that it trained.

Trainings and what offline_pr and pressure measured are put together by family of goals, model, template, negatives,
head, tau and beta. A measure is chosen on half of the settings and reported on the others; where one misled is said.
"""


def _write(stores: list[str], folder: Path, options: Mapping[str, Any]) -> str:
    # Imported here: `--help` should not wait for MLflow.
    from experiments.predicting.report import write

    return write(stores, folder, options["loose"], options["resamples"], options["seed"])


command = store_reader(
    "predictors",
    HELP,
    _write,
    reads="trials and measures",
    options=(
        Option("--loose", "Let tau and beta differ between training and measuring.", bool),
        Option("--resamples", "Resamples of the bootstrap over settings.", int, default=2000),
        Option("--seed", "Seed of the halves and of the bootstrap.", int, default=0),
    ),
)
app = command.app()

if __name__ == "__main__":
    app()
