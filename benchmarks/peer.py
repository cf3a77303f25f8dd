"""Other projects to compare with, each in a virtual environment of its own: their dependencies and ours conflict."""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from vlm_rewards.encoders.user_cache import user_cache
from vlm_rewards.errors import VLMRewardsError

_LONGEST_INSTALL_S = 1800.0


class PeerMissingError(VLMRewardsError):
    """A peer that cannot be installed or started on this machine."""


@dataclass(frozen=True)
class Peer:
    """A project from PyPI.

    Attributes:
        name: Short name, lower case.
        requirements: What pip is asked for.
    """

    name: str
    requirements: tuple[str, ...]

    @property
    def variable(self) -> str:
        """Environment variable that may name a Python which has the peer."""
        return f"VLM_REWARDS_PEER_{self.name.upper()}"

    def python(self) -> Path:
        """Return a Python that has the peer: the one named, or of an environment made once in the user's cache folder.

        Raises:
            PeerMissingError: The variable names no file, or pip cannot install it here.
        """
        given = os.environ.get(self.variable)
        if given:
            if not Path(given).is_file():
                raise PeerMissingError(f"{self.variable} is {given}, no file; name a Python that has {self.name}")
            return Path(given)
        asked = hashlib.sha256("\n".join((sys.version, *self.requirements)).encode()).hexdigest()
        folder = user_cache() / "peers" / f"{self.name}-{asked[:12]}"
        python, whole = folder / "bin" / "python", folder / "installed"
        if not whole.exists():
            self._install(folder, python)
            whole.touch()
        return python

    def environment(self, **changes: str) -> dict[str, str]:
        """Return this process's environment for one of the peer's: one thread, no path to our code, no reports home."""
        theirs = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return theirs | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"} | changes

    def _install(self, folder: Path, python: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *self.requirements]
        for command in ([sys.executable, "-m", "venv", str(folder)], pip):
            try:
                done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST_INSTALL_S)
            except subprocess.TimeoutExpired:
                raise PeerMissingError(f"{self.name} did not install in {_LONGEST_INSTALL_S / 60:.0f} min") from None
            if done.returncode:
                said = (done.stderr or done.stdout).strip().splitlines()
                reason = next((line for line in reversed(said) if line.startswith("ERROR")), said[-1] if said else "")
                raise PeerMissingError(f"{self.name} cannot be installed here: {reason[:160]}")
