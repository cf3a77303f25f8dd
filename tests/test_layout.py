"""The shape of the repository: what may be imported from where."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each room and the rooms of ours it may import.
MAY_IMPORT = {
    "platform/vlm_rewards": {"vlm_rewards"},
    "envs": {"vlm_rewards", "envs"},
    "rllib_configs": {"vlm_rewards", "envs", "rllib_configs"},
    "serve_deployments": {"vlm_rewards", "serve_deployments"},
    "experiments": {"vlm_rewards", "envs", "rllib_configs", "serve_deployments", "experiments"},
    "examples": {"vlm_rewards", "envs", "examples"},
    "benchmarks": {"vlm_rewards", "envs", "rllib_configs", "serve_deployments", "experiments", "benchmarks"},
}
OURS = set().union(*MAY_IMPORT.values())


def imported_roots(path: Path) -> set[str]:
    roots = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            roots.add(node.module.split(".")[0])
    return roots


def test_platform_is_a_source_root_and_never_a_package():
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_the_repository_root_does_not_shadow_pythons_platform_module():
    code = "import sys; sys.path.insert(0, '.'); import platform; print(platform.python_version())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip().startswith("3.")


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room):
    modules = sorted((ROOT / room).rglob("*.py"))
    assert modules, f"{room} is empty"
    for module in modules:
        forbidden = (imported_roots(module) & OURS) - MAY_IMPORT[room]
        assert not forbidden, f"{module.relative_to(ROOT)} imports {forbidden}"


def test_the_wheel_holds_the_library_alone():
    from setuptools import find_packages

    found = find_packages(str(ROOT / "platform"), include=["vlm_rewards*"])
    assert "vlm_rewards" in found
    assert all(name.split(".")[0] == "vlm_rewards" for name in found)
