"""Submit a command as a job: the code, and the weights of the models that its settings name.

python -m experiments.submit --address http://HEAD:8265 -- python -m experiments.model_size --preset smoke
python -m experiments.submit --dry-run -- python -m experiments.train --preset find_small
python -m experiments.submit --model pocket-s -- python my_program.py

The settings are checked here first: a misspelt preset never leaves this machine.
"""

import os
import shlex
from typing import Annotated, NoReturn

import typer

from experiments.submit.named_models import named_models
from serve_deployments.jobs import (
    ADDRESS_VARIABLE,
    ROOT,
    follow,
    job_environment,
    packaged_weights,
    packed,
    submit,
)
from vlm_rewards.errors import ConfigError

HELP = """Submit a command as a Ray job: the code, and the weights of the models that its settings name.

What stands after -- is the job's command line. Its settings are checked here first: a misspelt preset never leaves this
machine. A program that is not one of ours, and --resume, whose settings lie on the cluster, get the weights of all
packaged models, unless --model names some.
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(help="\n\n".join(" ".join(part.split()) for part in HELP.split("\n\n")))
def main(
    entrypoint: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="The job's command line.")],
    address: Annotated[
        str | None, typer.Option(help=f"The cluster's job server, http://HEAD:8265; else {ADDRESS_VARIABLE}.")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Packaged model whose weights go along, not those found; repeatable."),
    ] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for its end.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be uploaded, and stop.")] = False,
) -> None:
    """Submit, and end with status 0 if the job has succeeded, 1 if it has not, 2 if it cannot be submitted."""
    weights = packaged_weights()
    if unknown := set(model or ()) - weights.keys():
        _fail(f"no packaged model {', '.join(sorted(unknown))}; there are {', '.join(weights)}", 2)
    found = named_models(entrypoint, weights.keys())
    models = sorted(model) if model else found
    environment = job_environment(models)
    going = list(weights) if models is None else models
    left = f"; left here: {', '.join(sorted(weights.keys() - set(going)))}" if weights.keys() - set(going) else ""
    what = f"the code and the weights of {', '.join(going)}{left}"
    if dry_run:
        with packed(environment) as (_, size):
            typer.echo(f"would upload {size / 1e6:.1f} MB: {what}")
        return
    typer.echo(f"uploads {what}")
    address = address or os.environ.get(ADDRESS_VARIABLE)
    if not address:
        _fail(f"which cluster? Name its job server with --address http://HEAD:8265, or in {ADDRESS_VARIABLE}", 2)
    environment["env_vars"] = environment.get("env_vars", {}) | _commit()
    try:
        client, job = submit(address, shlex.join(entrypoint), environment)
    except ConfigError as error:
        _fail(str(error), 2)
    typer.echo(f"job {job}")
    if no_wait:
        return
    try:
        succeeded = follow(client, job, typer.echo)
    except KeyboardInterrupt:
        _fail(f"no longer watched; the job goes on: ray job logs --follow {job}, ray job stop {job}", 130)
    raise typer.Exit(0 if succeeded else 1)


def _commit() -> dict[str, str]:
    """Return the variable that names this commit: no history is uploaded."""
    from vlm_rewards.tracking.provenance import COMMIT_VARIABLE, git_commit

    return {COMMIT_VARIABLE: git_commit(ROOT)}


def _fail(message: str, code: int) -> NoReturn:
    typer.secho(f"error: {message}", fg="red", err=True)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
