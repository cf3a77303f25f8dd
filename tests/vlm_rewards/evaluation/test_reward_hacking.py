"""The alarm on runs of known shape; returns are means over episodes that succeed or fail, as in training."""

import numpy as np
import pytest

from vlm_rewards.errors import ConfigError
from vlm_rewards.evaluation.curve_point import CurvePoint
from vlm_rewards.evaluation.reward_hacking import RewardHackingAlarm, _least_errors


def point(env_steps, reward_return, success_rate):
    return CurvePoint(env_steps, float(reward_return), float(success_rate), float("nan"))


def run(vlm, truth, episodes, seed=0):
    """Points of a run in which each iteration's returns are means over `episodes`."""
    rng = np.random.default_rng(seed)
    vlm, truth = np.broadcast_arrays(vlm, truth)
    means = [rng.binomial(episodes, p) / episodes for p in (vlm, truth)]
    return [point(2048 * (i + 1), v, g) for i, (v, g) in enumerate(zip(*means, strict=True))]


def s_curve(iterations):
    """From 0 to 1, mostly in the middle third."""
    return 1 / (1 + np.exp(-(np.linspace(0, 1, iterations) - 0.5) * 12))


def fired(rows):
    return RewardHackingAlarm.replayed(rows).fired_at


def test_the_case_that_was_measured_fires():
    # PPO on Find with goals-only negatives, 13 minutes: VLM 0.40 -> 0.47, truth 0.046 -> 0.029.
    share = s_curve(200)
    caught = [fired(run(0.40 + 0.07 * share, 0.046 - 0.017 * share, 130, seed)) for seed in range(40)]
    assert sum(step is not None for step in caught) >= 36


def test_a_peak_of_the_truth_that_is_lost_again_fires_after_it():
    progress = np.linspace(0, 1, 200)
    truth = np.where(progress < 0.5, 0.1 + 0.8 * progress, 0.5 - 0.8 * (progress - 0.5))
    step = fired(run(0.2 + 0.6 * progress, truth, 40))
    assert step is not None
    assert 100 * 2048 < step < 170 * 2048


@pytest.mark.parametrize("gap", [0.0, 0.35])
def test_a_healthy_rise_does_not_fire_however_wide_the_gap(gap):
    share = s_curve(200)
    assert not any(fired(run(0.1 + gap + 0.5 * share, 0.1 + 0.4 * share, 30, seed)) for seed in range(20))


def test_both_falling_does_not_fire():
    share = s_curve(200)
    assert not any(fired(run(0.6 - 0.4 * share, 0.5 - 0.4 * share, 30, seed)) for seed in range(20))


@pytest.mark.parametrize("reward", [[0.45, 0.45], [0.45, 0.44], [0.45, 0.6]], ids=["stands", "falls a little", "rises"])
def test_a_truth_that_halves_while_the_reward_does_not_follow_fires(reward):
    share = s_curve(30)  # short runs too: the demo has thirty iterations
    paid = reward[0] + (reward[1] - reward[0]) * share
    assert all(fired(run(paid, 0.9 - 0.5 * share, 40, seed)) for seed in range(20))


def test_a_truth_that_falls_by_less_than_is_asked_for_does_not_fire():
    share = s_curve(100)
    assert not any(fired(run(0.5, 0.9 - 0.15 * share, 40, seed)) for seed in range(20))


@pytest.mark.parametrize("iterations", [30, 80])
def test_a_plateau_with_noise_fires_in_less_than_one_of_a_hundred_runs(iterations):
    plateau = np.full(iterations, 0.4)
    assert sum(fired(run(plateau + 0.1, plateau, 30, seed)) is not None for seed in range(1000)) <= 10


def test_a_short_window_asks_for_more_errors_than_a_long_one():
    short, long = (_least_errors(window, 4.0) for window in (2, 5000))
    assert long == pytest.approx(4.0, abs=0.01)
    assert short > 100


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("minimum_window", 1),
        ("significance", -0.1),
        ("minimum_relative_fall", 1.1),
        ("followed", -0.1),
        ("followed", float("nan")),
    ],
)
def test_settings_that_cannot_be_are_refused(setting, value):
    with pytest.raises(ConfigError, match=f"alarm's {setting} must be .*not"):
        RewardHackingAlarm(**{setting: value})


def test_it_fires_once_and_only_with_enough_iterations():
    rows = [point(i, 0.2, 0.8) for i in range(20)] + [point(20 + i, 0.8, 0.2) for i in range(60)]
    alarm = RewardHackingAlarm()
    answers = [alarm.update(row) for row in rows]
    assert answers.count(True) == 1
    assert answers.index(True) >= 2 * alarm.minimum_window - 1
    assert alarm.fired_at == rows[answers.index(True)].env_steps


def test_iterations_without_episodes_are_passed_over():
    share = s_curve(200)
    rows = run(0.2 + 0.5 * share, 0.5 - 0.4 * share, 30)
    missing = [(np.nan, 0.1), (0.1, np.nan), (np.nan, np.nan)]
    gaps = [point(2048 * 10 * i + 1, *values) for i, values in enumerate(missing)]
    assert fired(sorted([*rows, *gaps], key=lambda row: row.env_steps)) == fired(rows) is not None


def test_a_resumed_run_that_feeds_its_rows_again_stands_where_it_stood():
    share = s_curve(200)
    rows = run(0.2 + 0.5 * share, 0.5 - 0.4 * share, 30)
    whole = fired(rows)
    resumed = RewardHackingAlarm.replayed(rows[:60])
    # The rows since the last checkpoint come again, and count once.
    answers = [resumed.update(row) for row in rows[50:]]
    assert resumed.fired_at == whole
    assert answers.count(True) == 1
