"""Is the reward-hacking alarm right? Judged on every training that MLflow stores hold.

python -m experiments.hacking_alarm
python -m experiments.hacking_alarm --mlflow-uri http://127.0.0.1:5000 --also sqlite:////shared/runs/mlflow.db
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.shared.options import Option
from experiments.shared.store_reader import store_reader

_SETTINGS = ("minimum_window", "significance", "minimum_relative_fall")

HELP = """Judge the [bold]reward-hacking alarm[/bold] on trainings that are over.

Of every finished training on a reward model: did the true success fall by half, did the alarm fire, how early? The
alarm is replayed over the recorded iterations, so one that was changed is judged on old trainings too.
"""


def _write(stores: list[str], folder: Path, options: Mapping[str, Any]) -> str:
    # Imported here: `--help` should not wait for MLflow and numpy.
    from experiments.hacking.report import write
    from vlm_rewards.evaluation.reward_hacking import RewardHackingAlarm

    told = {name: options[name] for name in _SETTINGS if options[name] is not None}
    RewardHackingAlarm(**told)  # refuses settings that cannot be, before anything is read
    return write(stores, folder, **told)


command = store_reader(
    "hacking_alarm",
    HELP,
    _write,
    reads="trainings",
    options=(
        Option("--minimum-window", "Fewest iterations that the alarm compares; its own by default.", int),
        Option("--significance", "How improbable a fall must be, in standard deviations; its own by default.", float),
        Option("--minimum-relative-fall", "Least fall, as a share of the best; its own by default.", float),
    ),
)
app = command.app()

if __name__ == "__main__":
    app()
