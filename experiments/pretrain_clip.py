"""Train a pocket CLIP on captioned renderings, and save it as a Hugging Face folder.

python -m experiments.pretrain_clip --preset pocket-android
python -m experiments.pretrain_clip --preset pocket-android --set training.steps=500 --output /tmp/my-clip
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Option, Output
from experiments.shared.job_storage import output_root, results_folder, results_path
from experiments.shared.run_settings import run_settings
from vlm_rewards.errors import ConfigError

if TYPE_CHECKING:
    import rich.console

    from vlm_rewards.pretraining.pretrain import PretrainOutcome
    from vlm_rewards.pretraining.pretrain_config import PretrainConfig

HELP = """Train a [bold]pocket CLIP[/bold], a small image-and-text model, on captioned renderings.

Renders the images once, trains, writes a model folder (safetensors, tokenizer, preprocessing, model card, self-check
record), and prints its zero-shot accuracy by label on held-out images. Run it again to continue a run that was cut off.
Use the folder as `reward.model`, or anywhere a CLIP folder is read.
"""

# With more labels than these the worst are shown, and all are in the run folder.
LABELS_SHOWN = 30


def _schema(values: Mapping[str, Any]) -> "type[PretrainConfig]":
    from vlm_rewards.pretraining.pretrain_config import PretrainConfig

    return PretrainConfig


def _store_folder(output: Path, given: Mapping[str, Any]) -> Path:
    """Return the folder beside the run folder."""
    folder = given["run_folder"]
    return folder.parent if folder else results_path(output_root() / "pretrain_clip")


def _pretrain(invocation: Invocation) -> None:
    from experiments.pretraining.runs import RUN_ID_FILE, progress_note, start_run
    from experiments.shared.progress import Bars
    from experiments.shared.run_folder import RunFolder
    from vlm_rewards.pretraining.caption_source import import_source
    from vlm_rewards.pretraining.pretrain import pretrain

    config: PretrainConfig = invocation.config
    options = invocation.options
    run_folder = (
        invocation.folder or options["run_folder"] or results_path(output_root()) / "pretrain_clip" / config.name
    )
    output = invocation.output if invocation.output_given else run_folder / "model"
    for folder in filter(None, (run_folder, output, options["images"])):
        results_folder(folder)
    if output.exists() and any(output.iterdir()) and not (output / "config.json").is_file():
        raise ConfigError(f"{output} exists and is no model folder; choose another --output")
    import_source(config.data.source, config.data.options)  # a misspelt source leaves no run behind
    invocation.folder = run_folder
    if options["fresh"]:
        for name in ("state.pt", "training-seconds.json", RUN_ID_FILE):
            (run_folder / name).unlink(missing_ok=True)
    with start_run(config, run_folder, invocation.mlflow_uri) as run, Bars(stage_width=26) as bars:
        RunFolder.at(run_folder, config.model_dump(mode="json"))
        outcome = pretrain(
            config,
            run_folder,
            output,
            on_progress=lambda stage, done, total, metrics: bars.show(stage, done, total, progress_note(metrics)),
            on_log=lambda step, metrics: run.log_metrics({f"train/{k}": v for k, v in metrics.items()}, step),
            images=options["images"],
        )
        run.log_metrics({"zero_shot/accuracy": outcome.report.accuracy}, config.training.steps + 1)
        for path in (outcome.folder / "README.md", run_folder / "zero-shot.json"):
            run.log_artifact(path)
    _report(bars.console, outcome)


def _report(console: "rich.console.Console", outcome: "PretrainOutcome") -> None:
    from rich.table import Table

    table = Table(title=f"Zero-shot accuracy on {outcome.report.images:,} held-out images", min_width=60)
    table.add_column("label")
    table.add_column("accuracy", justify="right")
    table.add_column("most often taken for")
    by_label = sorted(outcome.report.by_label.items(), key=lambda item: item[1])
    hidden = max(0, len(by_label) - LABELS_SHOWN)
    for label, accuracy in by_label[:LABELS_SHOWN] if hidden else outcome.report.by_label.items():
        wrong = outcome.report.confused_with[label]
        table.add_row(label, f"{accuracy:.3f}", f"{wrong[0]} ({wrong[1]:.3f})" if wrong else "")
    if hidden:
        table.add_row(f"[dim]and {hidden} better ones, in zero-shot.json[/]")
    table.add_section()
    table.add_row("[bold]all[/]", f"[bold]{outcome.report.accuracy:.4f}[/]", "")
    console.print(table)
    facts = outcome.facts
    console.print(
        f"{facts.image_parameters:,} parameters in the image tower, {facts.text_parameters:,} in the text tower; "
        f"{facts.training_seconds:.0f} s of training"
    )
    console.print(f"model folder: {outcome.folder}", soft_wrap=True)


command = Command(
    name="pretrain_clip",
    help=HELP,
    work=_pretrain,
    schema=_schema,
    preset="pocket-android",
    example="training.steps=500",
    options=(
        Option(
            "--run-folder",
            "Renderings and checkpoint; pretrain_clip/NAME in the default folder. A killed run continues.",
            is_results_path=True,
        ),
        Option(
            "--images",
            "Folder for the renderings, shared by models that learn from the same ones; RUN_FOLDER.",
            is_results_path=True,
        ),
        Option("--fresh", "Forget the run folder's checkpoint; keep renderings.", bool),
    ),
    output=Output(
        help="Model folder to write; RUN_FOLDER/model by default. Replaced when complete.",
        below_root="pretrain_clip",
        store="beside the run folder",
        says_default=False,
    ),
    store_folder=_store_folder,
    reopen=run_settings,
    again="run the same command again to continue, or --resume RUN_FOLDER",
)
app = command.app()

if __name__ == "__main__":
    app()
