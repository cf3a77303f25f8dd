"""Settings that come in kinds: one table a family of kinds, from which presets are read."""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from vlm_rewards.errors import ConfigError
from vlm_rewards.strict_config import StrictConfig, near_matches

T = TypeVar("T", bound=StrictConfig)


class Registry(Generic[T]):
    """The kinds that a setting may be of, told apart by one key: `reward: {kind: clip, ...}`.

    A class is one kind. Its key is a field with the kind's name as its default, so the class says everything about
    itself, and adding it here is all that makes it known to presets, to `--set` and to error messages.

    Attributes:
        what: What the settings describe, for error messages.
        key: The field that tells kinds apart.
        default: The kind of a mapping that does not name one; None refuses such a mapping.
    """

    def __init__(self, what: str, key: str, *kinds: type[T], default: str | None = None) -> None:
        """Make a table.

        Args:
            what: What the settings describe, for error messages, such as "algorithm".
            key: The field that tells kinds apart.
            kinds: The classes known from the start.
            default: The kind of a mapping that does not name one; None refuses such a mapping.
        """
        self.what = what
        self.key = key
        self.default = default
        self._kinds: dict[str, type[T]] = {}
        for kind in kinds:
            self.add(kind)

    def add(self, kind: type[T]) -> type[T]:
        """Make a kind known; can be used as a decorator.

        Args:
            kind: A class whose field `key` has the kind's name as its default.

        Raises:
            ValueError: The class names no kind, or another class has the name.
        """
        field = kind.model_fields.get(self.key)
        name = field.default if field is not None else None
        if not isinstance(name, str):
            raise ValueError(f"{kind.__name__}.{self.key} must have the {self.what}'s name as its default")
        if self._kinds.setdefault(name, kind) is not kind:
            raise ValueError(f"there is already a {self.what} {name!r}: {self._kinds[name].__name__}")
        return kind

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self._kinds)

    def __getitem__(self, name: str) -> type[T]:
        """Return the class of a kind.

        Raises:
            ConfigError: No such kind; the message names those there are.
        """
        if name not in self._kinds:
            raise ConfigError(f"there is no {self.what} {name!r}; {near_matches(str(name), self._kinds)}")
        return self._kinds[name]

    def parse(self, value: Any, **defaults: Any) -> Any:
        """Return the settings that a preset's mapping stands for; settings are passed on as they are.

        Args:
            value: The mapping, or settings.
            defaults: What a mapping leaves out, as far as its kind has such settings.

        Raises:
            ConfigError: No mapping, no or an unknown kind, or values that the kind refuses.
        """
        if isinstance(value, tuple(self._kinds.values())):
            return value
        if not isinstance(value, dict):
            example = self.default or next(iter(self._kinds))
            raise ConfigError(f"{self.what} must be a mapping like {{{self.key}: {example}}}, not {value!r:.80}")
        name = value.get(self.key, self.default)
        if name is None:
            raise ConfigError(f"{self.what} lacks its {self.key}; {near_matches('', self._kinds)}")
        kind = self[name]
        known = {key: default for key, default in defaults.items() if key in kind.model_fields}
        return kind(**{**known, **value})
