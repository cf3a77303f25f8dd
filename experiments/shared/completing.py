"""What a shell may complete `python -m experiments.` to: commands, their options, and the names of presets.

`scripts/completion.bash` asks. Typer's own `--install-completion` completes programs that have a name, such as
`vlm-rewards`, and `python -m` has none.

    python -m experiments.shared.completing 2 python -m experiments.tr      # place of the word, and all words
"""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.shared.command import Command

_FOLDER = Path(__file__).resolve().parents[1]
_PREFIX = "experiments."


def completions(place: int, words: Sequence[str]) -> list[str]:
    """Return what the word at a place may become; nothing for a line that is none of ours.

    Args:
        place: Index of the word that is being written.
        words: The words of the line so far: an interpreter, `-m`, the module, and its arguments.
    """
    if place < 2 or len(words) < 2 or words[1] != "-m":
        return []
    module = words[2] if len(words) > 2 else ""
    if place == 2:
        names = sorted(path.stem for path in _FOLDER.glob("*.py") if not path.stem.startswith("_"))
        return [_PREFIX + name for name in names if (_PREFIX + name).startswith(module)]
    name = module.removeprefix(_PREFIX)
    if not module.startswith(_PREFIX) or not (_FOLDER / f"{name}.py").is_file():
        return []
    module_itself = importlib.import_module(module)
    several: Sequence[Command] = getattr(module_itself, "commands", ())
    word, before = words[place] if place < len(words) else "", words[3:place]
    if several and not before:
        return [command.name for command in several if command.name.startswith(word)]
    chosen = [command for command in several if command.name == before[0]] if several else [module_itself.command]
    return [value for command in chosen for value in _of(command, before[-1] if before else "", word)]


def _of(command: Command, before: str, word: str) -> list[str]:
    options = command.all_options()
    for option in options:
        if before in option.names and option.kind is not bool:
            return [value for value in option.values() if value.startswith(word)] if option.values else []
    flags = [name for option in options if not option.is_argument and not option.hidden for name in option.names]
    return [flag for flag in (*flags, "--help") if word.startswith("-") and flag.startswith(word)]


if __name__ == "__main__":
    print("\n".join(completions(int(sys.argv[1]), sys.argv[2:])))
