"""The subcommands, their options, and how each ends. What they need is imported when one is called."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import vlm_rewards
from vlm_rewards.cli.error_line import say_error
from vlm_rewards.errors import VLMRewardsError

if TYPE_CHECKING:
    from vlm_rewards.checks import Finding
    from vlm_rewards.reward_preset import RewardPreset

_WHAT_PRESET = (
    "YAML file with `reward:` and `task_set:`; a packaged reward: reward-pocket, reward-pocket-l; or a saved reward: "
    "its folder, or its id on the Hugging Face Hub."
)
Preset = Annotated[str, typer.Option(help=_WHAT_PRESET)]
PresetArgument = Annotated[str, typer.Argument(help=_WHAT_PRESET, metavar="PRESET")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say nothing but results, warnings and errors.")]
TaskSetName = Annotated[
    str | None, typer.Option(help="Packaged task set, or path of a YAML file, instead of the preset's.")
]

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False) -> None:
    """Rewards of frozen vision-language models, for pictures, words and environments of your own."""
    if version:
        typer.echo(f"vlm-rewards {vlm_rewards.__version__}")
        raise typer.Exit


@app.command()
def score(
    folder: Annotated[Path, typer.Argument(help="Folder of PNG and JPEG files, or one file.")],
    preset: Preset = "reward-pocket",
    task_set: TaskSetName = None,
    goal: Annotated[
        list[str] | None,
        typer.Option(help="A goal's id; may be given again. Default: all. With --negative: a goal in your own words."),
    ] = None,
    negative: Annotated[
        list[str] | None, typer.Option(help="A caption that your goals compete with; may be given again.")
    ] = None,
    template: Annotated[
        str | None, typer.Option(help="The words around a goal, such as 'a photo of [TASK]', instead of the preset's.")
    ] = None,
    table: Annotated[Path | None, typer.Option("--csv", help="File for all scores, a column a goal.")] = None,
    quiet: Quiet = False,
) -> None:
    """Score each picture in FOLDER: its likeliest goal, the score, and what reward that is."""
    from vlm_rewards.cli.score import score_folder

    whole = score_folder(folder, _preset(preset, task_set), goal or [], negative or [], template, table, quiet)
    raise typer.Exit(0 if whole else 1)


@app.command()
def check_env(
    env_id: Annotated[str, typer.Argument(help="Gymnasium id, such as `package.module:Name-v0`.", metavar="ID")],
    options: Annotated[
        str, typer.Option(help="Settings of its constructor as YAML, such as '{goal_id: gmail}'.")
    ] = "{}",
    quiet: Quiet = False,
) -> None:
    """Check that an environment can be paid from pictures: Gymnasium's checks, frames, goals, seeds, truth, speed."""
    from vlm_rewards.checks import check_environment
    from vlm_rewards.cli.environments import maker_of

    _report(check_environment(maker_of(env_id, options)), quiet)


@app.command()
def check_reward(preset: PresetArgument, task_set: TaskSetName = None, quiet: Quiet = False) -> None:
    """Check that a reward can pay for its goals and for nothing else: weights, words, empty views, speed, memory."""
    from vlm_rewards.checks import check_reward

    chosen = _preset(preset, task_set)
    _report(check_reward(chosen.reward, chosen.tasks), quiet)


@app.command()
def serve(
    file: Annotated[Path, typer.Argument(help="Serve YAML.")] = Path("serve_deployments/gateway.yaml"),
    quiet: Quiet = False,
) -> None:
    """Serve rewards by Ray Serve on this machine until Ctrl-C; in a checkout of the repository."""
    from vlm_rewards.cli.serving import serve_locally

    serve_locally(file, quiet)


@app.command()
def playground(
    model: Annotated[
        list[str] | None, typer.Option(help="Packaged reward to serve; may be given again. Default: all of them.")
    ] = None,
    preset: Annotated[
        list[Path] | None,
        typer.Option(
            help="YAML with `reward:` and `task_set:`, or folder or hub id of a saved reward; may be given again."
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            help="Gymnasium id of an environment to step, such as `package.module:Name-v0`; may be given again."
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 8765,
    quiet: Quiet = False,
) -> None:
    """Serve the playground on this machine until Ctrl-C: your words, your pictures, and what a model pays for them."""
    from vlm_rewards.playground.models import sources
    from vlm_rewards.playground.server import Playground, serve_until_stopped

    def ready(url: str) -> None:
        typer.echo(f"The playground is at {url} (Ctrl-C ends it)")

    models = sources(model or [], preset or [])
    if not quiet:
        typer.echo(f"loading {', '.join(models)} ...", err=True)
    serve_until_stopped(Playground(models, env or [], port), ready)


WithWeights = Annotated[bool, typer.Option(help="Send along the models that are folders of this machine.")]
Calibration = Annotated[
    Path | None, typer.Option(help="The calibration.json of a run of experiments.calibrate, for the card.")
]
License = Annotated[str | None, typer.Option(help="The card's license, such as apache-2.0.")]


@app.command()
def save(
    preset: PresetArgument,
    folder: Annotated[Path, typer.Argument(help="Folder to write.")],
    task_set: TaskSetName = None,
    with_weights: WithWeights = False,
    calibration: Calibration = None,
    license: License = None,
) -> None:
    """Save a reward into a folder, with the hashes of its weights and a card: to keep, send, or name in a preset."""
    from vlm_rewards.cli.saving import save_reward

    save_reward(_preset(preset, task_set), folder, with_weights, calibration, license)


@app.command()
def push(
    preset: PresetArgument,
    repo_id: Annotated[str, typer.Argument(help="Id on the Hugging Face Hub, owner/name.", metavar="ID")],
    task_set: TaskSetName = None,
    with_weights: WithWeights = False,
    calibration: Calibration = None,
    license: License = None,
    private: Annotated[bool, typer.Option(help="Make a new repository a private one.")] = False,
    branch: Annotated[str | None, typer.Option(help="Branch to commit to, instead of main.")] = None,
    create_pr: Annotated[bool, typer.Option(help="Open a pull request instead of committing.")] = False,
    message: Annotated[str, typer.Option(help="The commit's message.")] = "A reward of vlm_rewards",
) -> None:
    """Save a reward and upload it to the Hugging Face Hub, where presets and commands find it by its id."""
    from vlm_rewards.cli.saving import push_reward

    options = {"private": private or None, "branch": branch, "create_pr": create_pr, "commit_message": message}
    push_reward(_preset(preset, task_set), repo_id, with_weights, calibration, license, options)


@app.command()
def save_agent(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="Folder of a run of experiments.train, or of a checkpoint. Those are pickled: your own only."
        ),
    ],
    target: Annotated[str, typer.Argument(help="Folder to write; with --push an id on the Hugging Face Hub.")],
    push: Annotated[bool, typer.Option(help="Upload it instead of writing a folder.")] = False,
    private: Annotated[bool, typer.Option(help="Make a new repository a private one.")] = False,
    environment: Annotated[str, typer.Option(help="Gymnasium id that it was trained in, for the card.")] = "",
    trained_on: Annotated[str, typer.Option(help="The reward's fingerprint or hub id, for the card.")] = "",
    license: License = None,
) -> None:
    """Save a trained agent's networks without a pickle: in a folder, or on the Hugging Face Hub."""
    from vlm_rewards.cli import saving

    saving.save_agent(checkpoint, target, push, private, environment, trained_on, license)


def _preset(name: str, task_set: str | None) -> "RewardPreset":
    from vlm_rewards.reward_preset import RewardPreset

    return RewardPreset.named_or_from_file(name, task_set)


def _report(findings: "Iterator[Finding]", quiet: bool) -> None:
    """Print findings as they come, and end with status 1 where one of them is a failure."""
    levels = []
    for finding in findings:
        levels.append(finding.level)
        if not quiet or finding.level in ("warn", "fail"):
            typer.echo(str(finding))
    failed, warned = levels.count("fail"), levels.count("warn")
    typer.echo(f"{failed} to correct, {warned} to look at" if failed or warned else "nothing to correct")
    raise typer.Exit(1 if failed else 0)


def main() -> None:
    """Run the command line: an error of the library is one line on stderr, and exit status 1."""
    # Environments of one's own, and the folders of a checkout, are found from where one is, as with `python -m`; last,
    # so that nothing there takes the place of what is installed.
    sys.path.append(os.getcwd())
    try:
        app()
    except VLMRewardsError as error:
        say_error(str(error))
        sys.exit(1)
