"""Offline evaluation: a reward that is known to be right, through every part that real ones go through."""

import csv
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from mlflow.tracking import MlflowClient
from typer.testing import CliRunner

from experiments.offline.config import OfflinePRConfig
from experiments.offline.embedding import embed_states
from experiments.offline.prompt_sets import PromptSet, load_prompt_set
from experiments.offline.rewards import FamilyRewards, TextMemo
from experiments.offline_pr import app
from tests.experiments.damages import each_damage
from vlm_rewards.encoders.fake import FakeEncoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import LabelledDataset
from vlm_rewards.evaluation.offline.dataset import decode_frames
from vlm_rewards.evaluation.offline.embedding_store import EmbeddingStore
from vlm_rewards.evaluation.offline.measure_figures import MEASURES
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service.served_by import connect

NAMES = ["--set", "name=made", "--set", "models=[fake]", "--set", "resamples=50"]


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "offline_pr.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_reward_that_is_right_is_found_to_be_right(options, painted, painted_goals, mlflow_store, tmp_path):
    output = run(*options, *NAMES, *mlflow_store, "--output", str(tmp_path / "runs"))
    assert "144" in output
    folder = tmp_path / "runs" / "made-1"
    rows = table(folder)
    assert [row["negatives"] for row in rows] == ["goals", "goals_and_states"]
    both = {row["negatives"]: row for row in rows}
    assert float(both["goals_and_states"]["average_precision"]) == 1
    assert float(both["goals_and_states"]["epic_distance_best"]) == pytest.approx(0, abs=1e-6)
    # All that is measured of a reward that is right, and in the figure.
    for name in ("preference_accuracy", "own_goal_first", "negative_predictive_value"):
        assert float(both["goals_and_states"][name]) == 1
    for name in MEASURES:
        assert all(row[name] != "" for row in rows), name
    assert (folder / "measures.png").stat().st_size > 10_000
    assert float(both["goals_and_states"]["precision"]) == float(both["goals_and_states"]["recall"]) == 1
    # Of empty rooms the other goals alone say little: what the paper's negatives leave to chance shows here too.
    assert float(both["goals"]["average_precision"]) <= 1
    assert (folder / "precision_recall.png").stat().st_size > 10_000
    assert "| fake |" in (folder / "offline_pr.md").read_text()

    dataset = LabelledDataset.open(painted)
    config = RewardConfig(model="fake", template="a photo of [TASK]", tau=0.05, beta=0.5)
    model = RewardModel(config, painted_goals)
    frames = decode_frames(png for batch in dataset.batches(50) for png in batch["image"])
    stored = pq.read_table(next((folder / "cells").glob("*goals/scores.parquet")))
    np.testing.assert_array_equal(stored["score"].to_numpy(), model.score(frames, list(dataset.states.goal_id)))

    client = MlflowClient(mlflow_store[1])
    runs = client.search_runs([client.get_experiment_by_name("offline").experiment_id])
    # Of all that the store has, which other tests write to as well.
    parent = next(run for run in runs if run.info.run_name == "made-1" and run.data.tags["command"] == "offline_pr")
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == 2
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.metrics["painted/states"] for run in children} == {144.0}
    assert {file.path for file in client.list_artifacts(children[0].info.run_id)} == {
        "scores.parquet",
        "confusion.csv",
        "goal_confusion.csv",
        "goal_confusion.png",
    }

    again = run("--resume", str(folder))
    assert "results" in again
    assert table(folder) == rows
    assert {run.info.run_id for run in client.search_runs([parent.info.experiment_id])} == {
        run.info.run_id for run in runs
    }, "a resumed evaluation made runs of its own"
    for path, damage in each_damage(folder / name for name in ("config.yaml", "state.json", "children.json")):
        if damage != "missing" or path.name == "config.yaml":
            lines = run("--resume", str(folder), code=2).strip().splitlines()
            assert path.name in lines[-1]
            assert sum(line.startswith("error:") for line in lines) == 1, (path, damage, lines)


def test_prompt_sets_are_compared_and_forms_of_the_goal_filled(options, mlflow_store, tmp_path):
    prompts = tmp_path / "forms.yaml"
    prompts.write_text("name: forms\nversion: 1\ntemplates: {told: '[INSTRUCTION]', photo: 'a photo of [TASK]'}\n")
    run(
        *options,
        *NAMES,
        *mlflow_store,
        "--set",
        "tracking.experiment=forms",
        "--prompts",
        str(prompts),
        "--output",
        str(tmp_path / "runs"),
    )
    found = {
        (row["template"], row["negatives"]): float(row["average_precision"])
        for row in table(tmp_path / "runs" / "made-1")
    }
    assert len(found) == 4
    assert found["photo", "goals_and_states"] == 1
    assert found["told", "goals_and_states"] < 0.8


def test_frames_go_through_ray_data_and_serve_once(painted, painted_goals, ray_session, tmp_path):
    dataset = LabelledDataset.open(painted)
    encoder = TextMemo(FakeEncoder())
    config = RewardConfig(model="fake", template="a photo of [TASK]", tau=0.05, beta=0.5)

    def settings(**served_by):
        data = {"dataset": str(painted), "task_sets": {"painted": "goals.yaml"}}
        return OfflinePRConfig(
            name="painted", data=data, reward=config, models=["fake"], served_by=served_by, request_frames=50
        )

    served, alone = settings(kind="deploy", num_cpus=0.1, max_in_flight=1), settings(kind="in_process")
    store = EmbeddingStore(tmp_path, encoder.fingerprint, dataset.manifest["files"])
    seen = []
    with (
        connect(alone.served_by, config, painted_goals, encoder=encoder) as here,
        connect(served.served_by, config, painted_goals, encoder=encoder) as client,
    ):
        part = dataset.limited(5)
        assert embed_states(part, store, here, alone, lambda done, total: None) == 30
        assert embed_states(dataset, store, client, served, lambda done, total: seen.append((done, total))) == 114
    assert seen[0] == (30, 144)
    assert seen[-1] == (144, 144)
    assert embed_states(dataset, store, client, served, lambda done, total: None) == 0, "nothing is left to ask for"
    frames = decode_frames(png for batch in dataset.batches(50) for png in batch["image"])
    np.testing.assert_array_equal(store.load(dataset.states), FakeEncoder().embed_images(frames))


def test_clips_are_pooled_within_their_trajectory(painted, painted_goals):
    dataset = LabelledDataset.open(painted)
    head = {"form": "cosine", "frames": {"kind": "last", "k": 3}}
    config = RewardConfig(model="fake", template="a photo of [TASK]", head=head)
    rewards = FamilyRewards(config, {"painted": painted_goals}, FakeEncoder())
    frames = decode_frames(png for batch in dataset.batches(50) for png in batch["image"])
    scores = rewards.score(dataset.states, FakeEncoder().embed_images(frames))
    for row in (6, 7, 8, 11):
        begin = max(row - 2, row // 6 * 6)
        clip = frames[begin : row + 1][None]
        assert scores[row] == rewards.models["painted"].score(clip, [dataset.states.goal_id[row]])[0]


def test_each_fault_of_a_dataset_is_one_line_and_leaves_nothing(options, fault, tmp_path):
    folder, message = fault
    output = run(*options, *NAMES, "--dataset", str(folder), "--output", str(tmp_path / "runs"), code=2)
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    assert re.search(message, output)
    assert not (tmp_path / "runs").exists()


def test_half_a_dual_encoder_is_one_line_and_leaves_nothing(options, half_checkpoint, tmp_path):
    model, message = half_checkpoint
    output = run(*options, *NAMES, "--model", model, "--output", str(tmp_path / "runs"), code=1)
    assert output.startswith("error: ")
    assert output.count("\n") == 1
    assert message in output
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "fake", "--model", "fake"), "named twice"),
        (("--family", "fnd"), "no family 'fnd'"),
        (("--prompts", "paper_androd"), "'paper_android'"),
        (("--set", "reward.template=no placeholder"), "unknown template"),
        (("--set", "data.dataset=/nowhere"), "/nowhere holds no dataset"),
        (("--resume", "nowhere", "--limit", "3"), "leave the other options out"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line(options, arguments, message, tmp_path):
    output = run(*options, *NAMES, "--output", str(tmp_path / "runs"), *arguments, code=2)
    assert output.startswith("error: ")
    assert message in output
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_prints_the_settings_and_does_nothing(options, tmp_path):
    output = run(*options, *NAMES, "--limit", "7", "--output", str(tmp_path / "runs"), "--dry-run")
    assert "limit: 7" in output
    assert not (tmp_path / "runs").exists()


def test_shipped_prompt_sets_load():
    paper = load_prompt_set("paper_android").all_templates
    assert list(paper) == ["A", "B", "C", "D"]
    assert paper["D"] == "Screenshot of [TASK] on Android"
    forms = load_prompt_set("playhouse_forms").all_templates
    assert "[INSTRUCTION]" in forms["instruction"]
    searched = load_prompt_set("search_android").all_templates
    assert len(searched) == 28
    assert searched["Open the [TASK] app"] == "Open the [TASK] app"
    with pytest.raises(ConfigError, match="needs templates"):
        PromptSet(name="empty", version=1)
