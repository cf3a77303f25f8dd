"""Whether an application that runs already serves the reward that a run's settings name."""

from pathlib import Path
from typing import Any

from vlm_rewards.encoders import Encoder
from vlm_rewards.encoders.loading import resolve_model
from vlm_rewards.errors import ConfigError, VLMRewardsError
from vlm_rewards.goals import PromptTemplate, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardDescription


def refuse_another_reward(
    description: RewardDescription,
    reward: RewardConfig,
    task_set: TaskSet,
    where: str,
    fingerprint: str | None = None,
    encoder: Encoder | None = None,
) -> None:
    """Refuse an application whose reward is not that of the settings.

    Goals, captions and head are compared exactly: the reward's fingerprint is computed here from the application's
    encoder. The encoder is compared by fingerprint, or by name where its weights are not on this machine.

    Args:
        description: What the application says of itself.
        reward: The settings.
        task_set: The goals.
        where: What the application is called in messages.
        fingerprint: Fingerprint of the reward, where the caller knows it: then no weights are loaded to compare.
        encoder: Encoder of `reward.model`, where the caller has loaded it already.

    Raises:
        ConfigError: It serves another reward; the message names what differs.
    """
    differences = _prompt_and_head(description, reward, task_set)
    if fingerprint is None:
        differences += _encoder(description, reward, encoder)
    elif fingerprint != description.fingerprint and not differences:
        differences.append(
            f"its fingerprint is {description.fingerprint[:12]}, served_by.fingerprint {fingerprint[:12]}"
        )
    if differences:
        raise ConfigError(
            f"{where} serves another reward than the settings name: {'; '.join(differences)}; change the settings, "
            "or serve this reward with served_by.kind=deploy"
        )


def _prompt_and_head(description: RewardDescription, reward: RewardConfig, task_set: TaskSet) -> list[str]:
    if reward.fingerprint(task_set, description.encoder_fingerprint) == description.fingerprint:
        return []
    head = reward.head
    compared: list[tuple[str, Any, Any]] = [
        ("head.form", description.form, head.form),
        ("head.agree", description.agree.model_dump(), head.agree.model_dump()),
        ("template", description.template, PromptTemplate.named(reward.template).text),
    ]
    if head.uses_negatives:
        there, here = (one.negatives.model_dump(mode="json") for one in (description, reward))
        compared += [("tau", description.tau, reward.tau), ("negatives", there, here)]
    if head.terminates:
        compared.append(("beta", description.beta, reward.beta))
    found = [f"reward.{name} is {there!r} there and {here!r} here" for name, there, here in compared if there != here]
    ours, theirs = {goal.id for goal in task_set.all_goals}, set(description.goal_ids)
    if ours - theirs:
        found.append(f"it has no goal {_some(ours - theirs)} of task set {task_set.name!r}")
    if theirs - ours:
        found.append(f"it has goals that task set {task_set.name!r} lacks: {_some(theirs - ours)}")
    return found or [
        f"the wording of goals or captions of task set {task_set.name!r} (version {task_set.version} here), or a "
        "setting of reward.head, differs"
    ]


def _encoder(description: RewardDescription, reward: RewardConfig, encoder: Encoder | None) -> list[str]:
    encoder = encoder or _loaded_here(reward)
    if encoder is None:
        if _same_name(description.model, reward.model):
            return []
        return [f"reward.model is {description.model!r} there and {reward.model!r} here"]
    if encoder.fingerprint == description.encoder_fingerprint:
        return []
    if not _same_name(description.model, reward.model):
        return [f"reward.model is {description.model!r} there and {reward.model!r} here"]
    if tuple(encoder.image_size) != tuple(description.image_size):
        return [f"its model reads images of {description.image_size}, {reward.model!r} here {encoder.image_size}"]
    return [
        f"its model {description.model!r} has other weights, precision or runtime than the one here (encoder "
        f"fingerprints {description.encoder_fingerprint[:12]} and {encoder.fingerprint[:12]}; name reward.precision "
        f"and reward.encoder on both sides, or take it as it is with served_by.fingerprint={description.fingerprint})"
    ]


def _loaded_here(reward: RewardConfig) -> Encoder | None:
    """Return the encoder if this machine has it; a hub's is not fetched for a comparison."""
    try:
        if reward.model == "fake" or Path(resolve_model(reward.model)).is_dir():
            return reward.load_encoder()
    except VLMRewardsError:
        pass  # no such folder, device or runtime here; the application has what it takes
    return None


def _same_name(there: str, here: str) -> bool:
    """Tell whether two models are called the same; folders may lie elsewhere on another machine."""
    if Path(there).is_absolute() or Path(here).is_absolute():
        return Path(there).name == Path(here).name
    return there == here


def _some(names: set[str]) -> str:
    shown = sorted(names)
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
