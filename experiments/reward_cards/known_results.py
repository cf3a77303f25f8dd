"""What the tables of `docs/results` know of a reward already: how it holds under pressure, and its agents."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.offline.config import model_label
from experiments.offline.rewards import negatives_label
from experiments.reward_cards.config import AgentRows
from experiments.study_report.document import interval, number
from experiments.under_pressure.config import PAPER
from vlm_rewards.errors import ConfigError
from vlm_rewards.reward_model import RewardConfig

Row = dict[str, str]


def rows_where(path: Path, where: Mapping[str, str]) -> list[Row]:
    """Return the rows of a CSV file in which columns have these values.

    Raises:
        ConfigError: There is no such file, or it has no such column.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise ConfigError(f"cannot read the table {path} ({error.strerror}); name a file of its folder") from error
    absent = sorted(set(where) - set(rows[0] if rows else ()))
    if absent:
        raise ConfigError(f"{path} has no column {absent[0]!r}; it has {', '.join(rows[0] if rows else ())}")
    return [row for row in rows if all(row[name] == value for name, value in where.items())]


def pressure_rows(folder: Path, task: str | None, reward: RewardConfig) -> tuple[list[Row], list[str]]:
    """Return how the paper's head with a reward's model and negatives held under pressure, level by level.

    Args:
        folder: Of the tables.
        task: Task of the benchmark; None for a reward that it has no task of.
        reward: Names model and negatives.

    Returns:
        The rows of a table, none where this model was not searched; and the models that were, in order.
    """
    if task is None:
        return [], []
    same = {"task": task, "head": PAPER, "negatives": negatives_label(reward.negatives)}
    searched = rows_where(folder / "pressure.csv", same)
    rows = [
        {
            "search": row["search"],
            "tries or steps": row["tries"],
            "nats": number(_value(row, "nats"), 1),
            "paid": _with_ends(row, "reward"),
            "paid and true": _with_ends(row, "true_reward"),
            "precision": _with_ends(row, "precision"),
            "truth kept": _with_ends(row, "kept"),
            "tau, beta": f"{row['tau']}, {float(row['beta']):.3g}",
        }
        for row in searched
        if row["model"] == model_label(reward.model)
    ]
    return rows, list(dict.fromkeys(row["model"] for row in searched))


def agent_rows(folder: Path, agents: Sequence[AgentRows]) -> list[Row]:
    """Return what came of agents that were trained on a reward.

    Args:
        folder: Of the tables.
        agents: Where they are.

    Raises:
        ConfigError: A table has no such row.
    """
    found = []
    for agent in agents:
        rows = rows_where(folder / agent.file, agent.where)
        if not rows:
            raise ConfigError(f"agents: {agent.file} has no row with {agent.where}; correct the preset")
        for row in rows:
            success = "held_out_success_rate" if "held_out_success_rate" in row else "success_rate"
            found.append(
                {
                    "table": f"[{agent.file}](../results/{agent.file})",
                    "agent": agent.note,
                    "seed": row.get("seed", "0"),
                    "environment steps": row.get("env_steps", number(None)),
                    "success rate": _with_ends(row, success),
                    "random policy": number(_value(row, "random_success_rate")),
                }
            )
    return found


def _with_ends(row: Row, name: str) -> str:
    return interval(_value(row, name), _value(row, f"{name}_low"), _value(row, f"{name}_high"))


def _value(row: Row, name: str) -> float:
    return float(row.get(name) or "nan")
