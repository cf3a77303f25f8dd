"""The command that the studies share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.shared.command import Command, Invocation, Option
from experiments.shared.job_storage import results_folder
from experiments.shared.options import PREFLIGHT_ONLY
from experiments.study.study_config import StudyConfig
from experiments.study_report.kinds import STUDY_KINDS
from vlm_rewards.credentials import without_password
from vlm_rewards.errors import ConfigError

# What Tune writes to through pyarrow.
_STORAGES = ("s3", "gs", "hdfs", "abfs", "abfss")


def study_command(kind: str) -> Command:
    """Return the command of one kind of study; its presets lie in `experiments/presets/studies/KIND`.

    Args:
        kind: Name of an entry of `experiments.study_report.kinds`, which says what the command is for.
    """
    return Command(
        name=kind,
        help=STUDY_KINDS[kind].summary,
        work=lambda invocation: _run(kind, invocation),
        schema=lambda values: StudyConfig,
        preset="smoke",
        presets=f"studies/{kind}",
        example="seeds=[0,1,2]",
        options=(
            Option("--smoke", "Short for --preset smoke: minutes, learns nothing.", bool, chooses="smoke"),
            Option(
                "--negatives",
                "Negative set of all reward models: goals (the paper's) or goals_and_states.",
                sets="settings.reward.negatives.kind",
            ),
            Option("--steps", "Environment steps of each trial.", int, sets="settings.total_env_steps"),
            PREFLIGHT_ONLY,
        ),
        reopen=_reopened(kind),
        again="continue with --resume RUN_FOLDER",
        runs_pickles=True,
        show=_show,
        dry_run="Print the trials with an estimate of time and cost, and stop.",
    )


def _reopened(kind: str) -> Callable[[Path], dict[str, Any]]:
    def reopen(path: Path) -> dict[str, Any]:
        from experiments.shared.tracking_store import check_still_there
        from experiments.study.study_folder import StudyFolder

        config = StudyFolder.existing(path, kind).config()
        check_still_there(config.tracking.uri, path)
        return dict(config.model_dump(mode="json", exclude_unset=True))

    return reopen


def _show(invocation: Invocation) -> None:
    # Imported here: `--help` and a misspelt preset should not wait for ray and torch.
    from experiments.study.progress import StudyConsole
    from experiments.study.trials import plan_trials

    config: StudyConfig = invocation.config
    StudyConsole().plan(plan_trials(config), config.estimate, config.max_concurrent_trials)


def _run(kind: str, invocation: Invocation) -> None:
    from experiments.shared.cluster_watch import ClusterWatch
    from experiments.shared.node_probe import Needs
    from experiments.shared.preflight import preflight, preflight_alone
    from experiments.shared.ray_session import ray_session
    from experiments.study.progress import StudyConsole
    from experiments.study.study import Study
    from experiments.study.study_folder import StudyFolder
    from experiments.study.trials import plan_trials
    from experiments.training.preflight import check_before_ray

    config = _with_storage(invocation.config)
    trials = plan_trials(config)
    draws = any(trial.train.environment.draws_with_mujoco for trial in trials)
    needs = Needs(invocation.output, config.storage, invocation.mlflow_uri, draws)
    if invocation.options[PREFLIGHT_ONLY.name]:
        preflight_alone(needs)
        return
    if invocation.folder is None:
        check_before_ray(trial.train for trial in trials)
        folder = StudyFolder.create(invocation.output, config)
        invocation.folder = folder.path
    else:
        folder = StudyFolder.existing(invocation.folder, kind)
    console = StudyConsole()
    study = Study(kind, config, folder, trials, console)
    try:
        console.stage(f"starting Ray for {config.name} in {folder.path}")
        with ray_session(study.cpus_needed(), study.cpus_wanted()):
            preflight(needs)
            with ClusterWatch(console.notice, log=study.log_cluster):
                outcome = study.execute()
    except (KeyboardInterrupt, SystemExit) as error:
        # Once more, now that no trial is left that could have written since.
        study.close_trials(str(error) or "the study was interrupted")
        raise
    finally:
        folder.remove_if_never_begun()
    console.report(config.name, outcome.tracking_uri)


def _with_storage(config: StudyConfig) -> StudyConfig:
    """Return the settings with a storage that every process finds, or refuse it by name."""
    storage = config.storage
    if storage is None:
        return config
    scheme, colon, _ = storage.partition("://")
    if not colon:
        return config.model_copy(update={"storage": str(results_folder(storage))})
    if scheme not in _STORAGES:
        raise ConfigError(f"storage: cannot write to {scheme}://; use a folder or one of {', '.join(_STORAGES)}")
    if without_password(storage) != storage:
        raise ConfigError(
            "storage: an address with a key in it would be written into records: name the key in the environment, "
            "such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return config
