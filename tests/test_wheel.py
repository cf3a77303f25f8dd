"""The wheel alone gives a reward: installed outside the checkout, beside what it requires and nothing more."""

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "platform" / "vlm_rewards"
NOT_NEEDED = ("ray", "mlflow", "fastapi", "matplotlib", "grpc", "openvino", "scipy", "sklearn", "pyarrow", "mujoco")
# What the wheel holds and the library's own dependencies do not run.
EXTRAS = {
    "evaluation.module_policy": "rllib",
    "evaluation.offline": "offline",
    "evaluation.recording": "offline",
    "evaluation.statistics": "offline",
    "integrations.lerobot_dataset": "lerobot",
    "integrations.minari": "minari",
    "integrations.torchrl": "torchrl",
    "playground.routes": "serve",
    "playground.server": "serve",
    "rllib": "rllib",
    **{
        f"service.{name}": "serve"
        for name in ("application", "deploying", "deployment", "live", "observability", "routing")
    },
    **{
        f"service.http.{name}": "serve"
        for name in ("answers", "app", "body", "docs_page", "envelope", "playground", "requests", "steps")
    },
    "service.http.local_server": "serve",
    "service.transports.handle": "serve",
    "tracking": "tracking",
}


def build_wheel(folder: Path) -> Path:
    """Builds from a copy, so that no build output is left in the checkout."""
    copy = folder / "source"
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        copy.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, copy)
    shutil.copytree(LIBRARY, copy / "platform" / "vlm_rewards", ignore=shutil.ignore_patterns("__pycache__"))
    code = f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=copy, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def link_with_dependencies(requirement: str, target: Path, done: set[str]) -> None:
    """Puts an installed distribution into `target`, and what it requires without extras."""
    name = re.match(r"[\w.-]+", requirement)[0].lower().replace("_", "-")
    if name in done or ("extra ==" in requirement):
        return
    done.add(name)
    try:
        found = distribution(name)
    except ModuleNotFoundError:
        return  # required on other machines than this
    for file in found.files:
        top = file.parts[0]
        if top not in ("..", "__pycache__") and not (target / top).exists():
            (target / top).symlink_to(found.locate_file(top))
    for needed in found.requires or ():
        link_with_dependencies(needed, target, done)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """A site-packages with the wheel and what it requires."""
    site = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    metadata = next(site.glob("*.dist-info/METADATA")).read_text()
    for requirement in re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE):
        link_with_dependencies(requirement, site, set())
    return site


def run(site: Path, folder: Path, code: str) -> subprocess.CompletedProcess:
    """Runs code as an installation would that has nothing but `site`."""
    start = f"import sys; sys.path.insert(0, {str(site)!r})\n"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", start + code], cwd=folder, capture_output=True, text=True, timeout=240
    )


def test_the_wheel_holds_the_library_whole_and_nothing_else(wheel):
    packed = {Path(name) for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = (path for path in LIBRARY.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert packed == {path.relative_to(LIBRARY.parent) for path in files}


def test_the_readmes_snippet_runs_outside_the_checkout(site, tmp_path):
    (snippet,) = re.findall(
        r"```python\n(from vlm_rewards.*?|import numpy.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
    )
    done = run(site, tmp_path, f"{snippet}\nprint(p.dtype, p.shape, p.min() >= 0, p.max() <= 1)")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[-2] == "float32 (4,) True True"


def test_what_needs_no_extra_imports_without_any_and_what_does_names_it(site, tmp_path):
    code = f"""
import importlib, pkgutil
import vlm_rewards
from vlm_rewards.errors import MissingExtraError

assert vlm_rewards.__file__.startswith({str(site)!r})
refused = {{}}
for module in pkgutil.walk_packages(vlm_rewards.__path__, "vlm_rewards.", onerror=lambda name: None):
    if not module.name.endswith(("__main__", "precision_trial")):
        try:
            importlib.import_module(module.name)
        except MissingExtraError as error:
            refused[module.name] = str(error)
assert not set(sys.modules) & set({NOT_NEEDED!r}), set(sys.modules) & set({NOT_NEEDED!r})
for name, line in sorted(refused.items()):
    print(name, line)
"""
    done = run(site, tmp_path, code)
    assert done.returncode == 0, done.stderr
    refused = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    extras = {name: re.search(r"vlm-rewards\[(\w+)\]", line)[1] for name, line in refused.items()}
    assert extras == {f"vlm_rewards.{name}": extra for name, extra in EXTRAS.items()}


def test_the_console_script_works_outside_the_checkout(site, tmp_path):
    """Its entry point scores a picture; what a checkout alone has is said in one line."""
    (entry,) = next(site.glob("vlm_rewards-*.dist-info/entry_points.txt")).read_text().split()[3:]
    module, _, name = entry.partition(":")
    (tmp_path / "mine.yaml").write_text(
        "reward: {model: fake, template: A, tau: 0.1, beta: 0.5}\ntask_set: open_common_apps\n"
    )
    (tmp_path / "mine.py").write_text(
        "import gymnasium as gym\ngym.register('Mine-v0', 'gymnasium.envs.classic_control.cartpole:CartPoleEnv')\n"
    )
    code = f"""
import numpy as np
from PIL import Image
from {module} import {name}

Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save("black.png")
for arguments in (["score", "black.png", "--preset", "mine.yaml"], ["check-env", "mine:Mine-v0"], ["serve"]):
    sys.argv = ["vlm-rewards", *arguments]
    try:
        {name}()
    except SystemExit as ended:
        print("status", ended.code)
"""
    done = run(site, tmp_path, code)
    assert re.search(r"reward [01]  \w+  black\.png\nstatus 0\nfail  its constructor takes no", done.stdout), (
        done.stderr
    )
    assert done.stdout.splitlines()[-1] == "status 1"
    assert "root of a checkout" in done.stderr.splitlines()[-1]
