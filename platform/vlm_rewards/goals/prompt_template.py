"""The words around a goal in the prompt that the text encoder reads."""

import re

from pydantic import field_validator

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals.goal import Goal
from vlm_rewards.strict_config import StrictConfig

PLACEHOLDER = "[TASK]"

# Stands for the goal's instruction, which the reward model never sees otherwise: for comparing instructions with
# descriptions where a goal's subject cannot be turned into an instruction by words around it.
INSTRUCTION = "[INSTRUCTION]"

_PLACEHOLDERS = re.compile("|".join(map(re.escape, (PLACEHOLDER, INSTRUCTION))))

# The four prompts of the paper's figure 5. C and D describe the achieved state, A and B give an instruction.
PAPER_TEMPLATES = {
    "A": "Open [TASK]",
    "B": "Open the [TASK] app",
    "C": "Screenshot of [TASK]",
    "D": "Screenshot of [TASK] on Android",
}


class PromptTemplate(StrictConfig):
    """A sentence with the placeholder [TASK], which a goal's subject replaces, or [INSTRUCTION], for its instruction.

    Attributes:
        text: The sentence; holds one of the placeholders at least once.
    """

    text: str

    @field_validator("text")
    @classmethod
    def _holds_the_placeholder(cls, text: str) -> str:
        if PLACEHOLDER not in text and INSTRUCTION not in text:
            known = ", ".join(PAPER_TEMPLATES)
            raise ValueError(f"{text!r} lacks {PLACEHOLDER}; write it where the goal goes, or name one of {known}")
        return text

    @classmethod
    def named(cls, name: str) -> "PromptTemplate":
        """Return one of the paper's templates ("A" to "D"), or `name` itself as a template if it holds [TASK].

        Raises:
            ConfigError: Neither a known name nor a sentence with [TASK].
        """
        if name in PAPER_TEMPLATES:
            return cls(text=PAPER_TEMPLATES[name])
        if PLACEHOLDER in name or INSTRUCTION in name:
            return cls(text=name)
        known = ", ".join(PAPER_TEMPLATES)
        raise ConfigError(f"unknown template {name!r}; use one of {known}, or a sentence that holds {PLACEHOLDER}")

    def fill(self, goal: Goal) -> str:
        """Return the prompt of `goal`. Its words are taken as they are, placeholders among them included."""
        words = {PLACEHOLDER: goal.subject, INSTRUCTION: goal.instruction}
        return _PLACEHOLDERS.sub(lambda match: words[match[0]], self.text)

    def bare(self) -> str:
        """Return the sentence without any goal's words."""
        return _PLACEHOLDERS.sub("", self.text)
