"""Which packaged models a job will ask for: those that its settings name."""

import importlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

import typer

from experiments.shared.command import Command, Invocation
from experiments.shared.preset_files import load_preset
from vlm_rewards.errors import ConfigError

#: What commands take where nothing names a model.
USUAL_MODEL = "pocket-android"
_ROOM = "experiments."


def named_models(entrypoint: Sequence[str], known: Collection[str]) -> list[str] | None:
    """Return the packaged models that a job's settings name, presets and overrides as the command reads them.

    The command line is checked meanwhile, as `--dry-run` would: what the command refuses is refused here.

    Args:
        entrypoint: The job's command line, such as `python -m experiments.train --preset demo`.
        known: Names of the packaged models.

    Returns:
        Their names, sorted; None where nothing can be known: the program is none of ours, or its settings lie on the
        cluster (`--resume`).

    Raises:
        SystemExit: The command refuses its options or settings, and has said why.
    """
    found = _command(entrypoint)
    if found is None:
        return None
    command, arguments = found
    if "--resume" in arguments or any(argument.startswith("--resume=") for argument in arguments):
        return None
    invocation = _invocation(command, arguments)
    texts = [*_texts([config.model_dump(mode="json") for config in invocation.configs]), *_texts(invocation.options)]
    return sorted(name for name in known if any(_names(text, name) for text in texts)) or [USUAL_MODEL]


def _command(entrypoint: Sequence[str]) -> tuple[Command, list[str]] | None:
    """Return the command that a command line starts, and what it is told; None if it starts none of ours."""
    words = list(entrypoint)
    for place, word in enumerate(words[:-1]):
        if word != "-m" or not words[place + 1].startswith(_ROOM):
            continue
        try:
            module = importlib.import_module(words[place + 1])
        except ModuleNotFoundError:
            return None
        arguments = words[place + 2 :]
        if hasattr(module, "command"):
            return module.command, arguments
        for command in getattr(module, "commands", ()):
            if arguments[:1] == [command.name]:
                return command, arguments[1:]
    return None


def _invocation(command: Command, arguments: Sequence[str]) -> Invocation:
    """Return what a command line asks of a command, which does nothing of it."""
    seen: list[Invocation] = []
    program = typer.main.get_command(replace(command, show=seen.append).app())
    try:
        program.main([*arguments, "--dry-run"], prog_name=f"python -m {_ROOM}{command.name}")
    except SystemExit:
        if not seen:
            raise
    return seen[0]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
            if key == "train" and isinstance(inner, str):
                yield from _trained(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value)


def _trained(preset: str) -> Iterator[str]:
    """Yield what a training preset says that settings name under `train`: they use its environment and its reward."""
    try:
        values = load_preset("train", preset)
    except ConfigError:  # the command will say so, in its own words
        return
    yield from _texts(values)


def _names(text: str, name: str) -> bool:
    """Tell whether a text names a model: alone, or among others."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None
