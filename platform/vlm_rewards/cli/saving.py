"""`vlm-rewards save` and `push`: a reward into a folder, and onto the hub."""

from pathlib import Path
from typing import Any

import typer

from vlm_rewards.hub.saved_reward import CalibrationCurve
from vlm_rewards.reward_model import RewardModel
from vlm_rewards.reward_preset import RewardPreset


def save_reward(
    preset: RewardPreset, folder: Path, with_weights: bool, calibration: Path | None, license: str | None
) -> None:
    """Load a reward, which proves it, and write its folder.

    Args:
        preset: The reward.
        folder: Where to.
        with_weights: Copy the models that are folders of this machine.
        calibration: File of its calibration.
        license: For the card.

    Raises:
        ConfigError: The calibration cannot be read, or the reward cannot be written.
        VLMRewardsError: It cannot be loaded.
    """
    curve = None if calibration is None else CalibrationCurve.read(calibration)
    model = RewardModel(preset.reward, preset.tasks)
    model.save_pretrained(folder, with_weights=with_weights, calibration=curve, license=license)
    typer.echo(f"{folder}: {len(model.task_set.all_goals)} goals, fingerprint {model.fingerprint[:12]}")


def save_agent(
    checkpoint: Path, target: str, push: bool, private: bool, environment: str, trained_on: str, license: str | None
) -> None:
    """Write the agent of a checkpoint into a folder, or upload it.

    Args:
        checkpoint: Folder of a run, or of a checkpoint of RLlib's.
        target: Folder, or hub id.
        push: Whether the target is a hub id.
        private: Whether a new repository is private.
        environment: Gymnasium id that it was trained in.
        trained_on: What paid it.
        license: For the card.

    Raises:
        ConfigError: No checkpoint, or a target that cannot be written.
    """
    from vlm_rewards.rllib import saved_agent

    module = saved_agent.agent_of(checkpoint)
    about: dict[str, Any] = {"environment": environment, "trained_on": trained_on, "license": license}
    if push:
        typer.echo(saved_agent.push_agent(module, target, private=private or None, **about))
    else:
        typer.echo(saved_agent.save_agent(module, target, **about))


def push_reward(
    preset: RewardPreset,
    repo_id: str,
    with_weights: bool,
    calibration: Path | None,
    license: str | None,
    options: dict[str, Any],
) -> None:
    """Load a reward, which proves it, and upload it.

    Args:
        preset: The reward.
        repo_id: Where to on the hub.
        with_weights: Send the models that are folders of this machine along.
        calibration: File of its calibration.
        license: For the card.
        options: See `RewardModel.push_to_hub`.

    Raises:
        ConfigError: As for `save_reward`; or the hub refuses.
        VLMRewardsError: It cannot be loaded.
    """
    curve = None if calibration is None else CalibrationCurve.read(calibration)
    model = RewardModel(preset.reward, preset.tasks)
    address = model.push_to_hub(repo_id, with_weights=with_weights, calibration=curve, license=license, **options)
    typer.echo(f"{address}: {len(model.task_set.all_goals)} goals, fingerprint {model.fingerprint[:12]}")
