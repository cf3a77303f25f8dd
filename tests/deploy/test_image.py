"""The images' recipes: read, not built. Their libraries are resolved from constraints.txt alone."""

import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch

import pytest

from scripts.extra_requirements import requirements
from tests.deploy.schemas import ROOT

FOLDER = ROOT / "deploy" / "docker"
FILES = ("Dockerfile", "Dockerfile.gpu")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def steps(name: str) -> list[tuple[str, str]]:
    """Instructions in order, each with its arguments."""
    text = re.sub(r"^\s*#.*\n", "", (FOLDER / name).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("name", FILES)
def test_libraries_come_before_the_code_and_what_is_copied_is_there(name):
    copies = [arguments for instruction, arguments in steps(name) if instruction == "COPY"]
    whole = [index for index, (instruction, arguments) in enumerate(steps(name)) if re.search(r" \. /opt", arguments)]
    installs = [index for index, (_, arguments) in enumerate(steps(name)) if "pip install" in arguments]
    assert len(whole) == 1
    assert installs
    assert max(installs) < whole[0]
    for copy in copies:
        sources = [part for part in copy.split()[:-1] if not part.startswith("--")]
        assert all((ROOT / source).exists() for source in sources), copy


@pytest.mark.parametrize("name", FILES)
def test_the_image_runs_as_somebody_draws_without_a_screen_and_keeps_the_pins(name):
    found = steps(name)
    users = [arguments for instruction, arguments in found if instruction == "USER"]
    assert users == ["1000"]
    text = "\n".join(" ".join(step) for step in found)
    assert all(package in text for package in ("libegl1", "libgl1-mesa-dri", "MUJOCO_GL=egl"))
    assert "-c constraints.txt" in text
    assert "rm -rf /var/lib/apt/lists" in text
    assert "/opt/vlm_rewards/platform" in text


def test_torch_is_the_cpu_build_on_the_one_and_alone_differs_on_the_other():
    cpu, gpu = ({" ".join(step) for step in steps(name)} for name in FILES)
    (torch,) = (step for step in cpu if "torch==" in step)
    assert torch.index("--index-url") < torch.index("+cpu")
    changed = {step for step in cpu ^ gpu if not step.startswith("ENV PYTHONPATH")}
    assert changed == {torch, "ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu"}
    # What the shell in it computes.
    command = re.search(r"\$\((sed [^)]*)\)", torch)[1]
    version = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_its_requirements_are_those_of_the_extras_and_each_is_pinned():
    done = subprocess.run(
        [sys.executable, "scripts/extra_requirements.py", "experiments", "openvino"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = done.stdout.split()
    assert not [line for line in found if line.startswith("vlm-rewards")]
    assert {"ray[serve]>=2.60,<2.61", "mujoco>=4.0", "openvino>=2026.4"} <= set(found)
    pins = {
        line.partition("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()
    }
    names = {re.match(r"[\w.-]+", line)[0].lower().replace("_", "-") for line in found}
    assert names <= pins
    assert all("==" in line for line in (FOLDER / "requirements.txt").read_text().splitlines() if line[0] != "#")


def test_extras_are_followed_and_a_wrong_one_is_named():
    assert set(requirements(["quantise"])) >= {"nncf>=3.4", "openvino>=2026.4"}
    with pytest.raises(ValueError, match="no extra 'gone'"):
        requirements(["gone"])


def test_the_builder_is_sent_the_code_and_no_more():
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]

    def sent(path: str) -> bool:
        parts = path.split("/")
        heads = ["/".join(parts[: index + 1]) for index in range(len(parts))]
        return not any(
            fnmatch(head, rule.removeprefix("**/")) or fnmatch(head, rule) for head in heads for rule in ignored
        )

    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    left_out = {path.split("/")[0] for path in tracked if not sent(path)}
    assert left_out <= {".ci", "docs", "tests"}
    for needed in (
        "constraints.txt",
        "platform/vlm_rewards/checkpoints/pocket-s/model.safetensors",
        "envs/registry.py",
    ):
        assert sent(needed)
    assert not sent(".venv/lib/x.py")


def test_the_image_has_the_driver_that_a_postgres_address_without_one_asks_for():
    """SQLAlchemy 2.1 takes another than 2.0 did: an MLflow server with the other one does not start."""
    from sqlalchemy.dialects import registry

    driver = registry.load("postgresql").driver
    lines = (FOLDER / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if re.match(rf"{driver}\W", line)], f"{driver} is not among {lines}"
