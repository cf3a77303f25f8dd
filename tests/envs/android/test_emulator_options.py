"""Missing paths and ports of a real emulator."""

import pytest

from envs.android.emulator_options import EmulatorOptions
from envs.android.env import OpenAppEnv
from vlm_rewards.errors import ConfigError


@pytest.fixture
def sdk(tmp_path):
    for name in ("adb", "emulator"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return {
        "adb_path": str(tmp_path / "adb"),
        "emulator_path": str(tmp_path / "emulator"),
        "android_sdk_root": str(tmp_path),
        "android_avd_home": str(tmp_path),
        "avd_name": "pixel",
    }


RUNNING = {"adb_port": 5555, "emulator_console_port": 5554, "grpc_port": 8554}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"adb_path": "/nowhere/adb"}, r"emulator\.adb_path: no program at '/nowhere/adb'.*emulator=\{'adb_path'"),
        ({"emulator_path": "/nowhere/emulator"}, r"emulator\.emulator_path: no program at '/nowhere/emulator'"),
        ({"android_sdk_root": "/nowhere"}, r"emulator\.android_sdk_root: no folder '/nowhere'"),
        ({"android_avd_home": "/nowhere"}, r"emulator\.android_avd_home: no folder '/nowhere'"),
        ({"avd_name": ""}, r"emulator\.avd_name is not set; name a virtual device"),
        ({"task_path": "/nowhere.textproto"}, r"emulator\.task_path: no file '/nowhere\.textproto'"),
        ({"grpc_port": 8554}, r"emulator\.adb_port is not set, but other ports are"),
        ({"adb_port": 99_999}, r"EmulatorOptions\.adb_port: .*less than 65536"),
        ({"adb_pth": "adb"}, r"unknown key 'adb_pth'; did you mean 'adb_path'"),
        ({"settle_s": -1}, r"EmulatorOptions\.settle_s"),
        ({"packages": {"gmial": "com.mail"}}, r"unknown goal 'gmial'.*did you mean 'gmail'"),
    ],
)
def test_what_is_missing_is_named(sdk, changes, message):
    with pytest.raises(ConfigError, match=message) as raised:
        OpenAppEnv(backend="emulator", emulator=sdk | changes)
    assert "\n" not in str(raised.value)


def test_a_program_that_cannot_be_run_is_named(sdk, tmp_path):
    (tmp_path / "adb").chmod(0o644)
    with pytest.raises(ConfigError, match=r"emulator\.adb_path: .* is not executable; run `chmod \+x`"):
        EmulatorOptions(**sdk).check()


def test_the_backend_needs_options_and_a_fixed_layout(sdk):
    with pytest.raises(ConfigError, match=r"backend 'emulator' needs emulator="):
        OpenAppEnv(backend="emulator")
    with pytest.raises(ConfigError, match=r"layout 'shuffled' needs backend 'embedded'"):
        OpenAppEnv(backend="emulator", layout="shuffled", emulator=sdk)


def test_a_running_emulator_needs_adb_alone(sdk):
    EmulatorOptions(adb_path=sdk["adb_path"], **RUNNING).check()


def test_options_reach_android_envs_own_configuration(sdk):
    options = EmulatorOptions(**sdk, gpu_mode="host", run_headless=False, snapshot_name="clean", adb_server_port=5038)
    config = options.android_env_config("open_app.textproto")
    launcher, adb = config.simulator.emulator_launcher, config.simulator.adb_controller
    assert (launcher.emulator_path, launcher.avd_name) == (sdk["emulator_path"], "pixel")
    assert (launcher.gpu_mode, launcher.run_headless, launcher.snapshot_name) == ("host", False, "clean")
    assert (adb.adb_path, adb.adb_server_port) == (sdk["adb_path"], 5038)
    assert config.task.path == "open_app.textproto"
    shown = config.coordinator.device_settings
    assert (shown.show_touches, shown.show_pointer_location) == (False, False)
    assert (shown.show_status_bar, shown.show_navigation_bar) == (True, True)
