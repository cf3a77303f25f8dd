"""What is imported is declared: in the library's own dependencies, or in the extra of the room that imports it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"vlm_rewards", "envs", "rllib_configs", "serve_deployments", "experiments", "benchmarks", "examples"}

# Imports whose distribution has another name.
DISTRIBUTION = {
    "PIL": "pillow",
    "android_env": "android-env",
    "dm_env": "dm-env",
    "fontTools": "fonttools",
    "google": "protobuf",
    "grpc": "grpcio",
    "pydantic_core": "pydantic",  # pydantic pins it to the very version
    "sklearn": "scikit-learn",
    "stable_baselines3": "stable-baselines3",
    "tree": "dm-tree",
    "huggingface_hub": "huggingface-hub",
    "yaml": "pyyaml",
}
# Ray's own extras, by the module that needs them.
RAY_EXTRAS = {"ray.serve": "ray[serve]", "ray.rllib": "ray[rllib]", "ray.tune": "ray[tune]"}

LIBRARY = "platform/vlm_rewards"
# The extra of each room. A file belongs to the longest path that it lies in.
ROOMS = {
    LIBRARY: None,
    f"{LIBRARY}/encoders/image_graph.py": "openvino",
    f"{LIBRARY}/encoders/openvino_encoder.py": "openvino",
    f"{LIBRARY}/encoders/precision_trial.py": "openvino",
    f"{LIBRARY}/encoders/quantisation.py": "quantise",
    f"{LIBRARY}/evaluation": "offline",
    f"{LIBRARY}/evaluation/module_policy.py": "rllib",
    f"{LIBRARY}/pretraining": "pretraining",
    f"{LIBRARY}/rllib": "rllib",
    f"{LIBRARY}/service/deployment.py": "serve",
    f"{LIBRARY}/service/application.py": "serve",
    f"{LIBRARY}/service/deploying.py": "serve",
    f"{LIBRARY}/service/http/answers.py": "serve",
    f"{LIBRARY}/service/http/app.py": "serve",
    f"{LIBRARY}/service/http/body.py": "serve",
    f"{LIBRARY}/service/http/docs_page.py": "serve",
    f"{LIBRARY}/service/http/envelope.py": "serve",
    f"{LIBRARY}/service/http/local_server.py": "serve",
    f"{LIBRARY}/service/http/requests.py": "serve",
    f"{LIBRARY}/service/http/steps.py": "serve",
    f"{LIBRARY}/service/observability.py": "serve",
    f"{LIBRARY}/service/transports/handle.py": "serve",
    f"{LIBRARY}/tracking": "tracking",
    "benchmarks": "all",
    "envs": None,
    "envs/android": "android",
    "envs/android/assets/build_fonts.py": "dev",
    "envs/playhouse": "playhouse",
    "envs/web": "experiments",
    "examples": "sb3",
    "experiments": "experiments",
    "rllib_configs": "rllib",
    "serve_deployments": "serve",
}
# Declared though no module of ours imports them.
NEEDED_BY_OTHERS = {"immutabledict", "fastapi-offline"}  # the second is found by name, not imported


def declared(requirements: list[str]) -> set[str]:
    """Returns the names, with Ray's extras as names of their own, and those of our own extras in place of these."""
    names = set()
    for requirement in requirements:
        name, extras = re.fullmatch(r"([\w.-]+)(?:\[([\w,]+)\])?.*", requirement).groups()
        if name == PROJECT["name"]:
            for extra in extras.split(","):
                names |= declared(PROJECT["optional-dependencies"][extra])
            continue
        names.add(name.lower())
        if name == "ray":
            names |= {f"ray[{extra}]" for extra in extras.split(",")}
    return names


CORE = declared(PROJECT["dependencies"])


def third_party(path: Path) -> Iterator[str]:
    """Yields what a module imports of others, wherever in it, as distributions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for module in modules:
            root = module.partition(".")[0]
            if root not in OURS and root not in sys.stdlib_module_names:
                yield DISTRIBUTION.get(root, root).lower()
                yield from (extra for prefix, extra in RAY_EXTRAS.items() if f"{module}.".startswith(f"{prefix}."))


def imported_rooms(path: Path) -> Iterator[str]:
    """Yields the rooms of ours that importing a module imports, with it or before it."""
    nodes = list(ast.parse(path.read_text()).body)
    names = []
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.With):
            nodes += node.body
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    for name in names:
        parts = name.split(".")
        if parts[0] in OURS:
            place = ROOT / "platform" if parts[0] == "vlm_rewards" else ROOT
            for count in range(1, len(parts) + 1):
                stem = place.joinpath(*parts[:count])
                for file in (stem / "__init__.py", stem.with_suffix(".py")):
                    if file.exists():
                        yield room_of(file)


def room_of(file: Path) -> str:
    """Returns the innermost room that a file lies in."""
    return max((room for room in ROOMS if ROOT / room in (file, *file.parents)), key=len)


def modules_of(room: str) -> list[Path]:
    """Returns the modules of a room without those of the rooms inside it."""
    folder = ROOT / room
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
    return [file for file in files if room_of(file) == room]


def allowed_in(room: str) -> set[str]:
    """Returns what a room may import: the library's own dependencies and those of the room's extra."""
    extra = ROOMS[room]
    return CORE | (declared(PROJECT["optional-dependencies"][extra]) if extra else set())


@pytest.mark.parametrize(("room", "extra"), ROOMS.items())
def test_the_extra_is_enough_for_its_room(room, extra):
    modules = modules_of(room)
    assert modules, f"{room} is empty"
    for module in modules:
        missing = set(third_party(module)) - allowed_in(room)
        assert not missing, f"{module.relative_to(ROOT)} imports {sorted(missing)}: add it to the extra [{extra}]"
        for other in set(imported_rooms(module)):
            missing = allowed_in(other) - allowed_in(room)
            assert not missing, f"{module.relative_to(ROOT)} imports {other}, which needs {sorted(missing)}"


@pytest.mark.parametrize("extra", [None, *sorted({extra for extra in ROOMS.values() if extra} - {"all", "dev"})])
def test_nothing_is_declared_that_its_rooms_do_not_import(extra):
    requirements = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    own = declared([line for line in requirements if not line.startswith(PROJECT["name"])])
    rooms = [room for room, of in ROOMS.items() if of == extra]
    imported = {name for room in rooms for module in modules_of(room) for name in third_party(module)}
    assert not own - imported - NEEDED_BY_OTHERS


def test_ray_is_held_to_the_minor_version_whose_internals_are_overridden():
    everything = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    assert {line.partition("]")[2] for line in everything if line.startswith("ray[")} == {">=2.60,<2.61"}


def test_rays_extras_are_rays():
    offered = " ".join(requires("ray"))
    assert all(f'extra == "{name[4:-1]}"' in offered.replace("'", '"') for name in RAY_EXTRAS.values())
