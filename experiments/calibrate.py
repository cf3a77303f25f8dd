"""Choose tau and beta of a reward on one half of a labelled dataset, and report how they do on the other.

python -m experiments.calibrate --preset playhouse --dataset data/playhouse-full --model A_FOLDER --family find
python -m experiments.train --preset runs/playhouse-calibration-1/reward.yaml    # after --extends A_TRAINING_PRESET
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Option
from experiments.shared.job_storage import results_folder
from experiments.shared.preset_files import preset_names

if TYPE_CHECKING:
    from experiments.offline.config import CalibrateConfig

HELP = """Pick [bold]tau and beta[/bold] by precision, since false positives hurt an agent most.

The trajectories are divided so that calibration and test share no home. On the calibration side the most recall is
taken among all temperatures and thresholds that are precise enough, or with --objective signal what ends the most
episodes rightly, which is what an agent learns from; the test side says what that is worth. The
embeddings are those of `experiments.offline_pr` with the same output folder; run the command again to continue.
"""


def _schema(values: Mapping[str, Any]) -> "type[CalibrateConfig]":
    from experiments.offline.config import CalibrateConfig

    return CalibrateConfig


def _calibrate(invocation: Invocation) -> None:
    from experiments.offline.calibration import Calibration

    reward_file = invocation.options["reward_file"]
    if reward_file is not None:
        results_folder(reward_file.parent)
    Calibration(invocation.config, invocation.output, reward_file, invocation.options["extends"]).execute()


command = Command(
    name="calibrate",
    help=HELP,
    work=_calibrate,
    schema=_schema,
    preset="playhouse",
    example="precision=0.95",
    options=(
        Option("--dataset", "Folder of the labelled dataset.", sets="data.dataset"),
        Option("--model", "Packaged name, folder or hub id.", sets="reward.model"),
        Option(
            "--search",
            f"Search the templates of this prompt set ({', '.join(preset_names('prompts'))}).",
            sets="search",
        ),
        Option("--family", "Use only this family of goals; repeatable.", list[str], sets="data.families"),
        Option("--limit", "Use this many trajectories, evenly spread.", int, sets="data.limit"),
        Option("--precision", "Precision to reach.", float, sets="precision"),
        Option("--objective", "`precision`, or `signal`: the most episodes that are ended rightly.", sets="objective"),
        Option("--transport", "How the reward is served: in_process, deploy, attach or http.", sets="served_by.kind"),
        Option(
            "--reward-file", "Where the reward preset goes; RUN_FOLDER/reward.yaml by default.", is_results_path=True
        ),
        Option("--extends", "Training preset that the reward preset extends, to be trained with as it is."),
    ),
    again="run the same command again to continue",
)
app = command.app()

if __name__ == "__main__":
    app()
