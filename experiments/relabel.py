"""Add the rewards of a vision-language model to a recorded dataset of trajectories.

python -m experiments.relabel --dataset data/playhouse-full --reward-file runs/playhouse-calibration-1/reward.yaml \
    --out data/playhouse-full-relabelled
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.shared.command import Command, Invocation, Option, Output
from experiments.shared.preset_files import load_preset
from vlm_rewards.errors import ConfigError

if TYPE_CHECKING:
    from experiments.offline.config import RelabelConfig

HELP = """Write a copy of a dataset with the columns [bold]vlm_score[/bold] and [bold]vlm_reward[/bold].

One of Minari or LeRobot is written in its own form, with the rewards of the states that its steps led to.

Frames are read and decoded while others are encoded. Files are complete or absent: a run that was killed continues with
those that are missing, and the manifest comes last.
"""


def _schema(values: Mapping[str, Any]) -> "type[RelabelConfig]":
    from experiments.offline.config import RelabelConfig

    return RelabelConfig


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    values = load_preset("relabel", given["preset"], given["overrides"] or [])
    path = given["reward_file"]
    if path is not None and Path(path).suffix not in (".yaml", ".yml"):
        values["reward"] = path  # a saved reward's folder, or its hub id
    elif path is not None:
        from vlm_rewards.strict_config import read_yaml

        reward = read_yaml(path).get("reward")
        if not isinstance(reward, dict):
            raise ConfigError(f"{path} has no mapping `reward`; write one with python -m experiments.calibrate")
        values["reward"] = reward
    return values


def _store_folder(output: Path, given: Mapping[str, Any]) -> Path:
    """Return the folder beside the new dataset: into its own goes nothing else."""
    return output.parent


def _relabel(invocation: Invocation) -> None:
    from experiments.datasets.foreign import open_recording
    from experiments.offline.foreign_relabelling import ForeignRelabelling
    from experiments.offline.relabelling import Relabelling
    from experiments.shared.command_line import ray_for
    from experiments.shared.progress import Bars
    from experiments.shared.provenance import provenance
    from vlm_rewards.tracking import MlflowRun

    config: RelabelConfig = invocation.config
    out = invocation.output
    recording = open_recording(config.data.dataset, config.data.frames)
    work = Relabelling(config, out) if recording is None else ForeignRelabelling(config, recording, out)
    run = MlflowRun.start(
        uri=invocation.mlflow_uri,
        experiment=config.tracking.experiment,
        name=out.name,
        params=work.params(),
        tags={**provenance(), "command": "relabel"},
        spill_folder=out.parent,
        resume_run_id=work.run_id,
        note=f"The dataset `{out}`: rewards of a model, added to recorded states.",
    )
    with Bars() as bars, run, ray_for(config.served_by):
        outcome = work.execute(lambda done, total: bars.show("relabelling", done, total), run.run_id)
        run.log_metrics(
            {
                "states": outcome.states,
                "rewarded": outcome.rewarded,
                "encoded": outcome.encoded,
                "seconds": outcome.seconds,
                "frames_per_second": outcome.frames_per_second,
            },
            outcome.states,
        )
        run.log_artifact(work.record)
        bars.tell(
            f"{outcome.states:,} states, {outcome.rewarded:,} rewarded; {outcome.encoded:,} encoded now at "
            f"{outcome.frames_per_second:,.0f} frames/s; {out}"
        )


command = Command(
    name="relabel",
    help=HELP,
    work=_relabel,
    schema=_schema,
    preset="playhouse",
    read=_settings,
    example="part_states=512",
    options=(
        Option(
            "--dataset",
            "The dataset to relabel, which is not changed: a folder of experiments.collect, a Minari dataset's id or "
            "folder, or a LeRobotDataset's folder.",
            sets="data.dataset",
        ),
        Option("--goal", "Of Minari and LeRobot: the goal of every episode, whatever is recorded.", sets="data.goal"),
        Option("--frames", "Of Minari and LeRobot: which of several pictures the reward sees.", sets="data.frames"),
        Option(
            "--reward-file",
            "Reward preset, such as experiments.calibrate writes, or a saved reward, its folder or hub id; replaces "
            "the reward.",
        ),
        Option("--model", "Packaged name, folder or hub id.", sets="reward.model"),
        Option("--transport", "How the reward is served: in_process, deploy, attach or http.", sets="served_by.kind"),
    ),
    output=Output(
        help="Folder of the new dataset; one that was cut off is continued.",
        below_root=None,
        flags=("--output", "--out"),
        store="beside the new dataset",
    ),
    store_folder=_store_folder,
    again="run the same command again to continue",
)
app = command.app()

if __name__ == "__main__":
    app()
