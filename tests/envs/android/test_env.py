"""Open App on the embedded phone."""

import contextlib
import io
import os
import pickle
import subprocess
import sys
import tracemalloc

import cloudpickle
import gymnasium
import numpy as np
import pytest

import envs.android  # noqa: F401  (registers android/OpenApp-v0)
from envs.android.actions import ACTION_INDEX
from envs.android.apps import APPS, get_app
from envs.android.device.profile import EVAL_VARIANTS, TRAIN_VARIANTS
from envs.android.env import OpenAppEnv
from envs.android.selftest import ScriptWriter
from vlm_rewards.environment.goal_tokens import tokenize
from vlm_rewards.environment.vector_env import RewardVectorEnv
from vlm_rewards.errors import ConfigError
from vlm_rewards.goals import TaskSet

HOME, BACK = ACTION_INDEX["home"], ACTION_INDEX["back"]


@pytest.fixture
def make():
    made = []

    def make(**settings):
        made.append(OpenAppEnv(**settings))
        return made[-1]

    yield make
    for env in made:
        env.close()


def open_goal(env):
    """Opens the goal's app from the home screen; returns the last step."""
    script = ScriptWriter(env.phone.layout).write("direct", get_app(env.goal.subject).package, np.random.default_rng(0))
    for action in script.actions:
        result = env.step(action)
    return result


def test_opening_the_goals_app_is_a_success(make):
    env = make(goal_id="gmail")
    observation, info = env.reset(seed=0)
    assert info == {"is_success": False, "goal_achieved": False, "goal_id": "gmail"}
    np.testing.assert_array_equal(observation["goal"], tokenize("open Gmail"))
    _, reward, terminated, truncated, info = open_goal(env)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info == {"is_success": True, "goal_achieved": True, "goal_id": "gmail"}


def test_goal_achieved_is_about_now_and_is_success_about_the_episode(make):
    env = make(goal_id="gmail", terminate_on_success=False)
    env.reset(seed=0)
    _, reward, terminated, _, info = open_goal(env)
    assert (reward, terminated, info["is_success"], info["goal_achieved"]) == (1.0, False, True, True)
    _, reward, _, _, info = env.step(BACK)
    assert (reward, info["is_success"], info["goal_achieved"]) == (0.0, True, False)
    # Hot start: no line in the log, no second reward, and yet the app is in front.
    _, reward, _, _, info = open_goal(env)
    assert (reward, info["is_success"], info["goal_achieved"]) == (0.0, True, True)
    _, reward, _, _, info = env.step(HOME)
    assert (reward, info["is_success"], info["goal_achieved"]) == (0.0, True, False)


def test_another_app_is_no_success(make):
    env = make(goal_id="gmail")
    env.reset(seed=0)
    layout, maps = env.phone.layout, get_app("Maps").package
    for action in ScriptWriter(layout).write("direct", maps, np.random.default_rng(0)).actions:
        _, reward, terminated, _, info = env.step(action)
    assert env.phone.foreground == maps
    assert (reward, terminated, info["is_success"], info["goal_achieved"]) == (0.0, False, False, False)


def test_goals_are_drawn_uniformly_from_the_split(make):
    env = make()
    env.reset(seed=0)
    drawn = [env.reset()[1]["goal_id"] for _ in range(500)]
    counts = {goal_id: drawn.count(goal_id) for goal_id in set(drawn)}
    assert len(counts) == 10
    assert min(counts.values()) > 25
    held_out = make(split="held_out")
    held_out.reset(seed=0)
    assert {held_out.reset()[1]["goal_id"] for _ in range(60)} == {"photos", "youtube", "settings", "contacts"}


def test_a_goal_asked_for_at_reset_holds_for_one_episode_and_changes_nothing_else(make):
    env = make()
    plain = [env.reset(seed=4), env.reset(), env.reset()]
    asked = [env.reset(seed=4), env.reset(options={"goal_id": "settings"}), env.reset()]
    assert asked[1][1]["goal_id"] == "settings"
    np.testing.assert_array_equal(asked[1][0]["image"], plain[1][0]["image"])
    assert asked[2][1]["goal_id"] == plain[2][1]["goal_id"]
    np.testing.assert_array_equal(asked[2][0]["image"], plain[2][0]["image"])


def test_train_and_eval_content_never_overlap(make):
    def variants(content):
        env = make(content=content)
        env.reset(seed=0)
        seen = set()
        for _ in range(40):
            env.reset()
            seen.update(env.phone.profile.variants)
        return seen

    train, evaluation = variants("train"), variants("eval")
    assert max(train) < TRAIN_VARIANTS <= min(evaluation)
    assert max(evaluation) < TRAIN_VARIANTS + EVAL_VARIANTS


def test_the_layout_is_fixed_or_drawn_anew(make):
    def layouts(layout):
        env = make(layout=layout)
        env.reset(seed=0)
        seen = set()
        for _ in range(5):
            env.reset()
            seen.add((env.phone.layout.dock, env.phone.layout.pages))
        return seen

    assert len(layouts("fixed")) == 1
    assert len(layouts("shuffled")) == 5


def test_frames_are_renderings_of_one_state_at_their_sizes(make):
    env = make(observation_size=(128, 80), reward_size=(224, 224), render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    assert observation["image"].shape == (128, 80, 3)
    assert env.reward_frame().shape == (224, 224, 3)
    assert env.render().shape == (400, 250, 3)
    np.testing.assert_array_equal(observation["image"], env.phone.render(128, 80))
    np.testing.assert_array_equal(env.reward_frame(), env.phone.render(224, 224))
    assert OpenAppEnv.metadata["render_modes"] == ["rgb_array"]
    silent = make()
    silent.reset(seed=0)
    assert silent.render() is None


def test_every_action_leaves_the_phone_untouched_by_a_finger(make):
    env = make(max_episode_steps=1000)
    env.reset(seed=0)
    for action in range(60):
        env.step(action)
        assert env.phone.view == env.phone.view._replace(page_shift=0.0)
        assert env.phone.view.drawer in (0.0, 1.0)
        assert env.phone.view.shade in (0.0, 1.0)


def test_a_task_set_may_be_a_name_a_path_or_an_object(make, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("{name: mine, version: 1, goals: [{id: cam, subject: Camera, instruction: open the camera}]}")
    for task_set in (str(path), TaskSet.from_yaml(path)):
        env = make(task_set=task_set)
        assert env.reset(seed=0)[1]["goal_id"] == "cam"
        assert open_goal(env)[2]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"goal_id": "gmial"}, r"unknown goal 'gmial'.*did you mean 'gmail'"),
        ({"task_set": "open_comon_apps"}, r"unknown task set.*did you mean 'open_common_apps'"),
        ({"task_set": "missing.yaml"}, r"cannot read missing\.yaml"),
        ({"split": "test"}, r"unknown split 'test'; (known: held_out, train|did you mean)"),
        ({"backend": "emulated"}, r"unknown backend 'emulated'; did you mean 'em"),
        ({"layout": "shufled"}, r"unknown layout 'shufled'; did you mean 'shuffled'"),
        ({"content": "evaluation"}, r"unknown content 'evaluation'; did you mean 'eval'"),
        ({"render_mode": "human"}, r"unknown render_mode 'human'; known: rgb_array"),
        ({"observation_size": (96,)}, r"observation_size must be \(height, width\)"),
        ({"observation_size": (0, 60)}, r"each from 16 to 2048 \(got \(0, 60\)\)"),
        ({"reward_size": (128.5, 80)}, r"reward_size must be"),
        ({"reward_size": (100_000, 80)}, r"reward_size must be"),
        ({"max_episode_steps": 0}, r"max_episode_steps must be a whole number of at least 1"),
        ({"emulator": {"adb_path": "adb"}}, r"backend is 'embedded'; pass backend='emulator'"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_in_one_line(settings, message):
    with pytest.raises(ConfigError, match=message) as raised:
        OpenAppEnv(**settings)
    assert "\n" not in str(raised.value)


def test_a_goal_whose_app_is_not_installed_is_refused(tmp_path):
    goals = {"id": "mail", "subject": "Gmial", "instruction": "open the mail"}
    tasks = TaskSet(name="mine", version=1, goals=[goals])
    with pytest.raises(ConfigError, match=r"goal 'mail' of task set 'mine': no app 'Gmial' .* did you mean 'Gmail'"):
        OpenAppEnv(task_set=tasks)
    with pytest.raises(ConfigError, match="no goals in split 'held_out'"):
        OpenAppEnv(task_set=TaskSet(name="mine", version=1, goals=[goals]), split="held_out")


def test_reset_options_are_checked(make):
    env = make()
    with pytest.raises(ConfigError, match=r"unknown reset option 'goal'; did you mean 'goal_id'"):
        env.reset(options={"goal": "gmail"})
    with pytest.raises(ConfigError, match=r"unknown goal 'nothing'"):
        env.reset(options={"goal_id": "nothing"})


def test_there_is_no_goal_before_the_first_reset(make):
    env = make()
    assert not hasattr(env, "goal_id")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.reward_frame()


def test_a_creator_travels_between_processes_as_ray_sends_it():
    creator = pickle.loads(cloudpickle.dumps(lambda: OpenAppEnv(goal_id="maps")))
    env = creator()
    assert env.reset(seed=0)[1]["goal_id"] == "maps"
    env.close()


def test_sixteen_phones_in_one_process_stay_small():
    tracemalloc.start()
    env = RewardVectorEnv([lambda: OpenAppEnv(layout="shuffled", terminate_on_success=False)] * 16)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(60):
        env.step(rng.integers(60, size=16))
        assert env.reward_frames(range(16)).shape == (16, 128, 80, 3)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    env.close()
    assert used < 150 * 2**20


def test_gymnasium_makes_it_and_sets_the_length_of_its_episodes():
    for settings, length in (({}, 20), ({"max_episode_steps": 30}, 30), ({"max_episode_steps": 5}, 5)):
        env = gymnasium.make("android/OpenApp-v0", goal_id="maps", terminate_on_success=False, **settings)
        env.reset(seed=0)
        truncations = [env.step(HOME)[3] for _ in range(length)]
        env.close()
        assert truncations == [False] * (length - 1) + [True]


def test_without_android_env_the_error_names_the_extra():
    code = (
        "import sys; sys.modules['android_env'] = None\n"
        "import gymnasium, envs.android\n"
        "from vlm_rewards.errors import ConfigError\n"
        "try: gymnasium.make('android/OpenApp-v0')\n"
        "except ConfigError as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ".:platform"}
    )
    assert "needs the package 'android_env'; pip install 'vlm-rewards[android]'" in result.stdout


def test_all_apps_are_reachable_with_the_sixty_actions(make):
    env = make(max_episode_steps=1000)
    env.reset(seed=0)
    writer, rng = ScriptWriter(env.phone.layout), np.random.default_rng(0)
    for app in APPS:
        env.reset()
        for action in writer.write("direct", app.package, rng).actions:
            env.step(action)
        assert env.phone.foreground == app.package


def test_another_process_sees_the_same_episodes():
    code = (
        "import hashlib\n"
        "from envs.android.env import OpenAppEnv\n"
        "env, digest = OpenAppEnv(layout='shuffled'), hashlib.sha256()\n"
        "for episode in range(3):\n"
        "    observation, info = env.reset(seed=8 if episode == 0 else None)\n"
        "    for action in (6, 20, 56, 31, 54, 14, 58):\n"
        "        observation, *rest = env.step(action) if not info['is_success'] else (observation, info)\n"
        "        info = rest[-1]\n"
        "        digest.update(observation['image'].tobytes() + env.reward_frame().tobytes() + repr(rest).encode())\n"
        "print(digest.hexdigest())\n"
    )
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    elsewhere = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ".:platform", "PYTHONHASHSEED": seed},
    ).stdout
    with contextlib.redirect_stdout(io.StringIO()) as here:
        exec(code, {})
    assert len(elsewhere) == 65
    assert here.getvalue() == elsewhere
