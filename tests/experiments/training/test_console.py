"""The table at a run's end."""

import csv

from rich.console import Console

from experiments.training.console import success_table
from experiments.training.results import TABLE_COLUMNS, write_table
from vlm_rewards.evaluation import EpisodeResult, summarise


def results(*returns, success=True):
    return summarise([EpisodeResult("up", i, success, 9, value) for i, value in enumerate(returns)])


def printed(agent, random):
    console = Console(width=120)
    with console.capture() as capture:
        console.print(success_table(agent, random))
    return capture.get()


def test_returns_that_are_no_success_rates_are_shown_beside_the_random_policys():
    text = printed(results(500.0, 451.0), results(20.0, 25.0, success=False))
    assert "return" in text
    assert "475.5" in text
    assert "22.5" in text


def test_returns_that_only_repeat_the_success_are_left_out():
    assert "return" not in printed(results(1.0, 1.0), results(0.0, 0.0, success=False))


def test_the_table_holds_both_policies_returns(tmp_path):
    path = write_table(tmp_path / "table.csv", results(500.0, 451.0), results(20.0, 25.0, success=False))
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == TABLE_COLUMNS
    assert [(row["goal"], row["mean_return"], row["random_mean_return"]) for row in rows] == [
        ("all", "475.5000", "22.5000"),
        ("up", "475.5000", "22.5000"),
    ]
