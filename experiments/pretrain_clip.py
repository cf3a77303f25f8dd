"""Train a pocket CLIP on captioned renderings, and save it as a Hugging Face folder.

python -m experiments.pretrain_clip --preset pocket-android
python -m experiments.pretrain_clip --preset pocket-android --set training.steps=500 --output /tmp/my-clip
"""

from pathlib import Path
from typing import Annotated, Any

import rich.console
import rich.table
import typer
import yaml

from experiments.shared.command_line import clear_errors
from experiments.shared.preset_files import load_preset, preset_names
from experiments.shared.progress import Bars
from vlm_rewards.errors import ConfigError

# With more labels than these the worst are shown, and all are in the run folder.
LABELS_SHOWN = 30
# In the run folder: a run that continues goes on in its own MLflow run.
RUN_ID_FILE = "mlflow-run-id.txt"
REPOSITORY = Path(__file__).resolve().parent.parent

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def pretrain_clip(
    preset: Annotated[
        str, typer.Option(help=f"Preset name ({', '.join(preset_names('pretrain_clip'))}) or the path of a YAML file.")
    ] = "pocket-android",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting: --set training.steps=500. Repeatable."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Model folder to write; RUN_FOLDER/model by default. Replaced when complete.")
    ] = None,
    run_folder: Annotated[
        Path | None,
        typer.Option(help="Renderings and checkpoint; runs/pretrain_clip/NAME by default. A killed run continues."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder for the renderings, shared by models that learn from the same ones; RUN_FOLDER."),
    ] = None,
    mlflow_uri: Annotated[
        str | None, typer.Option(help="MLflow server or store; a sqlite file beside the run folder by default.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget the run folder's checkpoint; keep renderings.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the settings as checked, and stop.")] = False,
) -> None:
    """Train a [bold]pocket CLIP[/bold], a small image-and-text model, on captioned renderings.

    Renders the images once, trains, writes a model folder (safetensors, tokenizer, preprocessing, model card,
    self-check record), and prints its zero-shot accuracy by label on held-out images. Run it again to continue a run
    that was cut off. Use the folder as `reward.model`, or anywhere a CLIP folder is read.
    """
    with clear_errors("run the same command again to continue"):
        _pretrain(preset, overrides or [], output, run_folder, images, mlflow_uri, fresh, dry_run)


def _pretrain(
    preset: str,
    overrides: list[str],
    output: Path | None,
    run_folder: Path | None,
    images: Path | None,
    mlflow_uri: str | None,
    fresh: bool,
    dry_run: bool,
) -> None:
    # Imported here: `--help` and a misspelt preset should not wait for torch.
    from vlm_rewards.pretraining.caption_source import import_source
    from vlm_rewards.pretraining.pretrain import pretrain
    from vlm_rewards.pretraining.pretrain_config import PretrainConfig
    from vlm_rewards.tracking import MlflowRun, flatten, provenance_tags
    from vlm_rewards.tracking.store import default_uri

    config = PretrainConfig(**load_preset("pretrain_clip", preset, overrides))
    if dry_run:
        typer.echo(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), nl=False)
        return
    run_folder = run_folder or Path("runs") / "pretrain_clip" / config.name
    output = output or run_folder / "model"
    if fresh:
        for name in ("state.pt", "training-seconds.json", RUN_ID_FILE):
            (run_folder / name).unlink(missing_ok=True)
    if output.exists() and any(output.iterdir()) and not (output / "config.json").is_file():
        raise ConfigError(f"{output} exists and is no model folder; choose another --output")
    import_source(config.data.source, config.data.options)  # a misspelt source leaves no run behind
    run_folder.mkdir(parents=True, exist_ok=True)
    run_id_file = run_folder / RUN_ID_FILE
    uri = mlflow_uri or default_uri(run_folder.parent)
    run = MlflowRun.start(
        uri=uri,
        experiment="pretrain_clip",
        name=config.name,
        params=flatten(config.model_dump(mode="json")),
        tags=provenance_tags(REPOSITORY),
        spill_folder=run_folder,
        resume_run_id=run_id_file.read_text().strip() if run_id_file.is_file() else None,
    )
    with run, Bars(stage_width=26) as bars:
        run_id_file.write_text(run.run_id)
        outcome = pretrain(
            config,
            run_folder,
            output,
            on_progress=lambda stage, done, total, metrics: bars.show(stage, done, total, _note(metrics)),
            on_log=lambda step, metrics: run.log_metrics({f"train/{k}": v for k, v in metrics.items()}, step),
            images=images,
        )
        run.log_metrics({"zero_shot/accuracy": outcome.report.accuracy}, config.training.steps + 1)
        for path in (outcome.folder / "README.md", run_folder / "zero-shot.json"):
            run.log_artifact(path)
    _report(bars.console, outcome)
    bars.console.print(f"MLflow: run {run.run_id}; mlflow ui --backend-store-uri {uri}", soft_wrap=True)


def _note(metrics: dict[str, float]) -> str:
    """Returns what stands beside the bar of a stage that has metrics."""
    return f"loss {metrics['loss']:.3f}  batch accuracy {metrics['batch_accuracy']:.3f}" if metrics else ""


def _report(console: rich.console.Console, outcome: Any) -> None:
    table = rich.table.Table(title=f"Zero-shot accuracy on {outcome.report.images:,} held-out images", min_width=60)
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


if __name__ == "__main__":
    app()
