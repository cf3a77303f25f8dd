"""Presets: YAML files beside the experiments, with typed overrides from the command line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from vlm_rewards.errors import ConfigError

PRESETS = Path(__file__).parents[1] / "presets"


def preset_names(command: str) -> list[str]:
    """Return the names of the presets that a command ships with."""
    return sorted(path.stem for path in (PRESETS / command).glob("*.yaml"))


def load_preset(command: str, preset: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return a preset's values with overrides applied.

    Args:
        command: Folder of `experiments/presets/`.
        preset: Name of a shipped preset, or the path of a YAML file.
        overrides: `key.subkey=value` each; the value is read as YAML, so numbers, lists and booleans keep their type.

    Raises:
        ConfigError: No such preset, one that extends itself, or an override that cannot be read or leads through a
            value that has no keys.
    """
    values = _extended(command, preset, ())
    for override in overrides:
        apply_override(values, override)
    return values


def _extended(command: str, preset: str, below: tuple[Path, ...]) -> dict[str, Any]:
    """Read a preset; what it leaves out comes from the preset that it names under `extends`.

    Args:
        command: As in `load_preset`.
        preset: As in `load_preset`.
        below: The presets that lead to this one by extending it.
    """
    # Imported here: `--help` names presets and reads none.
    from vlm_rewards.strict_config import read_yaml

    path = _path(command, preset)
    if path.resolve() in below:
        chain = " extends ".join(step.name for step in (*below[below.index(path.resolve()) :], path))
        raise ConfigError(f"the preset {path} extends itself ({chain}): name another under `extends`")
    values = read_yaml(path)
    base = values.pop("extends", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise ConfigError(f"{path}: extends must be the name or path of one preset, not {base!r:.80}")
    return merged(_extended(command, base, (*below, path.resolve())), values)


def _path(command: str, preset: str) -> Path:
    path = PRESETS / command / f"{preset}.yaml"
    if path.is_file():
        return path
    path = Path(preset)
    if path.suffix not in {".yaml", ".yml"}:
        from vlm_rewards.strict_config import near_matches

        raise ConfigError(f"unknown preset {preset!r}; {near_matches(preset, preset_names(command))}")
    return path


def merged(base: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with `values` over it, level by level; lists are replaced.

    A mapping of another `kind` or `name` than the one below it is another thing, and takes nothing from it.
    """
    result = dict(base)
    for key, value in values.items():
        inner = result.get(key)
        is_merged = isinstance(inner, dict) and isinstance(value, dict) and not _differ(inner, value)
        result[key] = merged(cast(dict[str, Any], inner), value) if is_merged else value
    return result


def _differ(base: dict[str, Any], values: dict[str, Any]) -> bool:
    return any(tag in values and values[tag] != base.get(tag) for tag in ("kind", "name"))


def apply_override(values: dict[str, Any], override: str) -> None:
    """Set one `key.subkey=value` in `values`.

    Raises:
        ConfigError: The text is not of that form, or leads through a value that has no keys.
    """
    keys, equals, text = override.partition("=")
    if not equals or not all(keys.split(".")):
        raise ConfigError(f"cannot read the override {override!r}; write it as key.subkey=value")
    from vlm_rewards.strict_config import parse_yaml

    try:
        value = parse_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"the value of the override {_short(override)} cannot be read ({error}); quote it") from error
    set_value(values, keys, value)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def with_shortcuts(values: dict[str, Any], shortcuts: dict[str, Any]) -> dict[str, Any]:
    """Return a preset's values with those options over them that were given: `key.subkey` to value; None was not."""
    for keys, value in shortcuts.items():
        if value is not None and value != []:
            set_value(values, keys, value)
    return values


def set_value(values: dict[str, Any], keys: str, value: Any) -> None:
    """Set `key.subkey` in `values`.

    Raises:
        ConfigError: The keys lead through a value that has none.
    """
    *parents, last = keys.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise ConfigError(f"the setting {keys!r} leads through {parent!r}, which has no keys below it")
    values[last] = value
