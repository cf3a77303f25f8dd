"""Prompt sets: named, versioned lists of templates, as files in `experiments/presets/prompts/`."""

from pydantic import Field, model_validator

from experiments.shared.preset_files import load_preset
from vlm_rewards.goals import PromptTemplate
from vlm_rewards.strict_config import StrictConfig


class Combine(StrictConfig):
    """Templates by combination: every prefix, the placeholder, every suffix.

    Attributes:
        prefixes: Words before [TASK], with their space.
        suffixes: Words after it.
    """

    prefixes: tuple[str, ...] = Field(min_length=1)
    suffixes: tuple[str, ...] = Field(min_length=1)


class PromptSet(StrictConfig):
    """Templates that are compared with one another.

    Attributes:
        name: Name of the set.
        version: Raised whenever a template changes: results name it.
        templates: Templates by a short name, sentences with [TASK] or [INSTRUCTION].
        combine: Further templates, named by themselves.
    """

    name: str = Field(min_length=1)
    version: int = Field(ge=1)
    templates: dict[str, str] = Field(default_factory=dict)
    combine: Combine | None = None

    @model_validator(mode="after")
    def _is_usable(self) -> "PromptSet":
        if not self.all_templates:
            raise ValueError("a prompt set needs templates, or prefixes and suffixes to combine")
        for text in self.all_templates.values():
            PromptTemplate(text=text)
        return self

    @property
    def all_templates(self) -> dict[str, str]:
        """Templates by name, each sentence once."""
        found = dict(self.templates)
        if self.combine is not None:
            texts = [f"{prefix}[TASK]{suffix}" for prefix in self.combine.prefixes for suffix in self.combine.suffixes]
            found |= {text: text for text in texts if text not in found.values()}
        return found


def load_prompt_set(name: str) -> PromptSet:
    """Return a shipped prompt set by name, or one from the path of a YAML file.

    Raises:
        ConfigError: There is none, or it is not usable.
    """
    return PromptSet(**load_preset("prompts", name))
