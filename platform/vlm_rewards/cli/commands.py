"""The subcommands, their options, and how each ends. What they need is imported when one is called."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import vlm_rewards
from vlm_rewards.errors import VLMRewardsError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False) -> None:
    """Rewards of frozen vision-language models, for pictures, words and environments of your own."""
    if version:
        typer.echo(f"vlm-rewards {vlm_rewards.__version__}")
        raise typer.Exit


@app.command()
def playground(
    model: Annotated[
        list[str] | None, typer.Option(help="Packaged reward to serve; may be given again. Default: all of them.")
    ] = None,
    preset: Annotated[
        list[Path] | None, typer.Option(help="YAML with `reward:` and `task_set:` to serve; may be given again.")
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            help="Gymnasium id of an environment to step, such as `package.module:Name-v0`; may be given again."
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 8765,
) -> None:
    """Serve the playground on this machine until Ctrl-C: your words, your pictures, and what a model pays for them."""
    from vlm_rewards.playground.models import sources
    from vlm_rewards.playground.server import Playground, serve_until_stopped

    def ready(url: str) -> None:
        typer.echo(f"The playground is at {url} (Ctrl-C ends it)")

    models = sources(model or [], preset or [])
    typer.echo(f"loading {', '.join(models)} ...", err=True)
    serve_until_stopped(Playground(models, env or [], port), ready)


def main() -> None:
    """Run the command line: an error of the library is one line on stderr, and exit status 1."""
    try:
        app()
    except VLMRewardsError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
