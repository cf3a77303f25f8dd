"""What a checkpoint's tokenizer does to a text before it looks words up: it may not grow without bound, nor panic."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlm_rewards.encoders.checkpoint_files import read_settings
from vlm_rewards.errors import CheckpointError

# How many times longer a text may become. Real ones replace blanks by one character, and put one before a text.
_MOST_GROWTH = 64.0


def check_normalizer(folder: Path) -> None:
    """Refuse a tokenizer.json whose steps one after another make a short prompt fill the memory.

    Args:
        folder: The checkpoint's.

    Raises:
        CheckpointError: It is such a one, or cannot be read.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():  # a slow tokenizer's files have no steps
        return
    settings = read_settings(path)
    try:
        growth = _growth(settings.get("normalizer")) * _growth(settings.get("pre_tokenizer"))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} has a normalizer that cannot be read; restore the folder's files") from error
    if growth > _MOST_GROWTH:
        raise CheckpointError(
            f"{path} makes texts up to {growth:.3g} times longer before it reads them, which no model's does; restore "
            "the folder's files"
        )


@contextmanager
def without_panics(source: str) -> Iterator[None]:
    """Turn a panic of the tokenizer, which is no `Exception`, into an error of one line.

    Args:
        source: The checkpoint, to name.

    Raises:
        CheckpointError: It has panicked, as at a pattern that goes back and forth for ever.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"the tokenizer of {source} breaks off at a text ({reason}); restore its tokenizer.json, or take another "
            "model"
        ) from error


def _growth(step: Any) -> float:
    """Return how many times longer a step makes a text of one character, at most."""
    if step is None:
        return 1.0
    kind = step.get("type")
    if kind == "Sequence":
        total = 1.0
        for inner in step.get("normalizers") or step.get("pretokenizers") or ():
            total = min(total * _growth(inner), 1e30)
        return total
    if kind == "Prepend":
        return 1.0 + len(step["prepend"])
    if kind == "Replace":
        # A pattern may match each character, and between any two.
        pattern, content = step["pattern"], step["content"]
        literal = pattern.get("String")
        return max(1.0, len(content) / len(literal)) if literal else 1.0 + len(content)
    return 1.0
