"""Is the reward-hacking alarm right? Judged on every training that MLflow stores hold.

python -m experiments.hacking_alarm
python -m experiments.hacking_alarm --mlflow-uri http://127.0.0.1:5000 --also sqlite:////shared/runs/mlflow.db
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from experiments.shared.command import Command, Invocation, Option, Output
from experiments.shared.job_storage import output_root, results_path
from vlm_rewards.errors import ConfigError

HELP = """Judge the [bold]reward-hacking alarm[/bold] on trainings that are over.

Of every finished training on a reward model: did the true success fall by half, did the alarm fire, how early? The
alarm is replayed over the recorded iterations, so one that was changed is judged on old trainings too.
"""


def _store_folder(output: Path, given: Mapping[str, Any]) -> Path:
    """Return where trainings put theirs."""
    return results_path(output_root())


def _stores(invocation: Invocation) -> list[str]:
    return [invocation.mlflow_uri, *(invocation.options["also"] or [])]


def _write(invocation: Invocation) -> None:
    # Imported here: `--help` should not wait for MLflow.
    from experiments.hacking.report import write

    for name, least in (("minimum_window", 2), ("significance", 0)):
        if (value := invocation.options[name]) is not None and value < least:
            raise ConfigError(f"--{name.replace('_', '-')} must be at least {least}, not {value}")
    folder = invocation.output if invocation.output_given else invocation.output / "hacking_alarm"
    parameters = {
        name: value for name in ("minimum_window", "significance") if (value := invocation.options[name]) is not None
    }
    typer.echo(write(_stores(invocation), folder, **parameters))
    typer.echo(str(folder))


def _show(invocation: Invocation) -> None:
    typer.echo(f"trainings of {', '.join(_stores(invocation))}, into {invocation.output}")


command = Command(
    name="hacking_alarm",
    help=HELP,
    work=_write,
    options=(
        Option("--also", "Another MLflow store to read; repeatable.", list[str], metavar="URI"),
        Option("--minimum-window", "Fewest iterations that the alarm compares; its own by default.", int),
        Option("--significance", "Standard errors that it asks for; its own by default.", float),
    ),
    output=Output(help="Folder for the files, made if it is not there; `hacking_alarm` in the default one."),
    store_folder=_store_folder,
    again="run the same command again",
    show=_show,
    dry_run="Say what would be read and where the tables would go, and stop.",
)
app = command.app()

if __name__ == "__main__":
    app()
