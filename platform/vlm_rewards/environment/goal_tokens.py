"""Goal instructions as fixed-length token arrays: the policy's view of the goal.

The policy learns its own text encoder from scratch and never sees the reward model's embeddings, so that a
study of reward models changes one thing only. Words are hashed rather than looked up: there is no vocabulary
file to ship, and a goal that is added later keeps the tokens of all the others unchanged.
"""

import re
import zlib

import numpy as np

GOAL_LENGTH = 12
"""Tokens in one goal; shorter instructions are padded with `PADDING`."""

VOCAB_SIZE = 1024
"""Number of token ids: words hash to 1 ... VOCAB_SIZE - 1."""

PADDING = 0
"""Token id of the positions after the last word."""

_WORD = re.compile(r"\w+")


def tokenize(instruction: str) -> np.ndarray:
    """Hash the words of an instruction to token ids.

    Case and punctuation are ignored. Ids are the same on every machine and in every process (CRC-32 of the
    UTF-8 bytes; Python's own `hash` is salted).

    Args:
        instruction: For example "open Gmail"; 1 to `GOAL_LENGTH` words.

    Returns:
        int64 (GOAL_LENGTH,), values in [0, VOCAB_SIZE).

    Raises:
        ValueError: There is no word in the instruction, or more than `GOAL_LENGTH` of them (a silently cut
            instruction could make two goals look alike).
    """
    words = _WORD.findall(instruction.casefold())
    if not words:
        raise ValueError(
            f"goal instruction {instruction!r} holds no word; write what is to be done, as in 'open Gmail'"
        )
    if len(words) > GOAL_LENGTH:
        raise ValueError(
            f"goal instruction {instruction!r} has {len(words)} words; at most {GOAL_LENGTH} fit: shorten it"
        )
    tokens = np.full(GOAL_LENGTH, PADDING, dtype=np.int64)
    tokens[: len(words)] = [1 + zlib.crc32(word.encode()) % (VOCAB_SIZE - 1) for word in words]
    return tokens
