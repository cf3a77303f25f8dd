"""Is the reward-hacking alarm right? Judged on every training that MLflow stores hold.

python -m experiments.hacking_alarm
python -m experiments.hacking_alarm --mlflow-uri http://127.0.0.1:5000 --also sqlite:////shared/runs/mlflow.db
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.shared.options import Option
from experiments.shared.store_reader import store_reader
from vlm_rewards.errors import ConfigError

HELP = """Judge the [bold]reward-hacking alarm[/bold] on trainings that are over.

Of every finished training on a reward model: did the true success fall by half, did the alarm fire, how early? The
alarm is replayed over the recorded iterations, so one that was changed is judged on old trainings too.
"""


def _write(stores: list[str], folder: Path, options: Mapping[str, Any]) -> str:
    # Imported here: `--help` should not wait for MLflow.
    from experiments.hacking.report import write

    told = {name: options[name] for name in ("minimum_window", "significance") if options[name] is not None}
    for name, least in (("minimum_window", 2), ("significance", 0)):
        if told.get(name, least) < least:
            raise ConfigError(f"--{name.replace('_', '-')} must be at least {least}, not {told[name]}")
    return write(stores, folder, **told)


command = store_reader(
    "hacking_alarm",
    HELP,
    _write,
    reads="trainings",
    options=(
        Option("--minimum-window", "Fewest iterations that the alarm compares; its own by default.", int),
        Option("--significance", "Standard errors that it asks for; its own by default.", float),
    ),
)
app = command.app()

if __name__ == "__main__":
    app()
