"""Train an agent whose only reward is a frozen vision-language model, and show the proof.

python -m experiments.train --preset demo
python -m experiments.train --preset demo --set reward.beta=0.9 --set total_env_steps=20000
python -m experiments.train --resume runs/demo-1
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Option
from experiments.shared.options import PREFLIGHT_ONLY
from experiments.shared.run_settings import run_settings

if TYPE_CHECKING:
    from experiments.training.config import TrainConfig

HELP = """Train an agent whose [bold]only reward is a frozen CLIP model[/bold] behind Ray Serve.

The agent never sees the environment's own reward: that is logged beside the CLIP reward, and judges the trained agent
on unseen screen content at the end. Results (a table against the random policy, the learning curve, a GIF with p(goal)
over time, the episodes frame by frame) go to the run's folder and to MLflow.
"""


def _schema(values: Mapping[str, Any]) -> "type[TrainConfig]":
    from experiments.training.config import TrainConfig

    return TrainConfig


def _train(invocation: Invocation) -> None:
    from experiments.shared.cluster_watch import ClusterWatch
    from experiments.shared.node_probe import Needs
    from experiments.shared.preflight import preflight, preflight_alone
    from experiments.shared.ray_session import ray_session
    from experiments.shared.run_folder import RunFolder
    from experiments.training.attempts import execute_with_attempts
    from experiments.training.console import Console
    from experiments.training.preflight import check_before_ray
    from experiments.training.run import Training
    from experiments.viewing.sources import write_page_beside

    config: TrainConfig = invocation.config
    needs = Needs(invocation.output, mlflow_uri=invocation.mlflow_uri, draws=config.environment.draws_with_mujoco)
    if invocation.options[PREFLIGHT_ONLY.name]:
        preflight_alone(needs)
        return
    if invocation.folder is None:
        check_before_ray([config])
        folder = RunFolder.create(invocation.output, config.name, config.model_dump(mode="json"))
        invocation.folder = folder.path
    else:
        folder = RunFolder.existing(invocation.folder)
    try:
        with Console(config) as console:
            cluster = ClusterWatch(console.notice)

            def again() -> Training:
                return Training(config, folder, console, cluster=lambda: cluster.counts)

            training = again()
            console.stage("starting Ray")
            with ray_session(training.cpus_needed(), training.cpus_wanted(), num_gpus=config.least_gpus):
                preflight(needs)
                with cluster:
                    outcome = execute_with_attempts(training, again, console)
    finally:
        folder.remove_if_never_started()
    recording = outcome.results.recording
    console.report(outcome, None if recording is None else write_page_beside(recording))


command = Command(
    name="train",
    help=HELP,
    work=_train,
    schema=_schema,
    preset="demo",
    example="reward.beta=0.9",
    options=(
        Option("--seed", "Seed of everything; same seed, same evaluation table.", int, sets="seed"),
        Option("--steps", "Environment steps to train for.", int, sets="total_env_steps"),
        PREFLIGHT_ONLY,
    ),
    reopen=run_settings,
    again="continue with --resume RUN_FOLDER",
    runs_pickles=True,
)
app = command.app()

if __name__ == "__main__":
    app()
