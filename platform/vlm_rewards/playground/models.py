"""What the playground serves unless it is told otherwise: packaged pocket CLIPs, as the training presets use them."""

from pathlib import Path

from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardConfig
from vlm_rewards.service.transports.in_process import ModelSource
from vlm_rewards.strict_config import near_matches

_CACHE_MB = 16


def packaged() -> dict[str, tuple[RewardConfig, str]]:
    """Return rewards and names of their task sets, by the name that callers use.

    tau and beta of the phone are those of `make demo`, those of the home of its Find preset: calibrated, see
    docs/results.
    """
    both = NegativesSpec(kind="goals_and_states")
    phone = RewardConfig(model="pocket-android", template="D", negatives=both, tau=0.05, beta=0.9)
    home = RewardConfig(model="pocket-l", template="a photo of [TASK]", negatives=both, tau=0.01, beta=0.16)
    return {
        "reward-pocket": (phone, "open_common_apps"),
        "reward-pocket-l": (home, "playhouse_find_small"),
    }


def sources(names: list[str], presets: list[Path]) -> dict[str, ModelSource]:
    """Return what to load, by the name that callers use.

    Args:
        names: Names of `packaged`; with neither names nor presets, all of them.
        presets: YAML files of `reward:` and `task_set:`, served under the files' names.

    Raises:
        ConfigError: An unknown name, or a file that cannot be used.
    """
    from vlm_rewards.reward_preset import RewardPreset

    known = packaged()
    for name in names:
        if name not in known:
            raise ConfigError(f"no packaged reward is called {name!r}; {near_matches(name, known)}, or give --preset")
    chosen = names or ([] if presets else list(known))
    found = {name: ModelSource(known[name][0], TaskSet.named(known[name][1]), cache_mb=_CACHE_MB) for name in chosen}
    for path in presets:
        preset = RewardPreset.from_file(path)
        found[path.stem] = ModelSource(preset.reward, preset.tasks, cache_mb=_CACHE_MB)
    return found
