"""Try the doors to other libraries against those libraries.

LeRobot's requirements clash with ours, so it is installed without them in an environment of its own, over what this
project has installed; see docs/doors.md. That changes nothing in the project's own.
"""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / "build" / "doors-venv"
PAGE = ROOT / "docs" / "doors.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
# LeRobot 0.4.4 turns arrays of one number into floats, which NumPy refuses from 2.4 on.
PACKAGES = ("lerobot==0.4.4", "numpy==2.2.6", "diffusers", "draccus==0.10.0", "pyserial")
# What LeRobot's datasets and processors import, each with what it needs.
WITH_DEPENDENCIES = (
    "accelerate",
    "av",
    "datasets",
    "deepdiff",
    "einops",
    "imageio",
    "jsonlines",
    "mergedeep",
    "opencv-python-headless",
    "pyyaml-include<2",
    "termcolor",
    "toml",
    "torchvision",
    "typing-inspect",
)
LEROBOT_TESTS = ("tests/doors", "tests/experiments/test_relabel_lerobot.py")
# These libraries agree with ours, and are tried where they are installed: in the project's own environment.
OWN_TESTS = ("tests/vlm_rewards/hub", "tests/vlm_rewards/integrations", "tests/experiments/test_relabel_minari.py")


def main() -> int:
    """Install, run the page's Python and the tests; the number of parts that failed is the status."""
    python = VENV / "bin" / "python"
    if not (VENV / ".installed").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        ours = sysconfig.get_path("purelib")
        (site,) = VENV.glob("lib/python3*/site-packages")
        (site / "ours.pth").write_text(f"{ours}\n{ROOT / 'platform'}\n")
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "-c", str(ROOT / "constraints.txt"), *WITH_DEPENDENCIES], check=True)
        subprocess.run([*install, "--no-deps", "--ignore-installed", *PACKAGES], check=True)
        (VENV / ".installed").touch()
    code = "\n".join(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    program = f"exec(compile({code!r}, {str(PAGE)!r}, 'exec'))"
    failed = 0
    test = ["-m", "pytest", "-q", "-rs"]
    for name, interpreter, arguments in (
        ("docs/doors.md", sys.executable, ["-c", program]),
        ("TorchRL, Minari, the hub", sys.executable, [*test, *OWN_TESTS]),
        ("LeRobot", python, [*test, *LEROBOT_TESTS]),
    ):
        status = subprocess.run([interpreter, *arguments], cwd=ROOT, timeout=1800).returncode
        print(f"{name}: {f'failed with status {status}' if status else 'ok'}", flush=True)
        failed += status != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
