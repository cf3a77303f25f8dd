"""Check the code in README and documentation: Python, YAML and shell blocks, and commands in running text.

    python scripts/site/check_blocks.py          # all that follows
    python scripts/site/check_blocks.py --quick  # without what imports Ray, MLflow or torch: the test suite runs this

- Python: compiled, and each name that it imports is there. The blocks of the tutorials are run, by run_tutorials.py.
- YAML: read; with `reward:` and `task_set:` it is a preset, and must be a valid one.
- `python -m experiments.NAME`: parsed by the command itself, its options, their values, its presets; and, unless quick,
  each `--set` is applied to the preset and checked.
- `vlm-rewards`, `serve`, `ray`, `mlflow`: parsed by the program itself; the last three unless quick.
- `python -m MODULE`, `make NAME`, `pip install vlm-rewards[NAME]`, and files of the repository: there.
- Other programs: known by name.
"""

import ast
import importlib
import importlib.util
import itertools
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.site.fences import Block, blocks_of, command_lines

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))]
PAGES += [ROOT / "examples" / "README.md"]
#: What belongs to others, and is there or not on the reader's machine.
FOREIGN = {
    "apt-get",
    "curl",
    "docker",
    "export",
    "kubectl",
    "pipx",
    "huggingface-cli",
    "git",
    "cd",
    ".",
    "source",
    "jq",
}
FOREIGN |= {"random()", "P=$", "head", "base64", "tr", "}"}
_AT_ONCE = {"--help", "--version", "--install-completion", "--show-completion"}
_CLICK = {
    "serve": ("ray.serve.scripts", "cli"),
    "ray": ("ray.scripts.scripts", "cli"),
    "mlflow": ("mlflow.cli", "cli"),
}


def faults_of(block: Block, quick: bool) -> Iterator[str]:
    """Yield what is wrong with a block.

    Args:
        block: The block.
        quick: Leave out what imports Ray, MLflow or torch.
    """
    if block.language == "python":
        yield from _python(block.text)
    elif block.language in ("yaml", "yml"):
        yield from _yaml(block.text, quick)
    elif block.language in ("bash", "sh", "shell", "inline") or block.text.lstrip().startswith("make "):
        try:
            for _, words in command_lines(block.text):
                for wrong in _command(words, quick):
                    if block.language == "inline" and wrong.startswith(("Missing parameter", "Missing argument")):
                        continue  # running text names a command, and may leave out what it is of
                    yield f"{' '.join(words)[:100]}: {wrong}"
        except (ValueError, StopIteration) as error:
            yield f"no shell could read it ({error})"


def _python(text: str) -> Iterator[str]:
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        yield f"line {error.lineno}: {error.msg}"
        return
    names: list[tuple[str, str | None]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "", alias.name) for alias in node.names]
        else:
            continue
        for module, name in names:
            if not _has(module, name):
                yield f"there is no {module}{'.' + name if name else ''}"


# Not installed by `make install`; `make doors-check` runs the blocks that import them.
_TRIED_ELSEWHERE = ("lerobot", "torchrl")


def _has(module: str, name: str | None) -> bool:
    """Tell whether a module has a name: by its source where it is ours, and otherwise by the package being there."""
    path = _source(module)
    if path is None:
        package = module.partition(".")[0]
        return package in _TRIED_ELSEWHERE or importlib.util.find_spec(package) is not None
    if name is None or _source(f"{module}.{name}") is not None:
        return True
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return True
        if isinstance(node, ast.ImportFrom | ast.Import) and any((a.asname or a.name) == name for a in node.names):
            return True
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name:
            return True
    return False


def _source(module: str) -> Path | None:
    for root in (ROOT, ROOT / "platform"):
        path = root.joinpath(*module.split("."))
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                return file
    return None


def _yaml(text: str, quick: bool) -> Iterator[str]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        yield f"no YAML: {' '.join(str(error).split())}"
        return
    if not quick and isinstance(values, dict) and "reward" in values and "task_set" in values:
        from vlm_rewards.errors import ConfigError
        from vlm_rewards.reward_preset import RewardPreset

        try:
            RewardPreset(reward=values["reward"], task_set=values["task_set"])
        except ConfigError as error:
            yield str(error)


def _command(words: Sequence[str], quick: bool) -> Iterator[str]:
    words = list(words)
    while words and (words[0] == "env" or re.match(r"[A-Z_]+=", words[0])):
        words.pop(0)
    if "--" in words:  # what another program starts
        place = words.index("--")
        yield from _command(words[place + 1 :], quick)
        words = [*words[:place], "--", "PROGRAM"]
    if not words:
        return
    program = words[0] if words[0] in FOREIGN else Path(words[0]).name
    yield from _files(words)
    if program in ("python", "python3"):
        yield from _module(words, quick)
    elif program == "vlm-rewards":
        yield from _parsed("vlm_rewards.cli.commands", "app", words[1:])
    elif program == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        yield from (f"there is no `make {word}`" for word in words[1:] if word.islower() and word not in targets)
    elif program == "pip":
        known = (ROOT / "pyproject.toml").read_text()
        for extra in re.findall(r"vlm-rewards\[([\w,-]+)\]", " ".join(words)):
            yield from (f"there is no extra {each!r}" for each in extra.split(",") if f"\n{each} = [" not in known)
    elif program in _CLICK:
        if not quick:
            yield from _parsed(*_CLICK[program], words[1:])
    elif program not in FOREIGN and not words[0].startswith("$"):
        yield f"the program {program!r} is not known"


def _files(words: Sequence[str]) -> Iterator[str]:
    """Yield the files of the repository that are named and not there."""
    for word in words:
        if (
            re.match(r"(docs|deploy|serve_deployments|examples|scripts|notebooks)/[\w./-]+$", word)
            and not (ROOT / word).exists()
        ):
            yield f"there is no {word}"


def _module(words: Sequence[str], quick: bool) -> Iterator[str]:
    if words[1:2] == ["-c"]:
        yield from _python(words[2])
    elif words[1:2] == ["-m"] and len(words) > 2:
        module = words[2]
        if any(part.isupper() for part in module.split(".")):
            return  # `experiments.NAME` stands for any
        if not _has(module, None) or (_source(module) is None and module.partition(".")[0] in ("experiments", "envs")):
            yield f"there is no module {module}"
        elif module.startswith("experiments."):
            yield from _experiment(module, _written(words[3:]), quick)


def _written(words: Sequence[str]) -> list[str]:
    """Return words without the dots that stand for more, and without the option whose value they are."""
    kept: list[str] = []
    for word in words:
        if word in ("...", "…"):
            if kept and kept[-1].startswith("--"):
                kept.pop()
        else:
            kept.append(word)
    return kept


def _experiment(module: str, arguments: list[str], quick: bool) -> Iterator[str]:
    wrong = list(_parsed(module, "app", arguments))
    yield from wrong
    command = getattr(importlib.import_module(module), "command", None)
    if wrong or command is None or command.preset is None:
        return
    from experiments.shared.preset_files import PRESETS, load_preset

    folder = command.presets or command.name
    chosen = [value for flag, value in itertools.pairwise(arguments) if flag == "--preset"]
    sets = [value for flag, value in itertools.pairwise(arguments) if flag == "--set"]
    own = [preset for preset in chosen if not preset.endswith(".yaml")]
    yield from (f"there is no preset {name}" for name in own if not (PRESETS / folder / f"{name}.yaml").is_file())
    if quick or not sets or command.schema is None or command.read is not None:
        return
    from vlm_rewards.errors import ConfigError

    default = command.preset if isinstance(command.preset, str) else command.preset[0]
    try:
        values = load_preset(folder, (own or [default])[0], sets)
        command.schema(values)(**values)
    except ConfigError as error:
        yield str(error)


def _parsed(module: str, name: str, arguments: Sequence[str]) -> Iterator[str]:
    """Yield what a program of click's or typer's says of its arguments; nothing is started."""
    found: Any = importlib.import_module(module)
    if not hasattr(found, name):  # a folder, which is started by its `__main__`
        found = importlib.import_module(f"{module}.__main__")
    program: Any = getattr(found, name)
    if not hasattr(program, "make_context"):
        from typer.main import get_command

        program = get_command(program)
    rest = list(arguments)
    while hasattr(program, "commands"):
        if not rest or rest[0].startswith("-"):
            break
        word = rest.pop(0)
        found = program.commands.get(word)
        if found is None and program.commands:  # by another name, as `mlflow ui`
            context = type(next(iter(program.commands.values())).make_context("", [], resilient_parsing=True))
            found = program.get_command(context(program), word)
        if found is None:
            yield f"there is no subcommand {word!r}"
            return
        program = found
    known = {flag for parameter in program.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    if at_once := _AT_ONCE.intersection(rest):  # which would be done here, so they are looked up alone
        yield from (f"there is no option {flag}" for flag in at_once - known - {"--help"})
        return
    try:
        # `N` and `FOLDER` stand for something of the reader's own.
        program.make_context(module, ["1" if re.fullmatch(r"[A-Z_]+", word) else word for word in rest])
    except Exception as error:  # click's, or a copy of click's
        if type(error).__name__ != "Exit":
            yield str(error)


def main(arguments: list[str]) -> int:
    """Print what is wrong; the status is 1 where anything is."""
    blocks = [block for page in PAGES for block in blocks_of(page)]
    wrong = [(block, text) for block in blocks for text in faults_of(block, "--quick" in arguments)]
    for block, text in wrong:
        print(f"{block.page.relative_to(ROOT)}:{block.line}: {text}")
    print(f"{len(blocks)} blocks and commands of {len(PAGES)} pages, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
