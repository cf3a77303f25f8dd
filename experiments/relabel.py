"""Add the rewards of a vision-language model to a recorded dataset of trajectories.

python -m experiments.relabel --dataset data/playhouse-full --reward-file runs/playhouse-calibration-1/reward.yaml \
    --out data/playhouse-full-relabelled
"""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from experiments.shared.command_line import clear_errors, ray_for, stop_on_sigterm
from experiments.shared.preset_files import load_preset, preset_names, with_shortcuts
from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import read_yaml

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def relabel(
    out: Annotated[Path, typer.Option(help="Folder of the new dataset; one that was cut off is continued.")],
    preset: Annotated[
        str, typer.Option(help=f"Preset name ({', '.join(preset_names('relabel'))}) or the path of a YAML file.")
    ] = "playhouse",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting: --set part_states=512. Repeatable."),
    ] = None,
    dataset: Annotated[Path | None, typer.Option(help="Folder of the dataset to relabel; it is not changed.")] = None,
    reward_file: Annotated[
        Path | None, typer.Option(help="Reward preset, such as experiments.calibrate writes; replaces the reward.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Packaged name, folder or hub id.")] = None,
    transport: Annotated[str | None, typer.Option(help="serve (Ray Serve) or in_process.")] = None,
    mlflow_uri: Annotated[
        str | None, typer.Option(help="MLflow server or store; a sqlite file beside the new dataset by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the settings as checked, and stop.")] = False,
) -> None:
    """Write a copy of a dataset with the columns [bold]vlm_score[/bold] and [bold]vlm_reward[/bold].

    Frames are read and decoded while others are encoded. Files are complete or absent: a run that was killed continues
    with those that are missing, and the manifest comes last.
    """
    with clear_errors("run the same command again to continue"):
        # Imported here: `--help` and a misspelt preset should not wait for torch.
        from experiments.offline.config import RelabelConfig
        from experiments.offline.relabelling import Relabelling
        from experiments.shared.progress import Bars

        values = load_preset("relabel", preset, overrides or [])
        if reward_file is not None:
            reward = read_yaml(reward_file).get("reward")
            if not isinstance(reward, dict):
                raise ConfigError(
                    f"{reward_file} has no mapping `reward`; write one with python -m experiments.calibrate"
                )
            values["reward"] = reward
        shortcuts = {
            "data.dataset": dataset and str(dataset),
            "reward.model": model,
            "service.transport": transport,
            "tracking.uri": mlflow_uri,
        }
        config = RelabelConfig(**with_shortcuts(values, shortcuts))
        if dry_run:
            typer.echo(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True), sort_keys=False), nl=False)
            return
        from vlm_rewards.tracking import MlflowRun, provenance_tags
        from vlm_rewards.tracking.store import default_uri

        stop_on_sigterm()
        work = Relabelling(config, out)
        cpus = config.service.replicas * config.service.num_cpus
        run = MlflowRun.start(
            uri=config.tracking.uri or default_uri(out.parent),
            experiment=config.tracking.experiment,
            name=out.name,
            params=work.params(),
            tags={**provenance_tags(Path(__file__).parent), "command": "relabel"},
            spill_folder=out.parent,
            resume_run_id=work.run_id,
        )
        with Bars() as bars, run, ray_for(config.service.transport, cpus):
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
            run.log_artifact(out / "manifest.json")
            bars.say(
                f"{outcome.states:,} states, {outcome.rewarded:,} rewarded; {outcome.encoded:,} encoded now at "
                f"{outcome.frames_per_second:,.0f} frames/s; {out}; MLflow run {run.run_id} in {run.uri}"
            )


if __name__ == "__main__":
    app()
