import contextlib
import hashlib
import io
import os
import subprocess
import sys
import textwrap
import threading

import gymnasium as gym
import numpy as np
import pytest

import envs.playhouse
from envs.playhouse import live_contexts
from envs.playhouse.catalog import MAIN
from envs.playhouse.errors import ActionError, ImpossibleGoalError, PlayhouseError, UnknownNameError
from envs.playhouse.presets import home_seeds, load_preset
from envs.playhouse.task_sets import held_out_pairs
from vlm_rewards.environment.rewardable_env import RewardableEnv
from vlm_rewards.environment.vector_env import RewardVectorEnv
from vlm_rewards.errors import ConfigError

DIGEST = """
    import hashlib, numpy as np
    from envs.playhouse import PlayhouseEnv
    digest = hashlib.sha256()
    for family, preset in (("lift", "small"), ("pick_place", "full")):
        env = PlayhouseEnv(family, preset, terminate_on_success=False)
        rng = np.random.default_rng(0)
        for seed in (5, 6):
            observation, _ = env.reset(seed=seed)
            for _ in range(12):
                observation, reward, *_ = env.step(int(rng.integers(8)))
                digest.update(observation["image"].tobytes())
                digest.update(np.float64(reward).tobytes())
                digest.update(env.scene.data.qpos.tobytes())
        env.close()
    print(digest.hexdigest())
"""


@pytest.mark.parametrize(("name", "family"), [("Find", "find"), ("Lift", "lift"), ("PickPlace", "pick_place")])
def test_the_three_families_are_registered(name, family):
    env = gym.make(f"playhouse/{name}-v0", preset="small")
    _, info = env.reset(seed=1)
    assert isinstance(env.unwrapped, RewardableEnv)
    assert info["goal_id"].startswith(family + ".")
    assert info["goal_id"] == env.unwrapped.goal_id
    assert env.spec.id == f"playhouse/{name}-v0"
    env.close()


@pytest.mark.parametrize("preset", ["small", "medium", "full"])
@pytest.mark.parametrize("family", ["find", "lift", "pick_place"])
def test_every_preset_and_family_steps(make, preset, family):
    env = make(family, preset, split="held_out", observation_size=(48, 64), reward_size=(96, 80))
    rng = np.random.default_rng(0)
    observation, _ = env.reset(seed=3)
    frames = set()
    for _ in range(12):
        assert env.observation_space.contains(observation)
        observation, reward, _, _, info = env.step(int(rng.integers(env.action_space.n)))
        assert reward == 0.0 or info["is_success"]
        frames.add(observation["image"].tobytes())
    assert len(frames) > 4
    assert env.reward_frame().shape == (96, 80, 3)
    assert np.isfinite(env.scene.data.qpos).all()


@pytest.mark.parametrize("split", ["train", "held_out"])
def test_goals_and_homes_may_be_of_different_splits(make, split):
    other = "held_out" if split == "train" else "train"
    env = make("find", "small", split=split, homes=other)
    goals = {goal.id for goal in env.unwrapped.task_set.split(split)}
    for seed in range(5):
        _, info = env.reset(seed=seed)
        assert info["goal_id"] in goals
        assert env.unwrapped.episode.home.seed in home_seeds(env.unwrapped.preset, other)


def test_the_same_seed_is_the_same_episode_in_another_process():
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    code = textwrap.dedent(DIGEST)
    elsewhere = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    with contextlib.redirect_stdout(io.StringIO()) as here:
        exec(code, {})
    assert len(elsewhere.strip()) == 64
    assert here.getvalue() == elsewhere


def test_two_pictures_of_one_state(make):
    env = make("find", "small", observation_size=(64, 64), reward_size=(128, 128))
    observation, _ = env.reset(seed=0)
    small = env.reward_frame().reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - observation["image"]).mean() < 6.0


def test_training_never_shows_a_held_out_pair(make):
    env = make("find", "small")
    hidden = held_out_pairs(load_preset("small"), load_preset("small").category_names())
    for seed in range(40):
        env.reset(seed=seed)
        assert not {(thing.category, thing.colour) for thing in env.episode.things} & hidden


def test_things_that_look_alike_stand_around(make):
    env = make("lift", "full")
    kinds = colours = 0
    for seed in range(20):
        env.reset(seed=seed)
        goal, *others = env.episode.things
        kinds += any(other.category == goal.category for other in others)
        colours += any(other.colour == goal.colour for other in others)
        assert not any((o.category, o.colour) == (goal.category, goal.colour) for o in others)
    assert kinds >= 15
    assert colours >= 15


def test_the_goals_thing_has_its_colour_in_the_picture(make):
    env = make("find", "small", goal_id="find.red.ball")
    env.reset(seed=0)
    x, y, z = env.scene.centre(0)
    env.scene.place_agent(float(x) - 0.7, float(y), 0.0, float(np.arctan2(z - 0.9, 0.7)))
    image = env.view((64, 64)).astype(int)
    middle = image[26:38, 26:38].reshape(-1, 3).mean(axis=0)
    assert middle[0] > 2 * middle[1]
    assert middle[0] > 2 * middle[2]
    assert env.scene.compiled.categories["ball"].meshes[0][0] == MAIN


def test_half_the_near_starts_of_lift_need_only_a_grab_and_a_look_up(make):
    env = make("lift", near_starts=1.0)
    in_reach = in_sight = lifted = 0
    for seed in range(40):
        env.reset(seed=seed)
        if not env.truth.is_near(0):
            in_sight += env.truth.is_visible(0)
            continue
        in_reach += 1
        assert env.truth.is_visible(0)
        for name in ("grab", "look_up", "look_up"):
            if not env.success:
                env.step(env.action_names.index(name))
        lifted += env.success
    assert 12 <= in_reach <= 28
    assert lifted >= 0.9 * in_reach
    assert in_sight >= 0.8 * (40 - in_reach)


def test_near_starts_are_a_share_of_the_episodes(make):
    env = make("lift", near_starts=0.5)
    near = 0
    for seed in range(40):
        env.reset(seed=seed)
        x, y, _ = env.scene.centre(0)
        near += bool(np.hypot(x - env.agent.pose[0], y - env.agent.pose[1]) < 1.35)
    assert 3 <= near <= 17


def test_a_near_start_of_pick_and_place_has_both_things_near(make):
    env = make("pick_place", near_starts=1.0)
    for seed in range(15):
        env.reset(seed=seed)
        apart = env.scene.centre(0) - env.scene.centre(1)
        assert 0.8 <= np.hypot(apart[0], apart[1]) <= 1.35
        assert not env.truth.holds("pick_place", 0, 1)
    env = make("pick_place")
    for seed in range(15):
        env.reset(seed=seed)
        apart = env.scene.centre(0) - env.scene.centre(1)
        assert np.hypot(apart[0], apart[1]) >= 1.55


def test_a_near_start_of_find_shows_the_thing_a_few_steps_away(make):
    env = make("find", near_starts=1.0)
    begun = 0
    for seed in range(20):
        env.reset(seed=seed)
        x, y, _ = env.scene.centre(0)
        away = float(np.hypot(x - env.agent.pose[0], y - env.agent.pose[1]))
        near = 1.35 <= away <= 2.45 and env.truth.is_visible(0)
        begun += near
        assert not env.truth.is_near(0)
        for _ in range(10 * near):
            if not env.success:
                x, y, _ = env.scene.centre(0)
                pose = env.agent.pose
                turn = np.angle(np.exp(1j * (np.arctan2(y - pose[1], x - pose[0]) - pose[2])))
                name = "forward" if abs(turn) < 0.14 else "turn_left" if turn > 0 else "turn_right"
                env.step(env.action_names.index(name))
        assert env.success or not near
    assert begun >= 16


def test_options_fix_goal_and_home(make):
    env = make("lift", "small")
    _, info = env.reset(seed=0, options={"goal_id": "lift.blue.mug", "home_seed": 17})
    assert info["goal_id"] == "lift.blue.mug"
    assert env.episode.home.seed == 17
    with pytest.raises(ConfigError, match="unknown reset options"):
        env.reset(options={"goal": "lift.blue.mug"})
    with pytest.raises(ConfigError, match="not of the family 'lift'"):
        env.reset(options={"goal_id": "find.blue.mug"})


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"preset": "smal"}, UnknownNameError, "unknown preset 'smal'"),
        ({"family": "fly"}, UnknownNameError, "unknown goal family 'fly'"),
        ({"split": "test"}, ConfigError, "unknown split 'test'"),
        ({"goal_id": "find.mauve.mug"}, UnknownNameError, "unknown colour 'mauve'"),
        ({"goal_id": "find.red.submarine"}, UnknownNameError, "unknown category 'submarine'"),
        ({"goal_id": "find.red.umbrella"}, UnknownNameError, "unknown category 'umbrella'"),  # not in `small`
        ({"family": "pick_place", "goal_id": "pick_place.red.mug.red.mug"}, ImpossibleGoalError, "next to itself"),
        ({"observation_size": (64, 9999)}, ConfigError, "observation_size is"),
        ({"render_mode": "human"}, ConfigError, "render_mode 'human'"),
        ({"actions": "joystick"}, ActionError, "unknown kind of actions"),
        ({"near_starts": 1.5}, ConfigError, "0 to 1"),
        ({"homes": "all"}, ConfigError, "unknown split 'all'"),
    ],
)
def test_bad_settings_are_refused_and_leave_no_context(settings, error, message):
    before = live_contexts()
    with pytest.raises(error, match=message):
        envs.playhouse.PlayhouseEnv(**settings)
    assert live_contexts() == before


@pytest.mark.parametrize("action", [[0, 0, 0], [0, 0, 0, 1.5], [0, np.nan, 0, 0], "left"])
def test_continuous_actions_outside_the_box_are_refused(make, action):
    env = make("lift", "small", actions="continuous")
    env.reset(seed=0)
    with pytest.raises(ActionError, match="not in Box"):
        env.step(action)


def test_sixteen_environments_share_one_context_and_give_it_back():
    before = live_contexts()
    vector = RewardVectorEnv([lambda: envs.playhouse.PlayhouseEnv("find", "small") for _ in range(16)])
    vector.reset(seed=0)
    for _ in range(3):
        observations, *_ = vector.step(np.zeros(16, dtype=np.int64))
    assert live_contexts() == before + 1
    assert vector.reward_frames([0, 5]).shape == (2, 96, 96, 3)
    assert len({frame.tobytes() for frame in observations["image"]}) == 16
    vector.close()
    assert live_contexts() == before


def test_threads_have_contexts_of_their_own(make):
    here = make("find", "small")
    image = here.reset(seed=4)[0]["image"]
    seen = {}

    def elsewhere():
        env = envs.playhouse.PlayhouseEnv("find", "small")
        seen["image"] = env.reset(seed=4)[0]["image"]
        env.close()
        try:
            here.view((64, 64))
        except PlayhouseError as error:
            seen["error"] = str(error)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    np.testing.assert_array_equal(seen["image"], image)
    assert "belongs to one thread" in seen["error"]
    np.testing.assert_array_equal(here.view((64, 64)), image)


def test_the_last_of_two_contexts_still_draws(make):
    small = make("find", "small")
    image = small.reset(seed=2)[0]["image"]
    full = envs.playhouse.PlayhouseEnv("find", "full")
    full.reset(seed=2)
    full.close()
    np.testing.assert_array_equal(small.view((64, 64)), image)


def test_environments_of_two_presets_draw_their_own_scenes(make):
    small, full = make("find", "small"), make("find", "full")
    expected = small.reset(seed=2)[0]["image"], full.reset(seed=2)[0]["image"]
    for env, image in ((small, expected[0]), (full, expected[1])):
        np.testing.assert_array_equal(env.view((64, 64)), image)


def test_physics_that_diverges_truncates_the_episode_in_the_state_before(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    env = make("lift", near_starts=1.0)
    env.reset(seed=3)
    observation, *_ = env.step(0)
    pose, act = env.unwrapped.agent.pose, env.unwrapped.agent.act

    def blow_up(command):
        env.unwrapped.scene.data.qvel[0] = np.nan
        act(command)

    monkeypatch.setattr(env.unwrapped.agent, "act", blow_up)
    with pytest.warns(UserWarning, match=r"diverged in step 2 of lift\."):
        last, reward, terminated, truncated, info = env.step(1)
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["goal_achieved"] is False
    assert env.unwrapped.agent.pose == pose
    np.testing.assert_array_equal(last["image"], observation["image"])
    assert not list(tmp_path.iterdir()), "MuJoCo's log file"
    monkeypatch.undo()
    env.reset(seed=4)
    assert not env.step(1)[3], "the next episode is none the worse"


def test_a_failure_in_the_middle_of_an_episode_closes_the_context(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = live_contexts()
    env = envs.playhouse.PlayhouseEnv("find", "small")
    env.reset(seed=0)
    monkeypatch.setattr(env.truth, "holds", lambda *_: 1 / 0)
    with pytest.raises(PlayhouseError, match="simulation failed"):
        env.step(0)
    assert not list(tmp_path.iterdir()), "MuJoCo's log file"
    assert live_contexts() == before
    with pytest.raises(gym.error.ClosedEnvironmentError):
        env.reset()


def test_no_gl_driver_is_one_clear_error():
    script = "from envs.playhouse import PlayhouseEnv\nPlayhouseEnv()"
    # An EGL vendor that does not exist stands for a machine without a driver.
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "MUJOCO_GL": "egl",
        "__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent.json",
    }
    run = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    last = run.stderr.strip().splitlines()[-1] if "GLDriverError" in run.stderr else run.stderr
    assert "GLDriverError" in run.stderr
    assert "libegl1" in run.stderr, last
    assert "MUJOCO_GL" in run.stderr


def test_mujoco_imported_first_is_told_with_what_to_do():
    script = "import mujoco\nfrom envs.playhouse import PlayhouseEnv\nPlayhouseEnv()"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    env.pop("MUJOCO_GL", None), env.pop("DISPLAY", None)
    run = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert "import envs.playhouse first, or set MUJOCO_GL=egl" in run.stderr.strip().splitlines()[-1]


def test_render_is_for_people(make):
    env = make("pick_place", "small", render_mode="rgb_array")
    env.reset(seed=0)
    image = env.render()
    assert image.shape == (480, 800, 3)
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 500


def test_many_resets_keep_memory(make):
    env = make("find", "full", observation_size=(16, 16))

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    for _ in range(60):
        env.reset()
    before = resident()
    for _ in range(80):
        env.reset()
    assert resident() - before < 6.0
    assert hashlib.sha256(env.view((64, 64)).tobytes()).hexdigest()


def test_the_truth_of_all_goals_agrees_with_the_episode_s_own_and_finds_others(make):
    env = make("find", "small", terminate_on_success=False, near_starts=1.0)
    rng = np.random.default_rng(0)
    others = held = 0
    for seed in range(12):
        _, info = env.reset(seed=seed)
        for _ in range(15):
            *_, info = env.step(int(rng.integers(env.action_space.n)))
            found = env.achieved_goals()
            assert (env.goal_id in found) == info["goal_achieved"]
            shown = {f"find.{thing.colour}.{thing.category.replace(' ', '_')}" for thing in env.scene.things}
            assert set(found) <= shown
            held += info["goal_achieved"]
            others += bool(set(found) - {env.goal_id})
    assert held > 0
    assert others > 0
    assert env.not_yet_captions("find.red.ball") == ("a photo of a red ball far away in a room",)
    with pytest.raises(ConfigError, match="not of all"):
        make("pick_place", "small").achieved_goals()
