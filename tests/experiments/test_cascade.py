"""The threshold of a cascade: what it promises, what tests it, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from experiments.cascade import app
from experiments.cascading import calibration
from experiments.cascading.threshold import MOST_LOST, CascadeLoss, choose_threshold
from experiments.shared.preset_files import load_preset
from experiments.training.config import TrainConfig
from vlm_rewards.errors import ConfigError


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def preset(tmp_path: Path) -> str:
    """The phone's smoke preset, with the home's smallest model before the phone's own, and no trial of precisions."""
    train = tmp_path / "train.yaml"
    train.write_text(yaml.safe_dump({"extends": "smoke", "reward": {"precision": "fp32"}}))
    path = tmp_path / "cascade.yaml"
    path.write_text(yaml.safe_dump({"train": str(train), "small": ["pocket-xs"], "rewards": 6, "steps": 900}))
    return str(path)


@pytest.mark.parametrize(("rewards", "lost"), [(999, 0), (1998, 0), (1999, 1), (2999, 2)])
def test_a_threshold_is_the_highest_that_loses_so_few_of_the_rewards_that_chose_it(rewards, lost):
    scores = np.random.default_rng(0).permutation(np.linspace(0.1, 0.9, rewards)).astype(np.float32)
    threshold = choose_threshold(scores, beta=1.0)
    assert (scores <= np.float32(threshold)).sum() == lost
    above = np.nextafter(np.float32(threshold), np.float32(1))
    assert (scores <= above).sum() == lost + 1
    assert choose_threshold(scores, beta=0.05) == pytest.approx(0.05), "a refused frame must not be paid"


def test_of_new_rewards_no_larger_share_is_lost_whatever_the_number_that_chose():
    """Not even on average over calibrations, each of which meets other rewards."""
    rng = np.random.default_rng(0)
    for rewards in (999, 1500, 2500):
        # Of scores that are uniform the share below a threshold is the threshold.
        shares = [choose_threshold(rng.random(rewards, np.float32), beta=1.0) for _ in range(2000)]
        assert np.mean(shares) < MOST_LOST * 1.1


def test_too_few_rewards_and_scores_that_part_nothing_are_one_clear_line():
    with pytest.raises(ConfigError, match=r"900 rewards cannot tell that 0\.1% are lost: 99 more are needed"):
        choose_threshold(np.full(900, 0.5, np.float32), beta=0.9)
    with pytest.raises(ConfigError, match="1,000 of 1,000 rewarded frames no chance at all; name another"):
        choose_threshold(np.zeros(1000, np.float32), beta=0.9)


def test_a_loss_says_what_it_has_counted_and_how_sure_that_is():
    small = np.float32([0.05, 0.1, 0.2, 0.3, 0.9])
    loss = CascadeLoss.of(small, np.array([False, True, False, True, True]), threshold=0.1)
    assert loss == CascadeLoss(frames=5, asked=3, rewards=3, lost=1)
    assert loss.in_words() == "60.0% of 5 frames asked about, 1 of 3 rewards lost (6.149% to 79.234%)"
    assert CascadeLoss(4, 1, 0, 0).in_words() == "25.0% of 4 frames asked about, no rewards"


@pytest.mark.budget(30)  # two models, each compiled, and a stream of the phone's frames
def test_what_is_found_on_half_of_the_episodes_is_written_as_a_preset_to_train_with(preset, tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.cascading.threshold.MOST_LOST", 0.2)
    monkeypatch.setattr(calibration, "_ROUNDS", 1)
    streams, play = [], calibration.play
    monkeypatch.setattr(calibration, "play", lambda *arguments: streams.append(play(*arguments)) or streams[-1])
    file = tmp_path / "fast.yaml"
    output = run("--preset", preset, "--reward-file", str(file))
    (stream,) = streams
    config = TrainConfig(**load_preset("train", str(file)))
    head = config.reward_model.head
    assert (head.form, head.model) == ("cascade", "pocket-xs")
    plain = TrainConfig(**load_preset("train", str(tmp_path / "train.yaml"))).reward_model
    assert config.reward_model.model_copy(update={"head": plain.head}) == plain
    # A reward ends its episode, and players take turns.
    rewarded = stream.large > np.float32(plain.beta)
    for number in np.unique(stream.episode):
        rows = stream.episode == number
        assert not rewarded[rows][:-1].any()
        assert set(stream.player[rows]) == {("random", "script")[number % 2]}
    # The threshold is of one half of the episodes, and what is said of it of the other.
    small, half = stream.small["pocket-xs"], stream.episode // 2 % 2
    assert head.threshold == choose_threshold(small[rewarded & (half == 0)], plain.beta)
    for player in ("random", "script"):
        rows = (half == 1) & (stream.player == player)
        said = CascadeLoss.of(small[rows], rewarded[rows], head.threshold).in_words()
        assert f"pocket-xs, test, {player}: {said}" in output
        assert said in file.read_text()


def test_nothing_is_written_where_the_rewards_are_too_few(preset, tmp_path):
    few = ("--set", "steps=48", "--set", "small=[fake]")
    output = run("--preset", preset, *few, "--reward-file", str(tmp_path / "fast.yaml"), code=2)
    assert "more are needed" in output
    assert not (tmp_path / "fast.yaml").exists()


def test_rewards_that_no_cascade_gives_are_one_clear_line(preset, tmp_path):
    assert "where a reward model is needed" in run("--preset", preset, "--set", "train=find_small_ground_truth", code=2)
    path = tmp_path / "waits.yaml"
    path.write_text(yaml.safe_dump({"extends": "smoke", "reward": {"head": {"agree": {"need": 2, "of": 3}}}}))
    assert "has a reward that no cascade gives" in run("--preset", preset, "--set", f"train={path}", code=2)
