"""What is imported is declared: in the library's own dependencies, or in the extra of the room that imports it."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import requires
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OURS = {"vlm_rewards", "envs", "rllib_configs", "serve_deployments", "experiments", "benchmarks", "examples"}

# Imports whose distribution has another name.
DISTRIBUTION = {
    "PIL": "pillow",
    "android_env": "android-env",
    "dm_env": "dm-env",
    "fontTools": "fonttools",
    "google": "protobuf",
    "grpc": "grpcio",
    "huggingface_hub": "huggingface-hub",
    "pydantic_core": "pydantic",  # pydantic pins it to the very version
    "sklearn": "scikit-learn",
    "stable_baselines3": "stable-baselines3",
    "tree": "dm-tree",
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
    f"{LIBRARY}/integrations/lerobot_dataset.py": "lerobot",
    f"{LIBRARY}/integrations/minari.py": "minari",
    f"{LIBRARY}/integrations/torchrl.py": "torchrl",
    f"{LIBRARY}/pretraining": "pretraining",
    f"{LIBRARY}/playground": "serve",
    f"{LIBRARY}/rllib": "rllib",
    f"{LIBRARY}/service/application.py": "serve",
    f"{LIBRARY}/service/deploying.py": "serve",
    f"{LIBRARY}/service/deployment.py": "serve",
    f"{LIBRARY}/service/http/answers.py": "serve",
    f"{LIBRARY}/service/http/app.py": "serve",
    f"{LIBRARY}/service/http/body.py": "serve",
    f"{LIBRARY}/service/http/docs_page.py": "serve",
    f"{LIBRARY}/service/http/envelope.py": "serve",
    f"{LIBRARY}/service/http/local_server.py": "serve",
    f"{LIBRARY}/service/http/playground": "serve",
    f"{LIBRARY}/service/http/requests.py": "serve",
    f"{LIBRARY}/service/http/steps.py": "serve",
    f"{LIBRARY}/service/live.py": "serve",
    f"{LIBRARY}/service/observability.py": "serve",
    f"{LIBRARY}/service/routing.py": "serve",
    f"{LIBRARY}/service/transports/handle.py": "serve",
    f"{LIBRARY}/tracking": "tracking",
    "benchmarks": "all",
    "envs": None,
    "envs/android": "android",
    "envs/android/assets/build_fonts.py": "dev",
    "envs/playhouse": "playhouse",
    "envs/web": "experiments",
    "examples": "sb3",
    "examples/single_file_ppo.py": "android",
    "experiments": "experiments",
    "rllib_configs": "rllib",
    "serve_deployments": "serve",
}
# Declared though no statement of ours imports them: android_env imports the first, the files of the second are served,
# and the third is imported by its name.
NEEDED_BY_OTHERS = {"immutabledict", "fastapi-offline", "nncf"}


def declared(requirements: list[str]) -> set[str]:
    """Returns the names, with Ray's extras as names of their own, and those of our own extras in place of these."""
    names = set()
    for requirement in requirements:
        name, extras = re.fullmatch(r"([\w.-]+)(?:\[([\w,]+)\])?.*", requirement).groups()
        if name == PROJECT["name"]:
            for extra in extras.split(","):
                names |= declared(EXTRAS[extra])
            continue
        names.add(name.lower())
        if name == "ray":
            names |= {f"ray[{extra}]" for extra in extras.split(",")}
    return names


CORE = declared(PROJECT["dependencies"])


@cache
def third_party(path: Path) -> frozenset[tuple[str, str | None]]:
    """Returns what a module imports of others, wherever in it, as distributions; and the extra that guards the import.

    Only in functions: what a module itself imports under a guard, its room needs.
    """
    found = set()
    nodes = [(node, None, False) for node in ast.parse(path.read_text()).body]
    while nodes:
        node, guard, lazy = nodes.pop()
        if (
            isinstance(node, ast.With)
            and lazy
            and (named := re.match(r"with needs_extra\('(\w+)'\)", ast.unparse(node)))
        ):
            guard = named[1]
        lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        nodes += [(child, guard, lazy) for child in ast.iter_child_nodes(node)]
        for module in imported_names(node):
            root = module.partition(".")[0]
            if root not in OURS and root not in sys.stdlib_module_names:
                found.add((DISTRIBUTION.get(root, root).lower(), guard))
                found |= {
                    (extra, guard) for prefix, extra in RAY_EXTRAS.items() if f"{module}.".startswith(f"{prefix}.")
                }
    return frozenset(found)


def imported_names(node: ast.AST) -> list[str]:
    """Returns the modules that a statement imports, and whatever else it might mean by what it imports from them."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def imported_rooms(path: Path) -> Iterator[str]:
    """Yields the rooms of ours that importing a module imports, with it or before it."""
    nodes = list(ast.parse(path.read_text()).body)
    names = []
    while nodes:
        node = nodes.pop()
        nodes += node.body if isinstance(node, ast.With) else []
        names += imported_names(node)
    for name in names:
        parts = name.split(".")
        if parts[0] in OURS:
            place = ROOT / "platform" if parts[0] == "vlm_rewards" else ROOT
            for count in range(1, len(parts) + 1):
                stem = place.joinpath(*parts[:count])
                for file in (stem / "__init__.py", stem.with_suffix(".py")):
                    if file.exists():
                        yield room_of(file)


@cache
def room_of(file: Path) -> str:
    """Returns the innermost room that a file lies in."""
    inside = file.relative_to(ROOT)
    return next(room for room in map(str, (inside, *inside.parents)) if room in ROOMS)


@cache
def modules_of(room: str) -> list[Path]:
    """Returns the modules of a room without those of the rooms inside it."""
    folder = ROOT / room
    files = [folder] if folder.is_file() else sorted(folder.rglob("*.py"))
    return [file for file in files if room_of(file) == room]


def allowed_in(room: str) -> set[str]:
    """Returns what a room may import: the library's own dependencies and those of the room's extra."""
    extra = ROOMS[room]
    return CORE | (declared(EXTRAS[extra]) if extra else set())


@pytest.mark.parametrize(("room", "extra"), ROOMS.items())
def test_the_extra_is_enough_for_its_room(room, extra):
    modules = modules_of(room)
    assert modules, f"{room} is empty"
    for module in modules:
        imports = third_party(module)
        missing = {name for name, guard in imports if guard is None} - allowed_in(room)
        missing |= {name for name, guard in imports if guard and name not in CORE | declared(EXTRAS[guard])}
        assert not missing, f"{module.relative_to(ROOT)} imports {sorted(missing)}: add it to the extra [{extra}]"
        for other in set(imported_rooms(module)):
            missing = allowed_in(other) - allowed_in(room)
            assert not missing, f"{module.relative_to(ROOT)} imports {other}, which needs {sorted(missing)}"


@pytest.mark.parametrize("extra", [None, *sorted({extra for extra in ROOMS.values() if extra} - {"all", "dev"})])
def test_nothing_is_declared_that_its_rooms_do_not_import(extra):
    requirements = EXTRAS[extra] if extra else PROJECT["dependencies"]
    own = declared([line for line in requirements if not line.startswith(PROJECT["name"])])
    rooms = [room for room, of in ROOMS.items() if of == extra]
    imported = {name for room in rooms for module in modules_of(room) for name, _ in third_party(module)}
    imported |= {name for room in ROOMS for module in modules_of(room) for name, guard in third_party(module) if guard}
    assert not own - imported - NEEDED_BY_OTHERS


def test_ray_is_held_to_the_minor_version_whose_internals_are_overridden():
    everything = [line for lines in EXTRAS.values() for line in lines]
    assert {line.partition("]")[2] for line in everything if line.startswith("ray[")} == {">=2.60,<2.61"}


def test_rays_extras_are_rays():
    offered = " ".join(requires("ray"))
    assert all(f'extra == "{name[4:-1]}"' in offered.replace("'", '"') for name in RAY_EXTRAS.values())


def test_the_citation_names_the_version_there_is():
    source = (ROOT / LIBRARY / "__init__.py").read_text()
    (version,) = re.findall(r'^__version__ = "(.*)"$', source, re.MULTILINE)
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
