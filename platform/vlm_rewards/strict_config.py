"""Configuration objects whose mistakes come out as one clear line."""

import difflib
import math
import re
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
        """Validate `values`.

        Raises:
            ConfigError: A value or key is not acceptable.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_one_line(type(self), error)) from error

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Validate as pydantic does, with `ConfigError` for what it refuses.

        Raises:
            ConfigError: A value or key is not acceptable.
        """
        try:
            return super().model_validate(obj, **options)
        except ValidationError as error:
            raise ConfigError(_one_line(cls, error)) from error

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """Read one object from a YAML mapping.

        Raises:
            ConfigError: The file is missing, is not YAML, or holds values or keys that are not acceptable.
        """
        values = read_yaml(path)
        try:
            return cls(**values)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML mapping with string keys.

    Raises:
        ConfigError: The file is missing, is not YAML, is not a mapping, or holds what `parse_yaml` refuses.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; give the path of a YAML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not valid YAML: it is no UTF-8 text") from error
    try:
        values = parse_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise ConfigError(f"{path} must hold `key: value` pairs at its top level")
    return values


def parse_yaml(text: str) -> Any:
    """Return what a YAML text says.

    Raises:
        ConfigError: It is not YAML, says one key twice, nests too deeply, or has a number that no setting can hold.
    """
    try:
        value = yaml.load(text, _SettingsLoader)
        _check_values(value)
    except ConfigError:
        raise
    except yaml.YAMLError as error:
        raise ConfigError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ConfigError("it nests too deeply") from error
    except ValueError as error:
        # Of Python's own readers: an integer of thousands of digits, a date that there is not.
        raise ConfigError(" ".join(str(error).split())[:200]) from error
    return value


# The largest task set has some 20,000.
_MOST_VALUES = 200_000


class _SettingsLoader(yaml.SafeLoader):
    """YAML's safe loader, which takes a key that is there twice for the mistake that it is."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping.

        Raises:
            ConstructorError: A key is there twice.
        """
        seen = set()
        for key_node, _ in node.value:
            key = (key_node.tag, key_node.value) if isinstance(key_node, yaml.ScalarNode) else None
            if key is not None and key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key_node.value!r} is there twice; remove one", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _check_values(value: Any) -> int:
    """Refuse integers beyond 64 bits, floats without an end, and aliases of aliases that grow without one.

    Returns:
        How many values there are.
    """
    count = 1
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            count += _check_values(inner)
            if count > _MOST_VALUES:
                raise ConfigError(f"it stands for more than {_MOST_VALUES:,} values; leave its aliases out")
    elif isinstance(value, int) and abs(value) >= 2**63:
        raise ConfigError(f"the number {str(value)[:20]}... is too large for any setting")
    elif isinstance(value, float) and math.isinf(value):
        raise ConfigError("an infinite number is no setting; leave a limit out, or write null")
    return count


def near_matches(name: str, known: Iterable[str]) -> str:
    """Say which known name was probably meant, as the tail of an error message."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(repr(match) for match in close) + "?"
    return "known: " + (", ".join(names[:40]) or "none")


def _one_line(model: type[BaseModel], error: ValidationError) -> str:
    parts = []
    for problem in error.errors(include_url=False):
        where = _where(model, problem["loc"])
        if problem["type"] == "extra_forbidden":
            unknown = str(problem["loc"][-1])
            hint = near_matches(unknown, model.model_fields) if len(problem["loc"]) == 1 else "remove it"
            parts.append(f"{where}: unknown key {unknown!r}; {hint}")
        elif problem["type"] == "missing":
            parts.append(f"{where}: is required")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            inner = problem.get("ctx", {}).get("error")
            if not problem["loc"] and isinstance(inner, ConfigError):
                parts.append(message)  # `model_validate` calls `__init__`, which has named the place already
                continue
            if isinstance(inner, ConfigError) and _NAMED.match(message):
                parts.append(_NAMED.sub(rf"\1{where}.", message))  # one path through all settings, not a class a level
                continue
            given = "" if problem["type"] in _IN_OUR_WORDS else f" (got {problem['input']!r:.80})"
            parts.append(f"{where}: {_plain(problem['type'], message)}{given}")
    return " ".join("; ".join(dict.fromkeys(parts)).split())


def _where(model: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """Return a place as it is written in YAML: what pydantic adds for branches of a union is no key."""
    pieces = [str(piece) for piece in place if not (isinstance(piece, str) and _BRANCH.search(piece))]
    return ".".join([model.__name__, *pieces])


_BRANCH = re.compile(r"[\[\](){}<>]|^(int|float|str|bool|none|list|tuple|dict)$")
_NAMED = re.compile(r"(^|; )[A-Z]\w*\.(?=[\w.]+: )")
_IN_OUR_WORDS = ("value_error", "assertion_error")
_MAPPINGS = ("model_type", "dict_type", "model_attributes_type", "mapping_type", "dataclass_type")


def _plain(kind: str, message: str) -> str:
    """Return pydantic's sentence without its own terms."""
    if kind in _MAPPINGS:
        return "must be a mapping of settings, `{key: value}`"
    if kind == "is_instance_of":
        return "is of the wrong kind"
    message = message.replace("Input should be", "must be").replace("Input should have", "must have")
    return message.replace("Input ", "it ", 1) if message.startswith("Input ") else message
