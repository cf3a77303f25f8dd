"""Jobs on a cluster's job server, as our commands submit them: the repository's code, and what the job says."""

import logging
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from vlm_rewards.errors import ConfigError

ROOT = Path(__file__).resolve().parent.parent
ADDRESS_VARIABLE = "RAY_API_SERVER_ADDRESS"
_POLL_S = 0.5
_CHECKPOINTS = ROOT / "platform" / "vlm_rewards" / "checkpoints"
# A model's settings and vocabulary go along in any case: with them, what lacks its weights can say so.
_WEIGHTS = ("*.safetensors", "int8/*")


def packaged_weights() -> dict[str, int]:
    """Return the bytes of the weights of each model that the repository holds, by its name."""
    return {
        folder.parent.name: sum(path.stat().st_size for pattern in _WEIGHTS for path in folder.parent.glob(pattern))
        for folder in sorted(_CHECKPOINTS.glob("*/config.json"))
    }


def job_environment(models: Collection[str] | None = None) -> dict[str, Any]:
    """Return the runtime environment of runtime_env.yaml, with the repository as the working directory.

    Args:
        models: Packaged models whose weights go along; None takes all.
    """
    from vlm_rewards.strict_config import read_yaml

    # It names each file that it leaves out.
    logging.getLogger("ray._private.runtime_env").setLevel(logging.ERROR)
    environment = read_yaml(ROOT / "runtime_env.yaml") | {"working_dir": str(ROOT)}
    if models is not None:
        below = f"/{_CHECKPOINTS.relative_to(ROOT)}"
        left_out = sorted(packaged_weights().keys() - set(models))
        more = [f"{below}/{name}/{pattern}" for name in left_out for pattern in _WEIGHTS]
        environment["excludes"] = [*environment.get("excludes", []), *more]
    return environment


@contextmanager
def packed(environment: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """Pack a runtime environment's working directory; the package goes when the block is left.

    What goes in is Ray's own choice, by `excludes`, .gitignore and .rayignore. Ray would store it as it is, which is
    four times as much for code. The same files make the same package, which a cluster that has it is not sent again.

    Args:
        environment: With a folder as `working_dir`.

    Returns:
        The environment with the package as `working_dir`, and the package's bytes.
    """
    from ray._private.runtime_env.packaging import create_package

    with tempfile.TemporaryDirectory() as folder:
        stored, package = Path(folder, "stored.zip"), Path(folder, "package.zip")
        create_package(environment["working_dir"], stored, True, excludes=list(environment.get("excludes", [])))
        with ZipFile(stored) as source, ZipFile(package, "w", ZIP_DEFLATED) as target:
            for entry in sorted(source.infolist(), key=lambda each: each.filename):
                same = ZipInfo(entry.filename)  # without the time
                same.external_attr, same.compress_type = entry.external_attr, ZIP_DEFLATED
                target.writestr(same, source.read(entry))
        rest = {name: value for name, value in environment.items() if name != "excludes"}
        yield rest | {"working_dir": str(package)}, package.stat().st_size


def submit(address: str, entrypoint: str, environment: Mapping[str, Any]) -> tuple[Any, str]:
    """Submit a job.

    Args:
        address: The job server's, such as `http://HEAD:8265`.
        entrypoint: What a shell runs on the cluster's head.
        environment: The job's runtime environment, with a folder as `working_dir`.

    Returns:
        The job server's client, and the job's id.

    Raises:
        ConfigError: There is no job server, or it refuses the job.
    """
    from ray.job_submission import JobSubmissionClient

    try:
        client = JobSubmissionClient(address)
        with packed(environment) as (sent, _):
            return client, client.submit_job(entrypoint=entrypoint, runtime_env=sent)
    except (ConnectionError, RuntimeError) as error:
        raise ConfigError(
            f"the job server {address} takes no job ({' '.join(str(error).split())[:200]}): check the address, and "
            "RAY_AUTH_MODE=token with RAY_AUTH_TOKEN where the cluster has tokens"
        ) from error


def follow(client: Any, job: str, tell: Callable[[str], None], left_out: tuple[str, ...] = ()) -> bool:
    """Pass on a job's output as it comes, until it has ended.

    Args:
        client: The job server's.
        job: Id of the job.
        tell: Gets each line.
        left_out: Lines that hold one of these are not passed on.

    Returns:
        Whether it has succeeded.
    """
    shown = 0
    while True:
        status = client.get_job_status(job)
        ended = status.is_terminal()
        logs = client.get_job_logs(job)
        # Whole lines, without Ray's own about the job and its entrypoint.
        upto = len(logs) if ended else logs.rfind("\n") + 1
        for line in logs[shown:upto].splitlines():
            if not any(text in line for text in ("job_manager.py", *left_out)):
                tell(line)
        shown = max(shown, upto)
        if ended:
            return bool(status == "SUCCEEDED")
        time.sleep(_POLL_S)
