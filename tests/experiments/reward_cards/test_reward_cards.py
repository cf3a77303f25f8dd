"""Reward cards: a small one is made twice, those that ship are of today's rewards."""

import functools
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from experiments.datasets.collecting import load_config
from experiments.reward_card import app
from experiments.reward_cards.card import RewardCard, identity
from experiments.reward_cards.config import AgentRows, CardConfig, shipped_cards, trained_on
from experiments.reward_cards.known_results import agent_rows, pressure_rows
from experiments.reward_cards.mistakes import worst_mistakes
from experiments.shared.preset_files import preset_names
from experiments.shared.progress import Bars
from tests.experiments.commands import invoke
from vlm_rewards.encoders import load_encoder
from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.offline import LabelledDataset
from vlm_rewards.evaluation.offline.dataset import States
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.reward_model import RewardModel

PAGES = Path(__file__).resolve().parents[3] / "docs" / "rewards"
CARDS = shipped_cards()
# The paper's negatives, and a threshold that pays too often: there has to be something to be wrong about.
REWARD = {
    "kind": "clip",
    "model": "pocket-xs",
    "template": "D",
    "negatives": {"kind": "goals"},
    "tau": 0.2,
    "beta": 0.17,
}


@pytest.fixture(scope="module")
def little(tmp_path_factory):
    """Settings of a card over eight trajectories, and the folder of its page."""
    folder = tmp_path_factory.mktemp("card")
    (folder / "train.yaml").write_text(yaml.safe_dump({"reward": REWARD}))
    settings = {
        "name": "little",
        "title": "A little card",
        "trainings": [str(folder / "train.yaml")],
        "made_for": "Tests",
        "calibrated": "none",
        "data": {
            "dataset": str(folder / "screens"),
            "task_sets": {"open_common_apps": "open_common_apps"},
            "collect": "android_small",
            "changes": ["trajectories=8", "reward_size=[96,96]"],
        },
        "pictures": 3,
        "limits": ["It is little."],
        "resamples": 20,
    }
    (folder / "little.yaml").write_text(yaml.safe_dump(settings))
    result = invoke(app, "--preset", folder / "little.yaml", "--output", folder / "pages")
    assert result.exit_code == 0, result.output
    assert "look at the pictures" in result.output
    return settings, folder


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_card_is_made_again_byte_by_byte_data_included(little):
    settings, folder = little
    first = files_of(folder / "pages")
    assert set(first) == {f"little{end}" for end in (".md", "-curve.png", "-false.jpg", "-missed.jpg", "-goals.csv")}
    shutil.move(folder / "screens", folder / "screens-before")
    RewardCard(CardConfig(**settings)).write(folder / "again", Bars())
    assert files_of(folder / "again") == first


def test_what_a_card_says_is_what_the_reward_does_frame_by_frame(little):
    settings, folder = little
    dataset = LabelledDataset.open(folder / "screens")
    states, page = dataset.states, (folder / "pages" / "little.md").read_text()
    reward = CardConfig(**settings).reward()
    model = RewardModel(reward, TaskSet.named("open_common_apps"))
    scores = model.score(dataset.frames_of(states), list(states.goal_id))
    paid, holds = scores > np.float32(0.17), states.goal_achieved
    assert (paid & ~holds).any(), "there is something to be wrong about"
    assert dataset.manifest["content_sha256"] in page
    assert f"8 trajectories, {len(states)} states, of which {holds.sum()} have reached their goal" in page
    assert re.search(rf"`precision` \| {(paid & holds).sum() / paid.sum():.3f} \(", page)
    assert re.search(rf"`recall` \| {(paid & holds).sum() / holds.sum():.3f} \(", page)
    assert f"in all the data {(paid & ~holds).sum()} states are paid falsely" in page
    worst = np.flatnonzero(~holds)[np.argmax(scores[~holds])]
    key = f"{states.trajectory[worst]}:{states.step[worst]}"
    assert f"| 1 | {key} | {model.task_set.goal(states.goal_id[worst]).subject} | {scores[worst]:.3f} | yes |" in page
    assert model.fingerprint in page


def test_a_dataset_of_other_settings_is_refused(little):
    settings, folder = little
    other = {**settings["data"], "changes": ["trajectories=9", "reward_size=[96,96]"]}
    card = RewardCard(CardConfig(**{**settings, "data": other}))
    with pytest.raises(ConfigError, match="was collected with other settings than this card's; remove it"):
        card.write(folder / "other", Bars())


def test_presets_of_different_rewards_are_no_card(little):
    settings, _ = little
    for others, message in (
        (["demo", "open_diverse"], "have different rewards"),
        (["lift_hindsight_ground_truth"], "no"),
    ):
        with pytest.raises(ConfigError, match=message):
            CardConfig(**{**settings, "trainings": others}).reward()


def test_the_worst_mistakes_are_the_highest_where_it_does_not_hold_one_a_trajectory():
    trajectory = np.repeat([0, 1, 2], 3)
    step = np.tile([0, 1, 2], 3)
    holds = np.array([0, 0, 1, 0, 0, 1, 0, 0, 0], bool)
    scores = np.array([0.7, 0.9, 0.2, 0.9, 0.1, 0.8, 0.4, 0.3, 0.4], np.float32)
    names = np.array(["a"] * 9, object)
    states = States(trajectory, step, names, names, None, holds)
    found = worst_mistakes(states, scores, 0.5, False, 4)
    assert [(one.key, one.paid) for one in found] == [("0:1", True), ("1:0", True), ("2:0", False)]
    missed = worst_mistakes(states, scores, 0.5, True, 1)
    assert [(one.key, one.row, one.paid) for one in missed] == [("0:2", 2, False)]


def test_tables_are_quoted_for_the_same_task_model_and_negatives(tmp_path):
    columns = "task,model,negatives,head,tau,beta,search,tries,nats"
    ends = [f"{name}{end}" for name in ("reward", "true_reward", "precision", "kept") for end in ("", "_low", "_high")]
    lines = [f"{columns},{','.join(ends)}"]
    for model, head, negatives in (
        ("pocket-xs", "paper", "goals"),
        ("pocket-xs", "unanimous", "goals"),
        ("pocket-xs", "paper", "goals_and_states"),
        ("pocket-s", "paper", "goals"),
    ):
        lines.append(f"find,{model},{negatives},{head},0.01,0.25,best of n,4,0.6,{','.join(['0.5', '0.4', ''] * 4)}")
    (tmp_path / "pressure.csv").write_text("\n".join(lines))
    reward = (
        CARDS["find_small"].reward().model_copy(update={"model": "pocket-xs", "negatives": NegativesSpec(kind="goals")})
    )
    (row,), searched = pressure_rows(tmp_path, "find", reward)
    assert (row["tries or steps"], row["paid"], row["tau, beta"]) == ("4", "0.50", "0.01, 0.25")
    assert searched == ["pocket-xs", "pocket-s"]
    assert pressure_rows(tmp_path, "lift", reward) == ([], [])
    agents = AgentRows(file="find_small.csv", where={"goal": "nothing"}, note="none")
    with pytest.raises(ConfigError, match=r"agents: find_small.csv has no row with \{'goal': 'nothing'\}"):
        agent_rows(PAGES.parent / "results", [agents])


def test_every_training_preset_with_a_reward_model_has_one_card():
    carded = [name for card in CARDS.values() for name in card.trainings]
    assert sorted(carded) == [name for name in preset_names("train") if trained_on(name) is not None]


@functools.lru_cache
def encoder_of(model):
    return load_encoder(model, encoder="torch")


@pytest.mark.parametrize("name", CARDS)
def test_a_shipped_card_is_of_todays_preset_weights_and_data(name):
    card, page = CARDS[name], (PAGES / f"{name}.md").read_text()
    reward = card.reward()
    (source,) = card.data.task_sets.values()
    today = identity(reward, TaskSet.named(source), encoder_of(reward.model), card.trainings)
    again = f"remake the page with python -m experiments.reward_card --preset {name} --output docs/rewards"
    assert today in page, again
    config = load_config(card.data.collect, card.data.changes)
    assert f"`{config.name}`: {config.total_trajectories} trajectories" in page, again
    assert re.search(r"Checksum of the contents: `[0-9a-f]{64}`", page)
    for limit in card.limits:
        assert limit in page, again


@pytest.mark.parametrize("name", CARDS)
def test_every_picture_of_a_shipped_card_was_looked_at_and_is_small(name):
    card, page = CARDS[name], (PAGES / f"{name}.md").read_text()
    shown = re.findall(r"^\| \d+ \| (\d+:\d+) \|.*\| ([^|]+) \|$", page, re.MULTILINE)
    assert dict(shown) == card.seen
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page)
    assert len(pictures) == 3
    for picture in pictures:
        assert 5_000 < (PAGES / picture).stat().st_size < 60_000
