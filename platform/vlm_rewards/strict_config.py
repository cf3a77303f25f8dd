"""Configuration objects whose mistakes come out as one clear line."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from vlm_rewards.errors import ConfigError


class StrictConfig(BaseModel):
    """Frozen pydantic model that refuses unknown keys and raises `ConfigError` instead of `ValidationError`.

    The error is one line, `NAME.key: what is wrong`, with the nearest known key where one was misspelt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any) -> None:
        """Validates `values`.

        Raises:
            ConfigError: a value or key is not acceptable.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_one_line(type(self), error)) from error

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Like pydantic's, with `ConfigError` for what it refuses.

        Raises:
            ConfigError: a value or key is not acceptable.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise ConfigError(_one_line(cls, error)) from error

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Reads one object from a YAML mapping.

        Raises:
            ConfigError: the file is missing, is not YAML, or holds values or keys that are not acceptable.
        """
        values = read_yaml(path)
        try:
            return cls(**values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Reads a YAML mapping with string keys.

    Raises:
        ConfigError: the file is missing, is not YAML or is not a mapping.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; give the path of a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path} must hold `key: value` pairs at its top level")
    return values


def near_matches(name: str, known: Iterable[str]) -> str:
    """Says which known name was probably meant, as the tail of an error message."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(match) for match in close) + "?"
    return "known: " + (", ".join(names[:40]) or "none")


def _one_line(model: type[BaseModel], error: ValidationError) -> str:
    parts = []
    for problem in error.errors():
        where = ".".join([model.__name__, *(str(piece) for piece in problem["loc"])])
        if problem["type"] == "extra_forbidden":
            unknown = str(problem["loc"][-1])
            hint = near_matches(unknown, model.model_fields) if len(problem["loc"]) == 1 else "remove it"
            parts.append(f"{where}: unknown key {unknown!r}; {hint}")
        elif problem["type"] == "missing":
            parts.append(f"{where}: is required")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            if not problem["loc"] and isinstance(problem.get("ctx", {}).get("error"), ConfigError):
                parts.append(message)  # `model_validate` calls `__init__`, which has named the place already
                continue
            given = "" if problem["type"] == "value_error" else f" (got {problem['input']!r:.80})"
            parts.append(f"{where}: {message}{given}")
    return " ".join("; ".join(parts).split())
