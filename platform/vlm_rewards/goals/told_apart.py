"""Whether a model can tell the goals of a task set, and their negatives, apart.

To a text tower that does not know a script, folds accents or drops a symbol, two prompts can be one. Their goals then
share each other's rewards for ever, and a goal that is one of its own negatives is never reached.
"""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vlm_rewards.encoders.encoder import TextReading
from vlm_rewards.errors import ConfigError

logger = logging.getLogger("vlm_rewards.goals")

# Distance of two embeddings of length 1 below which they are one: a hundred times what rounding does in fp32. The
# nearest two captions that compete in a packaged task set, of a pose and of almost that pose, are 0.017 apart.
_ONE_TEXT = 1e-3

# Share of a prompt's words that may be unknown before it is worth a warning.
_MOSTLY = 0.5

# Texts named in one warning.
_NAMED = 5


def check_prompts(
    prompts: Mapping[str, Sequence[str]],
    embeddings: Mapping[str, npt.NDArray[np.float32]],
    readings: Mapping[str, TextReading],
    bare: str,
    model: str,
) -> None:
    """Refuse goals that the model cannot tell from each other or from a negative, and warn of what it half reads.

    Args:
        prompts: Prompts of each goal id, its own prompt first, then its negatives.
        embeddings: float32 (D,) of length 1 of each prompt.
        readings: What the tokenizer makes of each prompt, and of `bare`; empty where the encoder does not say.
        bare: The template's sentence without any goal's words.
        model: To name.

    Raises:
        ConfigError: Two goals are one to the model, a goal is one of its negatives, or nothing of a goal is read.
    """
    if readings:
        _check_anything_is_read(prompts, readings, bare, model)
    own = {goal_id: texts[0] for goal_id, texts in prompts.items()}
    ids, texts = list(own), list(own.values())
    table = _rows(texts, embeddings)
    for index, goal_id in enumerate(ids):
        for other in _same(index, texts, table, table[:index], texts[:index], readings):
            raise _one(f"goals {ids[other]!r} and {goal_id!r}", texts[other], texts[index], model)
    for index, goal_id in enumerate(ids):
        negatives = list(prompts[goal_id][1:])
        rows = _rows(negatives, embeddings) if negatives else table[:0]
        for other in _same(index, texts, table, rows, negatives, readings):
            raise _one(f"goal {goal_id!r} and one of its negatives", texts[index], negatives[other], model)
    if readings:
        _warn(prompts, readings, model)


def _rows(texts: Sequence[str], embeddings: Mapping[str, npt.NDArray[np.float32]]) -> npt.NDArray[np.float64]:
    return np.array([embeddings[text] for text in texts], np.float64)


def _same(
    index: int,
    texts: Sequence[str],
    table: npt.NDArray[np.float64],
    others: npt.NDArray[np.float64],
    other_texts: Sequence[str],
    readings: Mapping[str, TextReading],
) -> list[int]:
    """Return which of the others are one with text `index`, by their tokens or by their embeddings."""
    if not other_texts:
        return []
    near = np.linalg.norm(others - table[index], axis=1) < _ONE_TEXT
    if readings:
        tokens = readings[texts[index]].tokens
        near |= np.array([readings[text].tokens == tokens for text in other_texts])
    return np.flatnonzero(near).tolist()


def _one(who: str, first: str, second: str, model: str) -> ConfigError:
    return ConfigError(
        f"{who} are one to model {model!r}, which cannot tell {first!r} from {second!r}; reword one of them in words "
        "that its tokenizer knows"
    )


def _check_anything_is_read(
    prompts: Mapping[str, Sequence[str]], readings: Mapping[str, TextReading], bare: str, model: str
) -> None:
    for goal_id, (prompt, *_) in prompts.items():
        if not readings[prompt].words or readings[prompt].tokens == readings[bare].tokens:
            raise ConfigError(
                f"model {model!r} reads nothing of goal {goal_id!r} in {prompt!r}; reword its subject in "
                "characters that the tokenizer knows"
            )


def _warn(prompts: Mapping[str, Sequence[str]], readings: Mapping[str, TextReading], model: str) -> None:
    texts = dict.fromkeys(text for own in prompts.values() for text in own)
    unknown = [text for text in texts if readings[text].unknown > _MOSTLY * readings[text].words]
    if unknown:
        logger.warning(
            "model %r does not know most words of %d prompts (such as %s); their rewards mean little",
            model,
            len(unknown),
            ", ".join(repr(text) for text in unknown[:_NAMED]),
        )
    by_tokens: dict[tuple[int, ...], list[str]] = {}
    for text in texts:
        by_tokens.setdefault(readings[text].tokens, []).append(text)
    for same in by_tokens.values():
        if len(same) > 1:
            logger.warning("model %r reads the negatives %s as one, which counts %d times", model, same, len(same))
