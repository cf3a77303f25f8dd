"""What a reward model takes for the goal: how often achieved states outrank each kind of state that is not.

python -m experiments.state_ranking --model pocket-s --model pocket-l
python -m experiments.state_ranking --family lift --model pocket-l --episodes 300 --out lift-states.csv
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import rich.console
import rich.table
import typer

from experiments.shared.command_line import clear_errors
from vlm_rewards.errors import ConfigError

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@app.command()
def state_ranking(
    model: Annotated[
        list[str] | None, typer.Option(help="Packaged name, folder or hub id; repeatable. [default: pocket-l]")
    ] = None,
    family: Annotated[list[str] | None, typer.Option(help="Use only this family of goals; repeatable.")] = None,
    preset: Annotated[str, typer.Option(help="Preset of the playhouse.")] = "small",
    episodes: Annotated[int, typer.Option(help="Scripted episodes a family.")] = 120,
    seed: Annotated[int, typer.Option(help="Of the episodes.")] = 0,
    tau: Annotated[float, typer.Option(help="Temperature of the softmax over goals and states.")] = 0.02,
    template: Annotated[str, typer.Option(help="Prompt template.")] = "a photo of [TASK]",
    out: Annotated[Path | None, typer.Option(help="CSV to write.")] = None,
) -> None:
    """Say [bold]what a reward would be paid for[/bold] in fresh scripted episodes, kind of state by kind of state.

    For each kind of state in which the goal does not hold: the share of pairs of an achieved state and one of these in
    which the achieved one has the higher reward probability, over all goals (0.5 is chance).
    """
    with clear_errors("run the same command again"):
        # Imported here: `--help` should not wait for torch.
        from envs.playhouse.presets import FAMILIES
        from experiments.datasets.playhouse_states import sample_states
        from experiments.offline.config import labelled_models
        from experiments.offline.report import write_csv
        from vlm_rewards.encoders import load_encoder

        for name in family or FAMILIES:
            if name not in FAMILIES:
                raise ConfigError(f"unknown family {name!r}; choose from {', '.join(FAMILIES)}")
        if episodes < 1:
            raise ConfigError("--episodes must be at least 1")
        encoders = {label: load_encoder(folder) for label, folder in labelled_models(model or ["pocket-l"]).items()}
        rows: list[dict[str, Any]] = []
        for name in family or FAMILIES:
            size = next(iter(encoders.values())).image_size
            states = sample_states(name, preset, episodes, seed, size)  # type: ignore[arg-type]
            for label, encoder in encoders.items():
                scores = reward_scores(encoder, states, template, tau)
                rows += ranking(label, name, scores, np.array(states.kinds))
        _show(rows)
        if out is not None:
            write_csv(out, rows)


def reward_scores(encoder: Any, states: Any, template: str, tau: float) -> npt.NDArray[np.float64]:
    """Log of the probability of each state's goal against the task set's goals and states, equation 1.

    The log does not round to 1 what is nearly certain, so that states can be ranked.

    Args:
        encoder: the model.
        states: a `PlayhouseStates`.
        template: of prompts.
        tau: temperature.

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
    """Rows that say how often an achieved state outranks one of each other kind; a tie counts half."""
    from experiments.datasets.playhouse_states import ACHIEVED

    achieved = np.sort(scores[np.isin(kinds, ACHIEVED[family])])  # type: ignore[index]
    rows = []
    for kind in sorted(set(kinds.tolist())):
        own = scores[kinds == kind]
        above = len(achieved) - (np.searchsorted(achieved, own, "left") + np.searchsorted(achieved, own, "right")) / 2
        rows.append(
            {
                "model": label,
                "family": family,
                "state": kind,
                "achieved": kind in ACHIEVED[family],  # type: ignore[index]
                "states": len(own),
                "median_probability": round(float(np.exp(np.median(own))), 4),
                "achieved_ranked_above": round(float(above.mean() / len(achieved)), 4) if len(achieved) else None,
            }
        )
    return rows


def _show(rows: list[dict[str, Any]]) -> None:
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


if __name__ == "__main__":
    app()
