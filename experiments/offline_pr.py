"""Judge reward models on recorded, labelled trajectories: precision and recall by beta, before any agent is trained.

python -m experiments.collect --preset full --out data/playhouse-full
python -m experiments.offline_pr --preset playhouse --dataset data/playhouse-full --model A_FOLDER --model ANOTHER
python -m experiments.offline_pr --resume runs/playhouse-1
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Option
from experiments.shared.preset_files import preset_names
from experiments.shared.run_settings import run_settings

if TYPE_CHECKING:
    from experiments.offline.config import OfflinePRConfig

HELP = """Measure how well [bold]a frozen CLIP's reward[/bold] agrees with the truth on a fixed set of trajectories.

Every frame is embedded once per model, through the reward service; prompts, negatives and thresholds are compared from
the embeddings. A figure, a table, confusions and raw scores go to the run's folder and to MLflow.
"""


def _schema(values: Mapping[str, Any]) -> "type[OfflinePRConfig]":
    from experiments.offline.config import OfflinePRConfig

    return OfflinePRConfig


def _evaluate(invocation: Invocation) -> None:
    from experiments.offline.evaluation import OfflineEvaluation
    from experiments.shared.run_folder import RunFolder

    folder = RunFolder.existing(invocation.folder) if invocation.folder else None
    OfflineEvaluation(invocation.config, invocation.output, folder).execute()


command = Command(
    name="offline_pr",
    help=HELP,
    work=_evaluate,
    schema=_schema,
    preset="playhouse",
    example="reward.tau=0.02",
    options=(
        Option("--dataset", "Folder of the labelled dataset.", sets="data.dataset"),
        Option("--model", "Packaged name, folder or hub id; repeatable, one curve each.", list[str], sets="models"),
        Option(
            "--prompts",
            f"Prompt set to try ({', '.join(preset_names('prompts'))}) or a YAML file.",
            sets="prompts",
        ),
        Option("--family", "Use only this family of goals; repeatable.", list[str], sets="data.families"),
        Option("--limit", "Use this many trajectories, evenly spread.", int, sets="data.limit"),
        Option("--transport", "How the reward is served: in_process, deploy, attach or http.", sets="served_by.kind"),
    ),
    reopen=run_settings,
    again="continue with --resume RUN_FOLDER",
)
app = command.app()

if __name__ == "__main__":
    app()
