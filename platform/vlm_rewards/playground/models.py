"""What the playground serves: packaged rewards, presets of one's own, or both."""

from collections.abc import Sequence
from pathlib import Path

from vlm_rewards.reward_preset import RewardPreset, packaged_rewards
from vlm_rewards.service.transports.in_process import ModelSource

_CACHE_MB = 16


def sources(names: Sequence[str], presets: Sequence[Path]) -> dict[str, ModelSource]:
    """Return what to load, by the name that callers use.

    Args:
        names: Names of packaged rewards; with neither names nor presets, all of them.
        presets: YAML files of `reward:` and `task_set:`, folders of saved rewards or hub ids, served under their last
            names.

    Raises:
        ConfigError: An unknown name, or a file that cannot be used.
    """
    chosen = names or ([] if presets else list(packaged_rewards()))
    found = {name: RewardPreset.named_or_from_file(name) for name in chosen}
    found.update({path.stem: RewardPreset.named_or_from_file(str(path)) for path in presets})
    return {name: ModelSource(preset.reward, preset.tasks, cache_mb=_CACHE_MB) for name, preset in found.items()}
