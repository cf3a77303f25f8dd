"""Train an agent whose only reward is a frozen vision-language model, and show the proof.

python -m experiments.train --preset demo
python -m experiments.train --preset demo --set reward.beta=0.9 --set total_env_steps=20000
python -m experiments.train --resume runs/demo-1
"""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from experiments.shared.command_line import clear_errors, stop_on_sigterm
from experiments.shared.job_storage import OUTPUT_VARIABLE, lasting_folder
from experiments.shared.preset_files import load_preset, preset_names, with_shortcuts
from vlm_rewards.errors import ConfigError

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def train(
    preset: Annotated[
        str, typer.Option(help=f"Preset name ({', '.join(preset_names('train'))}) or the path of a YAML file.")
    ] = "demo",
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting: --set reward.beta=0.9. Repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything; same seed, same evaluation table.")] = None,
    steps: Annotated[int | None, typer.Option(help="Environment steps to train for.")] = None,
    output: Annotated[
        Path, typer.Option(envvar=OUTPUT_VARIABLE, help="Folder that run folders and the MLflow sqlite store go into.")
    ] = Path("runs"),
    mlflow_uri: Annotated[
        str | None, typer.Option(help="MLflow server or store; a sqlite file in the output folder by default.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Continue the run in this folder from its last checkpoint; takes no other option."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the settings as checked, and stop.")] = False,
) -> None:
    """Train an agent whose [bold]only reward is a frozen CLIP model[/bold] behind Ray Serve.

    The agent never sees the environment's own reward: that is logged beside the CLIP reward, and judges the trained
    agent on unseen screen content at the end. Results (a table against the random policy, the learning curve, a GIF
    with p(goal) over time) go to the run's folder and to MLflow.
    """
    with clear_errors("continue with --resume"):
        _train(preset, overrides or [], seed, steps, output, mlflow_uri, resume, dry_run)


def _train(
    preset: str,
    overrides: list[str],
    seed: int | None,
    steps: int | None,
    output: Path,
    mlflow_uri: str | None,
    resume: Path | None,
    dry_run: bool,
) -> None:
    # Imported here: `--help` and a misspelt preset should not wait for ray and torch.
    from experiments.shared.ray_session import ray_session
    from experiments.shared.run_folder import RunFolder
    from experiments.training.config import TrainConfig
    from experiments.training.console import Console
    from experiments.training.run import Training

    if resume is not None:
        if overrides or seed is not None or steps is not None or mlflow_uri is not None:
            raise ConfigError("--resume continues a run with its own settings; leave the other options out")
        folder = RunFolder.existing(lasting_folder(resume))
        config = TrainConfig(**folder.config())
    else:
        shortcuts = {"seed": seed, "total_env_steps": steps, "tracking.uri": mlflow_uri}
        config = TrainConfig(**with_shortcuts(load_preset("train", preset, overrides), shortcuts))
        if dry_run:
            typer.echo(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False), nl=False)
            return
        folder = RunFolder.create(lasting_folder(output), config.name, config.model_dump(mode="json"))

    stop_on_sigterm()
    try:
        with Console(config) as console:
            training = Training(config, folder, console)
            console.stage("starting Ray")
            with ray_session(training.cpus_needed(), training.cpus_wanted()):
                outcome = training.execute()
    finally:
        folder.remove_if_never_started()
    console.report(outcome)


if __name__ == "__main__":
    app()
