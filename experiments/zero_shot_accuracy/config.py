"""What a zero-shot evaluation is made of: the schema of `experiments/presets/zero_shot/*.yaml`."""

from collections.abc import Iterable
from typing import Any

from pydantic import Field, model_validator

from experiments.offline.config import OfflineTracking
from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.caption_source import import_source
from vlm_rewards.strict_config import StrictConfig


class PicturesConfig(StrictConfig):
    """The labelled pictures, rendered at the size that an encoder reads.

    Attributes:
        source: `package.module:function` of a caption source.
        options: Keyword arguments of the source.
        count: Pictures.
        seed: Seed of the renderings.
        workers: Rendering processes; 0 renders in this one.
    """

    source: str
    options: dict[str, Any] = Field(default_factory=dict)
    count: int = Field(default=2000, ge=1)
    seed: int = Field(default=0, ge=0)
    workers: int = Field(default=0, ge=0)


class ClassesConfig(StrictConfig):
    """What a picture can be called: one class a caption.

    Attributes:
        source: `package.module:function` that returns a mapping of words for each class, such as
            `{"thing": "a red mug", "colour": "red", "category": "mug"}`.
        options: Keyword arguments of the source.
        label: Words in braces, the label that pictures of a class have.
        captions: With words in braces; several count as one, at the mean of their embeddings.
        facets: Words by which accuracy is broken down.
    """

    source: str
    options: dict[str, Any] = Field(default_factory=dict)
    label: str
    captions: tuple[str, ...] = Field(min_length=1)
    facets: tuple[str, ...] = Field(min_length=1)

    def words(self) -> dict[str, dict[str, str]]:
        """Return the words of each class by its label.

        Raises:
            ConfigError: The source cannot be imported or called, a word in braces is none of its words, or two
                classes share a label or a caption.
        """
        source: Any = import_source(self.source, self.options)
        try:
            classes: Iterable[dict[str, str]] = source()
        except TypeError as error:
            raise ConfigError(f"{self.source} cannot be called ({error}); check classes.options") from error
        by_label: dict[str, dict[str, str]] = {}
        captions = set()
        for words in classes:
            for facet in self.facets:
                if facet not in words:
                    raise ConfigError(f"classes.facets names {facet!r}, but a class has {', '.join(words)}")
            by_label[_filled(self.label, words)] = words
            captions.add(tuple(_filled(caption, words) for caption in self.captions))
            if len(by_label) != len(captions):
                raise ConfigError(f"two classes share a label or a caption ({words}); let both name all that differs")
        return by_label

    def captions_of(self, words: dict[str, str]) -> tuple[str, ...]:
        """Return the captions of the class with these words."""
        return tuple(_filled(caption, words) for caption in self.captions)


class ZeroShotConfig(StrictConfig):
    """One zero-shot evaluation.

    Attributes:
        name: Name of its rows in tables and of its section in model cards.
        title: What it measures, in a few words.
        pictures: What is looked at.
        classes: What it can be called.
        target: Accuracy that the largest model of the ladder is to reach.
        tracking: Where results go.
    """

    name: str = Field(min_length=1, pattern=r"^[\w.-]+$")
    title: str = Field(min_length=1)
    pictures: PicturesConfig
    classes: ClassesConfig
    target: float = Field(default=0.0, ge=0, le=1)
    tracking: OfflineTracking = OfflineTracking()

    @model_validator(mode="after")
    def _braces_close(self) -> "ZeroShotConfig":
        for text in (self.classes.label, *self.classes.captions):
            if "{" not in text:
                raise ValueError(f"{text!r} names no word in braces, so that every class would be called alike")
        return self


def _filled(text: str, words: dict[str, str]) -> str:
    try:
        return text.format(**words)
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigError(f"{text!r} cannot be filled in; words in braces can be {', '.join(words)}") from error
