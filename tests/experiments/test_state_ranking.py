import csv

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments.datasets.playhouse_states import ACHIEVED, kind_of, sample_states
from experiments.offline.state_ranking import ranking, reward_scores
from experiments.state_ranking import app
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.goals import NegativesSpec, PromptTemplate
from vlm_rewards.heads.softmax_binary import softmax_binary


@pytest.fixture(scope="module")
def lift():
    return sample_states("lift", "small", 4, 3, (24, 24))


def test_every_state_has_its_kind_and_its_picture(lift):
    assert len(lift.frames) == len(lift.goals) == len(lift.kinds) > 40
    assert lift.frames.shape[1:] == (24, 24, 3)
    assert set(lift.kinds) <= {"lifted", "held, not lifted", "near", "in sight", "not in sight"}
    assert {"lifted", "near", "not in sight"} <= set(lift.kinds)
    again = sample_states("lift", "small", 4, 3, (24, 24))
    np.testing.assert_array_equal(lift.frames, again.frames)
    assert lift.kinds == again.kinds


@pytest.mark.parametrize("family", ["find", "lift", "pick_place"])
def test_the_kinds_say_when_the_goal_holds(family, monkeypatch):
    holds = []
    monkeypatch.setattr(
        "experiments.datasets.playhouse_states.kind_of", lambda env: holds.append(env._holds()) or kind_of(env)
    )
    states = sample_states(family, "small", 3, 5, (16, 16))
    assert [kind in ACHIEVED[family] for kind in states.kinds] == holds
    assert len(set(states.kinds)) >= 3


def test_scores_are_the_logarithm_of_the_reward_models_probability(lift):
    encoder, template = FakeEncoder(), "a photo of [TASK]"
    scores = reward_scores(encoder, lift, template, 0.5)
    row = 7
    goal = next(goal for goal in lift.task_set.all_goals if goal.id == lift.goals[row])
    prompts = PromptTemplate(text=template)
    texts = [prompts.fill(goal), *NegativesSpec(kind="goals_and_states").captions(goal, lift.task_set, prompts)]
    images = encoder.embed_images(lift.frames[row : row + 1])
    assert np.exp(scores[row]) == pytest.approx(softmax_binary(images, encoder.embed_texts(texts), 0.5)[0], rel=1e-4)


def test_pairs_are_counted_with_ties_as_halves():
    scores = np.array([-1.0, -3.0, -2.0, -3.0, -9.0])
    kinds = np.array(["lifted", "lifted", "near", "near", "not in sight"])
    found = {row["state"]: row for row in ranking("m", "lift", scores, kinds)}
    # near: -2 is below one of two, -3 below one and equal to the other.
    assert found["near"]["achieved_ranked_above"] == pytest.approx((0.5 + 0.75) / 2)
    assert found["not in sight"]["achieved_ranked_above"] == 1.0
    assert found["lifted"]["achieved"]
    assert not found["near"]["achieved"]
    assert found["near"]["states"] == 2


def test_the_command_shows_and_writes_a_table(tmp_path):
    out = tmp_path / "states.csv"
    command = ["--model", "fake", "--family", "find", "--episodes", "2", "--out", str(out)]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(out.open()))
    assert {row["family"] for row in rows} == {"find"}
    assert "achieved states ranked above" in " ".join(result.output.split())
    refused = CliRunner().invoke(app, ["--model", "fake", "--family", "fetch"])
    assert refused.exit_code == 2
    assert "must be 'find', 'lift' or 'pick_place' (got 'fetch')" in refused.output
