"""Deploy a Serve YAML with the code that it needs, and wait until all of it is healthy.

python -m serve_deployments.deploy serve_deployments/ladder.yaml --address http://HEAD:8265
python -m serve_deployments.deploy serve_deployments/ladder.yaml            # on this machine's cluster: RAY_ADDRESS
python -m serve_deployments.deploy --status

`serve deploy` sends the YAML alone, to a cluster that has the code. This sends both, as a job. The file is checked here
first: a misspelt key never leaves this machine. An application that fails on the cluster goes back to what it served.
"""

import base64
import logging
import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from serve_deployments.jobs import ADDRESS_VARIABLE, follow, job_environment, submit
from vlm_rewards.cli.error_line import say_error
from vlm_rewards.errors import ConfigError, VLMRewardsError

_TEXT_VARIABLE = "VLM_REWARDS_SERVE_FILE"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(help="\n\n".join(" ".join(part.split()) for part in (__doc__ or "").split("\n\n")[::2]))
def main(
    config: Annotated[Path | None, typer.Argument(help="The Serve YAML; none with --status.")] = None,
    address: Annotated[
        str | None,
        typer.Option(help=f"The cluster's job server, http://HEAD:8265; else {ADDRESS_VARIABLE}, else this machine."),
    ] = None,
    timeout_s: Annotated[float, typer.Option(min=1, help="Longest wait in seconds.")] = 180.0,
    status: Annotated[bool, typer.Option("--status", help="List the cluster's applications, and stop.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file, and stop.")] = False,
) -> None:
    """Deploy, and end with status 0 if all is healthy, 1 if something failed, 2 if the file cannot be used."""
    try:
        text = "" if status else _text(config)
        if not status:
            from serve_deployments.serve_file import ServeFile

            file = ServeFile.parse(text)
            if dry_run:
                typer.echo(f"{len(file.applications)} applications: {', '.join(a.name for a in file.applications)}")
                return
        address = address or os.environ.get(ADDRESS_VARIABLE)
        inside = _TEXT_VARIABLE in os.environ or not address
        failed = _here(text, timeout_s, status) if inside else _by_job(str(address), text, timeout_s, status)
    except ConfigError as error:
        _fail(str(error), 2)
    except VLMRewardsError as error:
        _fail(str(error), 1)
    raise typer.Exit(1 if failed else 0)


def _text(config: Path | None) -> str:
    """Return the file's text: under a job it came along, in a variable."""
    if _TEXT_VARIABLE in os.environ:
        return base64.b64decode(os.environ[_TEXT_VARIABLE]).decode()
    if config is None:
        raise ConfigError("which file? Name a Serve YAML, such as serve_deployments/ladder.yaml, or --status")
    try:
        return config.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {config} ({error}); give the path of a Serve YAML") from error


def _here(text: str, timeout_s: float, status: bool) -> bool:
    """Deploy on the cluster that this process is part of; tell whether something failed."""
    import ray

    from serve_deployments.rollout import listing, roll_out
    from serve_deployments.serve_file import ServeFile

    if not ray.is_initialized():
        try:
            ray.init(address=os.environ.get("RAY_ADDRESS", "auto"), log_to_driver=False, logging_level=logging.ERROR)
        except ConnectionError as error:
            raise ConfigError(
                "no Ray cluster runs on this machine; name its job server with --address http://HEAD:8265"
            ) from error
    failed = False
    if not status:
        for outcome in roll_out(ServeFile.parse(text), timeout_s, typer.echo):
            if not outcome.healthy:
                failed = True
                before = "it serves what it did before" if outcome.serves_before else "it does not serve"
                say_error(f"{outcome.name}: {outcome.failure}; {before}")
    for name, state, failure in listing():
        typer.echo(f"{name:32} {state:14} {f'last change failed: {failure}' if failure else ''}".rstrip())
    return failed


def _by_job(address: str, text: str, timeout_s: float, status: bool) -> bool:
    """Submit this command with the repository's code, and show what it says; tell whether something failed."""
    # All packaged weights go along: an application that fails is put back with this job's code, whatever it served.
    environment = job_environment(models=() if status else None)
    # For the driver alone: in the runtime environment it would be each replica's, and restart all at every change.
    assignment = f"{_TEXT_VARIABLE}={base64.b64encode(text.encode()).decode()}"
    arguments = ["--status"] if status else ["--timeout-s", f"{timeout_s:g}"]
    entrypoint = " ".join([assignment, "python -m serve_deployments.deploy", *arguments])
    client, job = submit(address, entrypoint, environment)
    typer.echo(f"job {job}")
    return not follow(client, job, typer.echo, left_out=(_TEXT_VARIABLE,))


def _fail(message: str, code: int) -> NoReturn:
    say_error(message)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
