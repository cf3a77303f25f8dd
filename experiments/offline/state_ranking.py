"""How often achieved states outrank each kind of state that is not: the insides of `experiments.state_ranking`."""

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import rich.console
import rich.table
from pydantic import Field

from envs.playhouse.presets import FAMILIES, Family
from experiments.datasets.playhouse_states import sample_states
from experiments.offline.config import labelled_models
from vlm_rewards.encoders import load_encoder
from vlm_rewards.strict_config import StrictConfig


class StateRankingConfig(StrictConfig):
    """One ranking.

    Attributes:
        models: Packaged names, folders or hub ids.
        families: Those whose episodes are played.
        env_preset: Preset of the playhouse.
        episodes: Scripted episodes a family.
        seed: Seed of the episodes.
        tau: Temperature of the softmax over goals and states.
        template: Prompt template.
    """

    models: tuple[str, ...] = Field(default=("pocket-l",), min_length=1)
    families: tuple[Family, ...] = Field(default=FAMILIES, min_length=1)
    env_preset: str
    episodes: int = Field(default=120, ge=1)
    seed: int = Field(default=0, ge=0)
    tau: float = Field(default=0.02, gt=0)
    template: str = "a photo of [TASK]"


def rank_states(config: StateRankingConfig) -> list[dict[str, Any]]:
    """Return a row for each family, model and kind of state.

    Raises:
        ConfigError: A model is named twice, or is unknown.
        CheckpointError: A model is no usable dual encoder.
    """
    encoders = {label: load_encoder(folder) for label, folder in labelled_models(config.models).items()}
    size = next(iter(encoders.values())).image_size
    rows: list[dict[str, Any]] = []
    for family in config.families:
        states = sample_states(family, config.env_preset, config.episodes, config.seed, size)
        for label, encoder in encoders.items():
            scores = reward_scores(encoder, states, config.template, config.tau)
            rows += ranking(label, family, scores, np.array(states.kinds))
    return rows


def reward_scores(encoder: Any, states: Any, template: str, tau: float) -> npt.NDArray[np.float64]:
    """Log of the probability of each state's goal against the task set's goals and states, equation 1.

    The log does not round to 1 what is nearly certain, so that states can be ranked.

    Args:
        encoder: The model.
        states: A `PlayhouseStates`.
        template: Template of prompts.
        tau: Temperature.

    Returns:
        float64 (N,), at most 0.
    """
    from vlm_rewards.goals import NegativesSpec, PromptTemplate

    prompts, spec = PromptTemplate(text=template), NegativesSpec(kind="goals_and_states")
    images = np.concatenate(
        [encoder.embed_images(states.frames[start : start + 256]) for start in range(0, len(states.frames), 256)]
    )
    scores = np.empty(len(images))
    goals = np.array(states.goals)
    embedded: dict[str, npt.NDArray[np.float32]] = {}
    for goal_id in np.unique(goals):
        goal = states.task_set.goal(str(goal_id))
        texts = [prompts.fill(goal), *spec.captions(goal, states.task_set, prompts)]
        missing = [text for text in dict.fromkeys(texts) if text not in embedded]
        if missing:
            embedded.update(zip(missing, encoder.embed_texts(missing), strict=True))
        chosen = goals == goal_id
        logits = images[chosen].astype(np.float64) @ np.stack([embedded[text] for text in texts]).T / tau
        top = logits.max(axis=1, keepdims=True)
        scores[chosen] = logits[:, 0] - top[:, 0] - np.log(np.exp(logits - top).sum(axis=1))
    return scores


def ranking(
    label: str, family: str, scores: npt.NDArray[np.float64], kinds: npt.NDArray[np.str_]
) -> list[dict[str, Any]]:
    """Return rows that say how often an achieved state outranks one of each other kind; a tie counts half."""
    from experiments.datasets.playhouse_states import ACHIEVED

    those_achieved = ACHIEVED[cast(Family, family)]
    achieved = np.sort(scores[np.isin(kinds, those_achieved)])
    rows = []
    for kind in sorted(set(kinds.tolist())):
        own = scores[kinds == kind]
        above = len(achieved) - (np.searchsorted(achieved, own, "left") + np.searchsorted(achieved, own, "right")) / 2
        rows.append(
            {
                "model": label,
                "family": family,
                "state": kind,
                "achieved": kind in those_achieved,
                "states": len(own),
                "median_probability": round(float(np.exp(np.median(own))), 4),
                "achieved_ranked_above": round(float(above.mean() / len(achieved)), 4) if len(achieved) else None,
            }
        )
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print the rows, a table a family with a column a model."""
    console = rich.console.Console()
    for family in dict.fromkeys(row["family"] for row in rows):
        own = [row for row in rows if row["family"] == family]
        labels = list(dict.fromkeys(row["model"] for row in own))
        table = rich.table.Table(title=f"{family}: achieved states ranked above each kind of state, share of pairs")
        table.add_column("state")
        table.add_column("states", justify="right")
        for label in labels:
            table.add_column(label, justify="right")
        for kind in dict.fromkeys(row["state"] for row in own):
            cells = {row["model"]: row for row in own if row["state"] == kind}
            first = cells[labels[0]]
            shown = [
                f"{cells[label]['achieved_ranked_above']:.3f}" if first["achieved_ranked_above"] is not None else ""
                for label in labels
            ]
            name = f"[bold]{kind}[/]" if first["achieved"] else kind
            table.add_row(name, f"{first['states']:,}", *shown)
        console.print(table)
