"""How many runners, replicas, learners and GPUs a training takes, what it costs, and what one more of each buys.

python -m experiments.capacity --preset paper
python -m experiments.capacity --preset find_small --set steps_per_day=2e7 --write find_small_fast.yaml
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Option

if TYPE_CHECKING:
    from experiments.capacity_planning.config import CapacityConfig
    from experiments.capacity_planning.plan import Plan

HELP = """How many env runners, reward replicas, learners and GPUs a training takes to be done in time, what it costs,
and what one more of each buys.

The numbers come from the preset, each with where it was measured, or said to be assumed; what has neither is asked for.
"""


def _schema(values: Mapping[str, Any]) -> "type[CapacityConfig]":
    from experiments.capacity_planning.config import CapacityConfig

    return CapacityConfig


def _work(invocation: Invocation) -> None:
    from experiments.capacity_planning.plan import plan
    from experiments.capacity_planning.report import show, training_preset
    from experiments.shared.atomic_files import write_atomically

    config: CapacityConfig = invocation.config
    result: Plan = plan(config)
    show(config, result)
    if invocation.options["write"]:
        path = Path(invocation.options["write"])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, training_preset(config, result))
        print(f"written: python -m experiments.train --preset {path}")


command = Command(
    name="capacity",
    help=HELP,
    work=_work,
    schema=_schema,
    preset="paper",
    example="hours=24",
    options=(Option("--write", "YAML file: a training preset of the planned size.", str, is_results_path=True),),
    output=None,
    tracks="never",
)
app = command.app()

if __name__ == "__main__":
    app()
