"""How a frozen reward holds when somebody searches for its mistakes: precision and truth by the nats of selection.

python -m experiments.pressure --smoke
python -m experiments.pressure --preset laptop
python -m experiments.pressure --preset laptop --task find --agent find=runs/find_small-1
python -m experiments.pressure --resume runs/laptop-1
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Option
from experiments.shared.run_settings import run_settings

if TYPE_CHECKING:
    from experiments.under_pressure.config import PressureConfig

HELP = """Search [bold]against a frozen reward[/bold] by increasing means, and say what becomes of the truth.

Random episodes are recorded and embedded once for all rewards: the best of n of them is picked for n = 1, 4, 16 ... A
scripted searcher and trained agents go further. For each reward one curve, precision and truth by the nats of
selection, and one number, the truth kept at the highest level, go to the run's folder and to MLflow, with films.
"""


def _schema(values: Mapping[str, Any]) -> "type[PressureConfig]":
    from experiments.under_pressure.config import PressureConfig

    return PressureConfig


def _search(invocation: Invocation) -> None:
    from experiments.shared.run_folder import RunFolder
    from experiments.under_pressure.benchmark import Benchmark

    folder = RunFolder.existing(invocation.folder) if invocation.folder else None
    Benchmark(invocation.config, invocation.output, folder).execute()


command = Command(
    name="pressure",
    help=HELP,
    work=_search,
    schema=_schema,
    preset="laptop",
    example="starts=8",
    options=(
        Option("--smoke", "Short for --preset smoke: minutes, shows nothing.", bool, chooses="smoke"),
        Option("--task", "Search only this task of the preset; repeatable.", list[str], sets="only"),
        Option("--model", "Packaged name, folder or hub id; repeatable, one curve each.", list[str], sets="models"),
        Option("--agent", "Trained agent to judge, TASK=RUN_FOLDER; repeatable.", list[str], sets="agents"),
        Option("--seed", "Seed of the first start.", int, sets="seed"),
    ),
    reopen=run_settings,
    again="continue with --resume RUN_FOLDER",
)
app = command.app()

if __name__ == "__main__":
    app()
