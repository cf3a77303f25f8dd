"""The command line that the studies share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from experiments.shared.command_line import clear_errors, stop_on_sigterm
from experiments.shared.job_storage import OUTPUT_VARIABLE, lasting_folder
from experiments.shared.preset_files import load_preset, preset_names, with_shortcuts
from experiments.study.study_config import StudyConfig
from experiments.study_report.kinds import STUDY_KINDS
from vlm_rewards.errors import ConfigError


def study_app(kind: str) -> typer.Typer:
    """Return the command of one kind of study; its presets lie in `experiments/presets/studies/KIND`.

    Args:
        kind: Name of an entry of `experiments.study_report.kinds`, which says what the command is for.
    """
    summary = STUDY_KINDS[kind].summary
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
    app.command(help=summary)(_command(kind))
    return app


def _command(kind: str) -> Callable[..., None]:
    folder = f"studies/{kind}"
    names = preset_names(folder)

    def study(
        preset: Annotated[
            str, typer.Option(help=f"Preset name ({', '.join(names)}) or the path of a YAML file.")
        ] = "smoke",
        smoke: Annotated[
            bool, typer.Option("--smoke", help="Short for --preset smoke: minutes, learns nothing.")
        ] = False,
        overrides: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="KEY=VALUE", help="Change one setting: --set seeds=[0,1,2]. Repeatable."),
        ] = None,
        negatives: Annotated[
            str | None, typer.Option(help="Negative set of all reward models: goals (the paper's) or goals_and_states.")
        ] = None,
        steps: Annotated[int | None, typer.Option(help="Environment steps of each trial.")] = None,
        output: Annotated[
            Path,
            typer.Option(envvar=OUTPUT_VARIABLE, help="Folder that study folders and the MLflow sqlite store go into."),
        ] = Path("runs"),
        mlflow_uri: Annotated[
            str | None,
            typer.Option(
                help="MLflow server or store; else MLFLOW_TRACKING_URI, else a sqlite file in the output folder."
            ),
        ] = None,
        resume: Annotated[
            Path | None,
            typer.Option(help="Continue the study in this folder: what is unfinished goes on; takes no other option."),
        ] = None,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Print the trials with an estimate of time and cost, and stop.")
        ] = False,
    ) -> None:
        with clear_errors("continue with --resume"):
            if resume is not None:
                if overrides or smoke or negatives or steps or mlflow_uri:
                    raise ConfigError("--resume continues a study with its own settings; leave the other options out")
                _run(kind, None, output, resume, dry_run)
                return
            shortcuts = {
                "settings.reward.negatives.kind": negatives,
                "settings.total_env_steps": steps,
                "tracking.uri": mlflow_uri,
            }
            values = load_preset(folder, "smoke" if smoke else preset, overrides or [])
            _run(kind, StudyConfig(**with_shortcuts(values, shortcuts)), output, None, dry_run)

    return study


def _run(kind: str, config: StudyConfig | None, output: Path, resume: Path | None, dry_run: bool) -> None:
    # Imported here: `--help` and a misspelt preset should not wait for ray and torch.
    from experiments.study.progress import StudyConsole
    from experiments.study.study_folder import StudyFolder
    from experiments.study.trials import plan_trials

    console = StudyConsole()
    folder = StudyFolder.existing(lasting_folder(resume), kind) if resume else None
    if folder is not None:
        config = folder.config()
    assert config is not None
    trials = plan_trials(config)
    if dry_run:
        console.plan(trials, config.estimate, config.max_concurrent_trials)
        return

    from experiments.shared.ray_session import ray_session
    from experiments.study.study import Study

    if folder is None:
        config = _with_store(config, lasting_folder(output))
        folder = StudyFolder.create(output, config)
    stop_on_sigterm()
    try:
        study = Study(kind, config, folder, trials, console)
        console.stage(f"starting Ray for {config.name} in {folder.path}")
        with ray_session(study.cpus_needed(), study.cpus_wanted()):
            outcome = study.execute()
    finally:
        folder.remove_if_never_begun()
    console.report(config.name, outcome.mlflow_run_id, outcome.tracking_uri)


def _with_store(config: StudyConfig, output: Path) -> StudyConfig:
    """Return the settings with the MLflow store written down, so that a resumed study finds its runs again."""
    from vlm_rewards.tracking.store import chosen_uri

    uri = chosen_uri(config.tracking.uri, output)
    return config.model_copy(update={"tracking": config.tracking.model_copy(update={"uri": uri})})
