"""What trainings and offline measures have in common: the setting by which they are put together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.offline.config import model_label
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.goals import PromptTemplate

FAMILIES = {"playhouse/Find-v0": "find", "playhouse/Lift-v0": "lift", "playhouse/PickPlace-v0": "pick_place"}
"""Family of goals by environment; on the phone it is the task set's name."""

TRAINED = "evaluation/success_rate"
EXACT, BY_REWARD = ("tau", "beta"), ()


@dataclass(frozen=True, order=True)
class Setting:
    """One reward on one family of goals; what it does not compare is None.

    Attributes:
        family: Family of goals.
        model: Label of the model.
        template: The prompt's sentence.
        negatives: Kind of the negative set.
        head: Form of the reward, and how many states must agree.
        tau: Temperature.
        beta: Threshold.
    """

    family: str
    model: str
    template: str
    negatives: str
    head: str
    tau: float | None
    beta: float | None


@dataclass
class Measured:
    """What is known of a setting.

    Attributes:
        success: Success rate of each agent that it trained, by ground truth on held-out goals.
        measures: Offline measures by name; the mean where there are several runs.
    """

    success: list[float] = field(default_factory=list)
    measures: dict[str, list[float]] = field(default_factory=dict)


def gather(runs: Iterable[Any], matched: Sequence[str] = EXACT) -> dict[Setting, Measured]:
    """Put the runs of one or more MLflow stores together by setting.

    Args:
        runs: MLflow's runs: trainings, and rewards that `offline_pr` or `pressure` measured; others are passed over.
        matched: Which of tau and beta must be the same; what is left out may differ between training and measuring.

    Returns:
        Settings in which an agent was trained and its reward measured.
    """
    found: dict[Setting, Measured] = {}
    for run in runs:
        params, metrics = run.data.params, run.data.metrics
        if run.data.tags.get("command") in ("offline_pr", "pressure") and "model" in params:
            _add_measures(found, params, metrics, run.data.tags["command"], matched)
        elif params.get("reward.kind") == "clip" and TRAINED in metrics and run.info.status == "FINISHED":
            setting = _setting(_family(params), params, "reward.", matched)
            if setting is not None:
                found.setdefault(setting, Measured()).success.append(metrics[TRAINED])
    return {key: found[key] for key in sorted(found) if found[key].success and found[key].measures}


def _add_measures(
    found: dict[Setting, Measured],
    params: Mapping[str, str],
    metrics: Mapping[str, float],
    command: str,
    matched: Sequence[str],
) -> None:
    for key, value in metrics.items():
        family, _, name = key.rpartition("/")
        if command == "pressure":
            # Its metrics are of searches, and its params say of which environment.
            family, name = _family(params), f"pressure {key}"
        setting = _setting(family, params, "", matched)
        # Ends of intervals and counts predict nothing by themselves.
        if setting is None or name.endswith(("_low", "_high", "/nats")) or name in ("states", "trajectories", "beta"):
            continue
        found.setdefault(setting, Measured()).measures.setdefault(name, []).append(value)


def _family(params: Mapping[str, str]) -> str:
    environment = params.get("environment.id", "")
    return FAMILIES.get(environment, params.get("environment.options.task_set", environment))


def _head(params: Mapping[str, str], prefix: str) -> str:
    form = params.get(f"{prefix}head.form") or params.get(f"{prefix}head") or "softmax_binary"
    need, of = (params.get(f"{prefix}head.agree.{name}", "1") for name in ("need", "of"))
    return form if of == "1" else f"{form}, {need} of {of}"


def _setting(family: str, params: Mapping[str, str], prefix: str, matched: Sequence[str]) -> Setting | None:
    try:
        negatives = params.get(f"{prefix}negatives.kind") or params[f"{prefix}negatives"]
        numbers = {name: float(f"{float(params[prefix + name]):.4g}") if name in matched else None for name in EXACT}
        return Setting(
            family,
            model_label(params[f"{prefix}model"]),
            PromptTemplate.named(params[f"{prefix}template"]).text,
            negatives.partition("(")[0],
            _head(params, prefix),
            numbers["tau"],
            numbers["beta"],
        )
    except (KeyError, ValueError, VLMRewardsError):
        return None
