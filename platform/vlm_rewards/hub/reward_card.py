"""The README.md of a saved reward, as the hub's pages show it."""

from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import ModelCard, ModelCardData

import vlm_rewards
from vlm_rewards.encoders import packaged_models
from vlm_rewards.goals import PromptTemplate, TaskSet
from vlm_rewards.reward_config import RewardConfig
from vlm_rewards.whole_files import written_whole

if TYPE_CHECKING:
    from vlm_rewards.hub.saved_reward import CalibrationCurve, SavedReward

CARD = "README.md"
_GOALS_LISTED = 30
_POINTS_LISTED = 11
_TAGS = ["reward-model", "reinforcement-learning", "vision-language", "vlm-rewards"]

_BODY = """
# {name}: a reward of vlm_rewards

Pays an agent from pictures alone: {form_says}
Made with vlm_rewards {version}. The model is frozen; it is named here, and contained only where the table says so.

```python
from vlm_rewards.reward_model import RewardModel

reward = RewardModel.from_pretrained("{source}")
scores = reward.score(frames, goal_ids)  # frames: uint8 (N, H, W, 3); N ids of the goals below
```

A command or a preset takes it as well: `vlm-rewards score PICTURES --preset {source}`, `reward: {source}`.

| | |
|---|---|
{rows}

## Goals

{goal_list}

## Calibration

{calibration}

## Limits

A reward is precise on what it was measured on. Elsewhere its threshold says little: check it on labelled pictures of
your own (`vlm-rewards check-reward`, `python -m experiments.calibrate`), and judge agents by something else than the
reward that they are trained on.
"""


def write_card(
    folder: Path, saved: "SavedReward", calibration: "CalibrationCurve | None", license: str | None, repo_id: str | None
) -> None:
    """Write the card of a saved reward.

    Args:
        folder: Where to.
        saved: What the folder holds.
        calibration: How precise the reward was found to be.
        license: The hub's id of a license; None says nothing of it.
        repo_id: Where it will be on the hub, for the examples; None names the folder.
    """
    reward, tasks = saved.reward, saved.task_set
    on_the_hub = [model for model in reward.models if _is_on_the_hub(model)]
    data = ModelCardData(
        library_name="vlm_rewards",
        tags=_TAGS,
        license=license,
        base_model=on_the_hub if len(on_the_hub) > 1 else on_the_hub[0] if on_the_hub else None,
    )
    head = reward.head
    body = _BODY.format(
        name=tasks.name,
        source=repo_id or folder.name,
        form_says=(
            "1 where the score is above beta, which ends the episode, and else 0."
            if head.terminates
            else "the score of each frame, which ends no episode."
        ),
        version=vlm_rewards.__version__,
        rows="\n".join(f"| {name} | {value} |" for name, value in described(reward, tasks, saved.fingerprint).items()),
        goal_list=_goals(saved),
        calibration=_calibration(calibration),
    )
    with written_whole(folder / CARD) as partial:
        ModelCard(f"---\n{data.to_yaml()}\n---\n{body}").save(partial)


def described(reward: RewardConfig, tasks: TaskSet, fingerprint: str) -> dict[str, str]:
    """Return what a card says of a reward's settings, as Markdown by heading.

    Args:
        reward: The settings.
        tasks: Its goals.
        fingerprint: Hex sha256 of the loaded reward.
    """
    head, negatives = reward.head, reward.negatives
    drawn = "" if negatives.count is None else f", {negatives.count} drawn by seed {negatives.seed}"
    return {
        "model": ", ".join(f"`{model}`{_where(model)}" for model in reward.models),
        "template": _code(PromptTemplate.named(reward.template).text),
        "negatives": f"`{negatives.kind}`{drawn}",
        "form": f"`{head.form}`",
        "temperature tau": f"{reward.tau:g}" if head.uses_negatives else "not used",
        "threshold beta": f"{reward.beta:g}" if head.terminates else "not used",
        "task set": f"`{tasks.name}`, version {tasks.version}: {len(tasks.all_goals)} goals",
        "fingerprint": f"`{fingerprint}`",
    }


def _is_on_the_hub(model: str) -> bool:
    return not model.startswith("./") and model != "fake" and model not in packaged_models()


def _where(model: str) -> str:
    if model.startswith("./"):
        return " (in this folder)"
    return " (of the hub)" if _is_on_the_hub(model) else " (comes with vlm_rewards)"


def _code(text: str) -> str:
    return f"`{text.replace('`', chr(39)).replace('|', '/')}`"


def _goals(saved: "SavedReward") -> str:
    goals = saved.task_set.all_goals
    lines = [f"- `{goal.id}`: {goal.subject}" for goal in goals[:_GOALS_LISTED]]
    if len(goals) > _GOALS_LISTED:
        lines.append(f"- and {len(goals) - _GOALS_LISTED} more, in `reward.yaml`")
    return "\n".join(lines)


def _calibration(calibration: "CalibrationCurve | None") -> str:
    if calibration is None:
        return "Not recorded: nothing is said of how precise this threshold is."
    last = len(calibration.beta) - 1
    rows = sorted({round(number * last / (_POINTS_LISTED - 1)) for number in range(_POINTS_LISTED)})
    lines = [f"Measured on `{calibration.dataset}`; the whole curve is in `calibration.json`."]
    if calibration.chosen:
        lines[0] += " At this reward's threshold: " + ", ".join(
            f"{name} {value:.3f}" for name, value in calibration.chosen.items()
        )
    lines += ["", "| beta | precision | recall |", "|---|---|---|"]
    lines += [
        f"| {calibration.beta[row]:.4g} | {calibration.precision[row]:.3f} | {calibration.recall[row]:.3f} |"
        for row in rows
    ]
    return "\n".join(lines)
