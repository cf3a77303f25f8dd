"""Zero-shot accuracy: what a model says that pictures show, among one caption for each thing or app there is.

python -m experiments.zero_shot --model runs/pretrain_clip/pocket-xs/model --model runs/pretrain_clip/pocket-l/model
python -m experiments.zero_shot --preset playhouse --model openai/clip-vit-base-patch32 --set pictures.count=500
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Option
from experiments.shared.job_storage import results_folder
from experiments.shared.preset_files import preset_names

if TYPE_CHECKING:
    from experiments.zero_shot_accuracy.config import ZeroShotConfig

HELP = """Let [bold]models name pictures[/bold] that no training drew, among one caption for everything there is.

Prints accuracy with its 95 % interval; a table by category, colour and app, the most frequent confusions and a figure
of them go to the run's folder and to MLflow.
"""


def _schema(values: Mapping[str, Any]) -> "type[ZeroShotConfig]":
    from experiments.zero_shot_accuracy.config import ZeroShotConfig

    return ZeroShotConfig


def _name_pictures(invocation: Invocation) -> None:
    from experiments.zero_shot_accuracy.evaluation import ZeroShotEvaluation

    options = invocation.options
    if options["images"] is not None:
        results_folder(options["images"])
    models = options["model"] or ["pocket-android"]
    ZeroShotEvaluation(
        invocation.configs, models, invocation.output, options["images"], options["update_card"]
    ).execute()


command = Command(
    name="zero_shot",
    help=HELP,
    work=_name_pictures,
    schema=_schema,
    preset=tuple(preset_names("zero_shot")),
    example="pictures.count=500",
    options=(
        Option("--model", "Packaged name, folder or hub id; repeatable. [default: pocket-android]", list[str]),
        Option(
            "--images",
            "Folder for the renderings, made once; OUTPUT/zero-shot-images by default.",
            is_results_path=True,
        ),
        Option("--update-card", "Write what was found into each model folder's README.md.", bool),
    ),
)
app = command.app()

if __name__ == "__main__":
    app()
