"""AndroidEnv's real EmulatorSimulator, adb controller and log stream, against a stand-in emulator and adb."""

import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from android_env.components import action_type
from android_env.components.simulators.emulator import emulator_simulator

from envs.android.actions import ACTION_INDEX
from envs.android.apps import get_app
from envs.android.device.phone import Phone
from envs.android.emulator_options import EmulatorOptions
from envs.android.env import OpenAppEnv
from envs.android.frame_fitting import fit_frame
from envs.android.selftest import ScriptWriter
from tests.envs.android.stand_in_emulator import CONTROL_PORT_FILE, StandInEmulator, install
from vlm_rewards.errors import VLMRewardsError

HOME, BACK = ACTION_INDEX["home"], ACTION_INDEX["back"]
WRITER = ScriptWriter(Phone().layout)
# Wall-clock seconds; the log travels through two processes in this time.
SETTLE_S = 0.25


@pytest.fixture(autouse=True)
def android_home(monkeypatch):
    """AndroidEnv's adb controller deletes these from the environment for good."""
    for name in ("ANDROID_HOME", "ANDROID_ADB_SERVER_PORT"):
        monkeypatch.setenv(name, "x")


@pytest.fixture
def running(tmp_path):
    """A running emulator: the stand-in, and the options that find it."""
    adb, _ = install(tmp_path)
    emulator = StandInEmulator()
    (tmp_path / CONTROL_PORT_FILE).write_text(str(emulator.control_port))
    options = {
        "adb_path": str(adb),
        "adb_port": 5555,
        "emulator_console_port": 5554,
        "grpc_port": emulator.grpc_port,
        "settle_s": SETTLE_S,
        "max_rate_hz": 0.0,
    }
    yield emulator, options
    emulator.stop()


def direct(name):
    return WRITER.write("direct", get_app(name).package, np.random.default_rng(0)).actions


def play(env, actions):
    return [env.step(action) for action in actions]


def test_whole_episodes_through_the_emulator_simulator(running):
    emulator, options = running
    env = OpenAppEnv(backend="emulator", emulator=options, goal_id="gmail", terminate_on_success=False)
    observation, info = env.reset(seed=0)
    assert env.observation_space.contains(observation)
    assert info == {"is_success": False, "goal_achieved": False, "goal_id": "gmail"}

    # Another app first, then the goal, then away from it.
    *_, (_, reward, _, _, info) = play(env, [*direct("Clock")])
    assert (reward, info["is_success"]) == (0.0, False)
    *_, (observation, reward, terminated, truncated, info) = play(env, [HOME, HOME, *direct("Gmail")])
    assert emulator.live.phone.foreground == get_app("Gmail").package
    assert (reward, terminated, truncated, info["is_success"], info["goal_achieved"]) == (1.0, False, False, True, True)
    assert env.observation_space.contains(observation)
    _, reward, _, _, info = env.step(BACK)
    assert (reward, info["is_success"], info["goal_achieved"]) == (0.0, True, False)

    # The next episode starts cold: the reset has stopped the apps.
    env.reset()
    assert emulator.live.phone.running == ()
    *_, (_, reward, _, _, info) = play(env, [HOME, *direct("Gmail")])
    assert (reward, info["is_success"]) == (1.0, True)
    assert ["shell", "settings", "put", "system", "show_touches", "0"] in emulator.commands
    assert ["shell", "settings", "put", "system", "pointer_location", "0"] in emulator.commands
    env.close()
    env.close()


def test_frames_are_the_last_screenshot_resized(running):
    emulator, options = running
    env = OpenAppEnv(backend="emulator", emulator=options, render_mode="rgb_array", observation_size=(96, 96))
    observation, _ = env.reset(seed=0)
    native = env.render()
    assert native.shape == (400, 250, 3)
    with emulator.live as phone:
        expected = phone.render(400, 250)
    assert np.abs(native.astype(int) - expected).mean() < 2  # the clock may have moved on
    assert env.reward_frame().shape == (128, 80, 3)
    np.testing.assert_array_equal(env.reward_frame(), fit_frame(native, 128, 80))
    np.testing.assert_array_equal(observation["image"], fit_frame(native, 96, 96))
    with pytest.raises(AttributeError):
        env.phone.render(96, 60)
    kinds = env._backend.android.action_spec()["action_type"]
    assert kinds.num_values == int(action_type.ActionType.REPEAT) + 1  # no keys: RateLimitWrapper and its like fit
    env.close()


def test_swipes_travel_as_drags(running):
    emulator, options = running
    env = OpenAppEnv(backend="emulator", emulator=options)
    env.reset(seed=0)
    env.step(ACTION_INDEX["swipe_left"])
    assert emulator.live.phone.view.page == 1
    env.step(ACTION_INDEX["swipe_up"])
    assert emulator.live.phone.view.drawer == 1.0
    env.close()


def test_an_emulator_that_dies_truncates_the_episode_and_the_next_one_finds_it_again(running, monkeypatch):
    emulator, options = running
    env = OpenAppEnv(backend="emulator", emulator=options, goal_id="gmail")
    env.reset(seed=0)
    # AndroidEnv waits 100 s for a lost emulator.
    connect = emulator_simulator.EmulatorSimulator._connect_to_emulator
    monkeypatch.setattr(
        emulator_simulator.EmulatorSimulator, "_connect_to_emulator", lambda self, port: connect(self, port, 1)
    )
    emulator.stop()
    _, reward, terminated, truncated, info = env.step(0)
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert "Failed to connect to the emulator" in info["device_error"]
    with pytest.raises(VLMRewardsError, match=r"did not start.*check that `adb devices` lists it"):
        env.reset()
    # It is back, at the same port.
    again = StandInEmulator(options["grpc_port"])
    (Path(options["adb_path"]).parent / CONTROL_PORT_FILE).write_text(str(again.control_port))
    env.reset()
    *_, (_, reward, _, _, _) = play(env, direct("Gmail"))
    assert reward == 1.0
    env.close()
    again.stop()


def test_steps_keep_to_the_rate(running):
    _, options = running
    env = OpenAppEnv(backend="emulator", emulator=options | {"settle_s": 0.0, "max_rate_hz": 10.0})
    env.reset(seed=0)
    started = time.monotonic()
    env.step(ACTION_INDEX["swipe_left"])  # eight raw steps
    assert time.monotonic() - started >= 8 / 10.0 - 0.1
    env.close()


def test_an_emulator_is_started_and_shut_down(tmp_path, monkeypatch):
    adb, emulator = install(tmp_path)
    # AndroidEnv picks ports; keep them clear of the range that belongs to others on this machine.
    monkeypatch.setattr(emulator_simulator, "_pick_emulator_grpc_port", _free_port)
    monkeypatch.setattr(emulator_simulator, "_pick_adb_port", _free_port)
    monkeypatch.setattr(emulator_simulator.portpicker, "pick_unused_port", _free_port)
    options = EmulatorOptions(
        adb_path=str(adb),
        emulator_path=str(emulator),
        android_sdk_root=str(tmp_path),
        android_avd_home=str(tmp_path),
        avd_name="test_phone",
        tmp_dir=str(tmp_path / "tmp"),
        settle_s=SETTLE_S,
    )
    before = threading.active_count()
    env = OpenAppEnv(backend="emulator", emulator=options, goal_id="maps")
    process = env._backend.android._simulator._launcher._emulator
    assert "stand-in emulator: avd test_phone" in env._backend.android._simulator.get_logs()
    env.reset(seed=0)
    *_, (_, reward, terminated, _, _) = play(env, direct("Maps"))
    assert (reward, terminated) == (1.0, True)
    env.close()
    assert process.poll() == 0
    assert not (tmp_path / CONTROL_PORT_FILE).exists()
    assert threading.active_count() <= before


def test_an_emulator_that_does_not_start_is_one_clear_line(tmp_path, monkeypatch):
    adb, _ = install(tmp_path)
    connect = emulator_simulator.EmulatorSimulator._connect_to_emulator
    monkeypatch.setattr(
        emulator_simulator.EmulatorSimulator, "_connect_to_emulator", lambda self, port: connect(self, port, 1)
    )
    options = {"adb_path": str(adb), "adb_port": 5555, "emulator_console_port": 5554, "grpc_port": _free_port()}
    with pytest.raises(VLMRewardsError, match=r"did not start.*check that `adb devices`") as raised:
        OpenAppEnv(backend="emulator", emulator=options)
    assert "\n" not in str(raised.value)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
