"""Let a small model refuse for the large one what is plainly not the goal, and prove that hardly a reward is lost.

python -m experiments.cascade --preset find_small --reward-file find_fast.yaml
python -m experiments.train --preset find_fast.yaml
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Option
from experiments.shared.job_storage import results_folder

if TYPE_CHECKING:
    from experiments.cascading.calibration import CascadeConfig

HELP = """Find the [bold]threshold of a cascade[/bold]: the small model's score up to which a frame is refused.

The environment of a training preset is played, by turns at random and by the domain's script, and both models score
every frame. On half of the episodes the highest threshold is taken at which at most 0.1 % of the large model's rewards
are lost; the other half says how many are, how many frames the large model is asked about, and what a frame costs.
"""


def _schema(values: Mapping[str, Any]) -> "type[CascadeConfig]":
    from experiments.cascading.calibration import CascadeConfig

    return CascadeConfig


def _calibrate(invocation: Invocation) -> None:
    from experiments.cascading.calibration import CascadeCalibration

    reward_file = invocation.options["reward_file"]
    if reward_file is not None:
        results_folder(reward_file.parent)
    CascadeCalibration(invocation.config, reward_file).execute()


command = Command(
    name="cascade",
    help=HELP,
    work=_calibrate,
    schema=_schema,
    preset="find_small",
    example="rewards=1000",
    options=(
        Option("--small", "Small model to try: packaged name, folder or hub id; repeatable.", list[str], sets="small"),
        Option("--agent", "Run folder of an agent whose frames are tested on, too.", sets="agent"),
        Option("--reward-file", "Training preset to write, with the cascade that costs least.", is_results_path=True),
    ),
    output=None,
    tracks="never",
)
app = command.app()

if __name__ == "__main__":
    app()
