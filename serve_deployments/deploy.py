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
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from vlm_rewards.cli.error_line import say_error
from vlm_rewards.errors import ConfigError, VLMRewardsError

ROOT = Path(__file__).resolve().parent.parent
_TEXT_VARIABLE = "VLM_REWARDS_SERVE_FILE"
_ADDRESS_VARIABLE = "RAY_API_SERVER_ADDRESS"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(help="\n\n".join(" ".join(part.split()) for part in (__doc__ or "").split("\n\n")[::2]))
def main(
    config: Annotated[Path | None, typer.Argument(help="The Serve YAML; none with --status.")] = None,
    address: Annotated[
        str | None,
        typer.Option(help=f"The cluster's job server, http://HEAD:8265; else {_ADDRESS_VARIABLE}, else this machine."),
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
        address = address or os.environ.get(_ADDRESS_VARIABLE)
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
    from ray.job_submission import JobStatus, JobSubmissionClient

    from vlm_rewards.strict_config import read_yaml

    # It names each file that it leaves out.
    logging.getLogger("ray._private.runtime_env").setLevel(logging.ERROR)
    environment: dict[str, Any] = read_yaml(ROOT / "runtime_env.yaml")
    environment["working_dir"] = str(ROOT)
    # For the driver alone: in the runtime environment it would be each replica's, and restart all at every change.
    assignment = f"{_TEXT_VARIABLE}={base64.b64encode(text.encode()).decode()}"
    arguments = ["--status"] if status else ["--timeout-s", f"{timeout_s:g}"]
    try:
        client = JobSubmissionClient(address)
        job = client.submit_job(
            entrypoint=" ".join([assignment, "python -m serve_deployments.deploy", *arguments]), runtime_env=environment
        )
    except (ConnectionError, RuntimeError) as error:
        raise ConfigError(
            f"the job server {address} takes no job ({' '.join(str(error).split())[:200]}): check the address, and "
            "RAY_AUTH_MODE=token with RAY_AUTH_TOKEN where the cluster has tokens"
        ) from error
    typer.echo(f"job {job}")
    _follow(client, job)
    return bool(client.get_job_status(job) != JobStatus.SUCCEEDED)


def _follow(client: Any, job: str) -> None:
    """Print a job's output as it comes, until it has ended."""
    shown = 0
    while True:
        ended = client.get_job_status(job).is_terminal()
        logs = client.get_job_logs(job)
        # Whole lines, without Ray's own about the job and its entrypoint, which holds all of the file.
        upto = len(logs) if ended else logs.rfind("\n") + 1
        for line in logs[shown:upto].splitlines():
            if "job_manager.py" not in line and _TEXT_VARIABLE not in line:
                typer.echo(line)
        shown = max(shown, upto)
        if ended:
            return
        time.sleep(0.5)


def _fail(message: str, code: int) -> NoReturn:
    say_error(message)
    raise typer.Exit(code)


if __name__ == "__main__":
    app()
