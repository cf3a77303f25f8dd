"""`vlm-rewards serve`: Ray Serve on this machine, with the deployments of a checkout."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from vlm_rewards.errors import ConfigError


def serve_locally(file: Path, quiet: bool = False) -> None:
    """Become `serve run -a local FILE`; returns only where that cannot be.

    Args:
        file: The Serve YAML.
        quiet: Let Serve say warnings and errors alone.

    Raises:
        ConfigError: The folder `serve_deployments` is not there to be imported, or there is no such file.
    """
    if importlib.util.find_spec("serve_deployments") is None:
        raise ConfigError(
            "`serve` needs the folder serve_deployments, which is not in the wheel; run it in the root of a checkout, "
            "or use `vlm-rewards playground`, which serves on this machine without Ray"
        )
    if not file.is_file():
        raise ConfigError(f"there is no file {file}; give a Serve YAML, such as serve_deployments/gateway.yaml")
    command = shutil.which(
        "serve", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    )
    if command is None:
        raise ConfigError("Ray Serve is not installed; pip install 'vlm-rewards[serve]'")
    if quiet:
        os.environ["RAY_SERVE_LOG_TO_STDERR"] = "0"
    os.execv(command, [command, "run", "-a", "local", str(file)])
