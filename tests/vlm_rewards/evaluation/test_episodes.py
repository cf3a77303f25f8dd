"""Episodes, success rates, figures and videos."""

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image

from vlm_rewards.evaluation import EpisodeResult, RandomPolicy, run_episodes, summarise
from vlm_rewards.evaluation.curve_point import CurvePoint
from vlm_rewards.evaluation.episodes import plan_episodes
from vlm_rewards.evaluation.figures import plot_learning_curve
from vlm_rewards.evaluation.summary import SuccessRate
from vlm_rewards.evaluation.videos import RecordedEpisode, write_gif


class CountdownEnv(gym.Env):
    """Success is taking action 1 at the step that the seed decides; action 2 wastes the episode."""

    observation_space = gym.spaces.Dict(image=gym.spaces.Box(0, 255, (4, 4, 3), np.uint8))
    action_space = gym.spaces.Discrete(3)
    built = 0
    closed = 0

    def __init__(self):
        CountdownEnv.built += 1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.goal_id, self.when, self.t = options["goal_id"], seed % 5, 0
        return self._observation(), {"is_success": False}

    def step(self, action):
        success = action == 1 and self.t == self.when
        self.t += 1
        return self._observation(), float(success), success, self.t == 5, {"is_success": success}

    def _observation(self):
        return {"image": np.full((4, 4, 3), self.t == self.when, np.uint8)}

    def close(self):
        CountdownEnv.closed += 1


class SeeingPolicy:
    def start(self, slots, seeds):
        pass

    def act(self, observations, slots):
        assert len(observations["image"]) == len(slots)
        return observations["image"][:, 0, 0, 0].astype(np.int64)


@pytest.mark.parametrize("num_envs", [1, 3, 50])
def test_every_episode_runs_once_with_its_own_seed_and_goal(num_envs):
    CountdownEnv.built = CountdownEnv.closed = 0
    specs = plan_episodes(["a", "b"], 11, first_seed=100)
    results = run_episodes(CountdownEnv, SeeingPolicy(), specs, num_envs)
    assert [(r.goal_id, r.seed) for r in results] == [(s.goal_id, s.seed) for s in specs]
    assert all(r.success and r.env_return == 1.0 and r.length == r.seed % 5 + 1 for r in results)
    assert CountdownEnv.built == CountdownEnv.closed == min(num_envs, 11)


def test_random_episodes_do_not_depend_on_how_many_run_side_by_side():
    specs = plan_episodes(["a"], 40, first_seed=0)
    alone = run_episodes(CountdownEnv, RandomPolicy(3), specs, 1)
    assert alone == run_episodes(CountdownEnv, RandomPolicy(3), specs, 7)
    assert 0 < sum(r.success for r in alone) < 40


def test_environments_are_closed_when_one_of_them_fails():
    class Failing(CountdownEnv):
        def step(self, action):
            raise RuntimeError("broken")

    CountdownEnv.built = CountdownEnv.closed = 0
    with pytest.raises(RuntimeError, match="broken"):
        run_episodes(Failing, RandomPolicy(3), plan_episodes(["a"], 4, 0), 2)
    assert CountdownEnv.closed == 2


def test_summary_counts_goal_by_goal():
    results = [
        EpisodeResult("a", 0, True, 2, 1.0),
        EpisodeResult("b", 1, False, 6, 0.5),
        EpisodeResult("a", 2, False, 4, 0.0),
    ]
    summary = summarise(results)
    assert summary.overall == SuccessRate(1, 3, 4.0, 0.5)
    assert summary.by_goal["a"].rate == 0.5
    assert list(summary.by_goal) == ["a", "b"]


def test_the_interval_is_wilsons():
    low, high = SuccessRate(8, 10, 1.0, 0.8).interval()
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    # The formula of Wilson (1927), written out.
    n, p, z = 10, 0.8, 1.959964
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert (low, high) == pytest.approx(((centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)))
    assert SuccessRate(10, 10, 1.0, 1.0).interval()[1] == 1.0
    assert SuccessRate(10, 10, 1.0, 1.0).interval()[0] < 0.8


def test_the_learning_curve_is_a_picture(tmp_path):
    points = [CurvePoint(i * 1000, i / 10, i / 11, float("nan") if i < 3 else 0.9) for i in range(10)]
    plot_learning_curve(points, tmp_path / "curve.png", "Title", random_success_rate=0.07)
    pixels = np.asarray(Image.open(tmp_path / "curve.png").convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 20


def test_the_gif_shows_each_step_and_holds_the_shorter_episode(tmp_path):
    rng = np.random.default_rng(0)

    def episode(length):
        frames = rng.integers(0, 255, (length, 100, 60, 3), dtype=np.uint8)
        return RecordedEpisode("open Gmail", frames, np.linspace(0, 1, length, dtype=np.float32), 0.8, True)

    write_gif([episode(3), episode(5)], tmp_path / "episodes.gif")
    film = Image.open(tmp_path / "episodes.gif")
    assert film.n_frames == 5
    film.seek(2)
    third = np.asarray(film.convert("RGB"))
    film.seek(4)
    last = np.asarray(film.convert("RGB"))
    half = third.shape[1] // 2
    assert np.array_equal(third[:, :half], last[:, :half])
    assert not np.array_equal(third[:, half:], last[:, half:])
