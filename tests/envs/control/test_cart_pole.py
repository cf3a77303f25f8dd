"""CartPole: Gymnasium's own, seen as a picture."""

import copy

import gymnasium as gym
import numpy as np
import pytest

from envs.control import CartPoleEnv
from envs.control.cart_pole import MAX_EPISODE_STEPS, SOLVED_STEPS, STATE_LIMITS, read_state
from envs.registry import make_env
from vlm_rewards.environment.goal_tokens import tokenize
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import TaskSet

RANGES = 2 * np.array(STATE_LIMITS)


@pytest.fixture
def make():
    made = []

    def make(**options):
        made.append(CartPoleEnv(**options))
        return made[-1]

    yield make
    for env in made:
        env.close()


def balanced(state) -> int:
    """Returns the push that keeps the pole up, and the cart near the middle."""
    return int(state @ np.array([0.1, 0.3, 3.0, 1.0]) > 0)


def play(env, choose, seed=0):
    """Plays an episode; yields its steps."""
    observation, _ = env.reset(seed=seed)
    ended = False
    while not ended:
        observation, reward, terminated, truncated, info = env.step(choose(observation))
        ended = terminated or truncated
        yield observation, reward, terminated, truncated, info


def by_eye(observation) -> int:
    return balanced(read_state(observation["image"]))


def test_it_is_gymnasiums_cart_pole_step_by_step(make):
    ours, theirs = make(), gym.make("CartPole-v1")
    pushes = np.random.default_rng(0)
    for seed in (3, None, None):
        state, _ = theirs.reset(seed=seed)
        ours.reset(seed=seed)
        np.testing.assert_array_equal(ours.state, state)
        ended = False
        while not ended:
            push = int(pushes.integers(2))
            state, *rest, _ = theirs.step(push)
            _, reward, terminated, truncated, _ = ours.step(push)
            np.testing.assert_array_equal(ours.state, state)
            assert [reward, terminated, truncated] == rest
            ended = terminated or truncated
    theirs.close()


@pytest.mark.parametrize("policy", ["random", "left", "balanced"])
def test_the_picture_says_the_state(make, policy):
    env = make()
    pushes = np.random.default_rng(0)
    choose = {"random": lambda _: pushes.integers(2), "left": lambda _: 0, "balanced": by_eye}[policy]
    for seed in range(3 if policy == "balanced" else 50):
        for observation, *_ in play(env, choose, seed):
            assert np.all(np.abs(env.state) <= STATE_LIMITS)  # nothing is clipped
            assert np.all(np.abs(read_state(observation["image"]) - env.state) <= 1e-4 * RANGES)


def test_who_reads_the_picture_can_keep_the_pole_up_for_500_steps(make):
    env = make(terminate_on_success=True)
    for seed in range(5):
        steps = list(play(env, by_eye, seed))
        assert [step[1] for step in steps] == [1.0] * MAX_EPISODE_STEPS
        assert [step[2:4] for step in steps] == [(False, False)] * (MAX_EPISODE_STEPS - 1) + [(False, True)]
        solved = [False] * (SOLVED_STEPS - 1) + [True] * (MAX_EPISODE_STEPS - SOLVED_STEPS + 1)
        assert [step[4]["is_success"] for step in steps] == solved
        assert [step[4]["goal_achieved"] for step in steps] == solved
        assert env.achieved_goals() == ["cart_pole.up"]


def test_a_pole_that_falls_terminates_and_the_last_step_is_paid(make):
    env = make()
    steps = list(play(env, lambda _: 1))
    assert len(steps) < 15
    assert steps[-1][1:4] == (1.0, True, False)
    assert not steps[-1][4]["is_success"]
    assert env.achieved_goals() == []


def test_a_shorter_limit_truncates(make):
    steps = list(play(make(max_episode_steps=20), by_eye))
    assert [step[3] for step in steps] == [False] * 19 + [True]


@pytest.mark.parametrize("limit", [30, 1000])
def test_gymnasiums_time_limit_counts_below_500(limit):
    env = gym.make("envs.control:control/CartPole-v0", max_episode_steps=limit)
    assert len(list(play(env, by_eye))) == min(limit, MAX_EPISODE_STEPS)
    env.close()


def test_the_goal_is_the_task_sets(make):
    env = make(goal_id="cart_pole.up")
    assert env.task_set == TaskSet.named("control_cart_pole")
    observation, info = env.reset(options={"goal_id": "cart_pole.up"})
    assert info == {"is_success": False, "goal_achieved": False, "goal_id": "cart_pole.up"}
    np.testing.assert_array_equal(observation["goal"], tokenize("Keep the pole up"))


def test_the_frame_shows_cart_and_pole_where_they_are(make):
    env = make()
    env.reset(seed=0)
    cart, pole = (40, 44, 52), (202, 152, 101)

    def columns(frame, colour):
        return np.flatnonzero((np.abs(frame.astype(int) - colour).sum(axis=-1) < 12).any(axis=0))

    env._state = np.array([-1.2, 0, 0.2, 0], np.float32)
    frame = env.reward_frame()
    assert (frame.dtype, frame.shape) == (np.uint8, (96, 144, 3))
    # 30 pixels a metre; the pole leans to the right.
    assert columns(frame, cart).mean() == pytest.approx(72 - 36 - 0.5, abs=1)
    assert columns(frame, pole).mean() > columns(frame, cart).mean() + 1
    env._state = np.array([1.2, 0, -0.2, 0], np.float32)
    np.testing.assert_allclose(env.reward_frame()[:, ::-1].astype(int), frame.astype(int), atol=64)
    assert env.render().shape == (328, 352, 3)
    assert make(reward_size=(32, 48)).reset(seed=0)[0]["image"].shape == (8, 32, 3)


def test_a_copy_goes_on_like_the_original(make):
    env = make()
    env.reset(seed=4)
    other = copy.deepcopy(env)
    for push in (0, 1, 1):
        np.testing.assert_array_equal(env.step(push)[0]["image"], other.step(push)[0]["image"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reward_size": (8, 32)}, "give .height, width. between 16 and 480 pixels"),
        ({"render_mode": "ansi"}, "render_mode 'ansi' does not exist; use 'rgb_array' or None"),
        ({"split": "held_out"}, "CartPole has no goals in the split 'held_out'; use 'train'"),
        ({"split": "test"}, "CartPole has no goals in the split 'test'; use 'train'"),
        ({"goal_id": "cart_pole.down"}, "no goal 'cart_pole.down'; did you mean 'cart_pole.up'"),
        ({"colour": "red"}, "environment 'control/CartPole-v0' has no option 'colour'"),
    ],
)
def test_a_wrong_option_is_refused_in_one_line(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        make_env("control/CartPole-v0", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("steps", [0, 501])
def test_a_limit_that_gymnasium_does_not_have_is_refused(steps):
    with pytest.raises(ConfigError, match=f"max_episode_steps is {steps}; give 1 to 500"):
        CartPoleEnv(max_episode_steps=steps)


@pytest.mark.parametrize("options", [{"goal_id": "walk"}, {"speed": 2}])
def test_a_wrong_reset_option_is_refused(make, options):
    with pytest.raises(ConfigError, match=next(iter(options)) if "speed" in options else "no goal 'walk'"):
        make().reset(options=options)


def test_an_unknown_environment_gets_near_matches():
    with pytest.raises(ConfigError, match="did you mean 'control/CartPole-v0'"):
        make_env("control/CartPol-v0")


def test_before_the_first_reset_there_is_nothing_to_see(make):
    for look in (CartPoleEnv.reward_frame, CartPoleEnv.render):
        with pytest.raises(gym.error.ResetNeeded):
            look(make())
