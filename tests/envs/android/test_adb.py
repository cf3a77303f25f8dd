"""What the embedded phone's adb answers, asked through AndroidEnv's own parser."""

import os

import pytest
from android_env.components import adb_call_parser, errors
from android_env.proto import adb_pb2

from envs.android.adb import LAUNCHER_ACTIVITY, EmbeddedAdbController
from envs.android.apps import APPS, get_app
from envs.android.device.phone import Phone

GMAIL, MAPS = get_app("Gmail"), get_app("Maps")
OK = adb_pb2.AdbResponse.Status.OK
Request = adb_pb2.AdbRequest


@pytest.fixture
def phone():
    return Phone(seed=3)


@pytest.fixture
def controller(phone):
    return EmbeddedAdbController(phone, {app.package: app.activity for app in APPS}, (400, 250))


@pytest.fixture
def ask(controller):
    parser = adb_call_parser.AdbCallParser(controller)

    def ask(**command):
        return parser.parse(Request(**command))

    return ask


def shell(controller, line):
    return controller.execute_command(["shell", line]).decode()


def test_the_current_activity_follows_the_phone(phone, ask):
    current = Request.GetCurrentActivity()
    assert ask(get_current_activity=current).get_current_activity.full_activity == LAUNCHER_ACTIVITY
    phone.launch(GMAIL.package)
    activity = ask(get_current_activity=current).get_current_activity.full_activity
    assert activity == "com.google.android.gm/com.google.android.gm.ConversationListActivityGmail"
    phone.launch(MAPS.package)  # its activity is named in full
    activity = ask(get_current_activity=current).get_current_activity.full_activity
    assert activity == "com.google.android.apps.maps/com.google.android.maps.MapsActivity"


def test_buttons_taps_and_starts_reach_the_phone(phone, ask):
    assert ask(start_activity=Request.StartActivity(full_activity=GMAIL.component)).status == OK
    assert phone.foreground == GMAIL.package
    assert ask(press_button=Request.PressButton(button=Request.PressButton.Button.BACK)).status == OK
    assert phone.foreground is None
    phone.launch(MAPS.package)
    assert ask(press_button=Request.PressButton(button=Request.PressButton.Button.HOME)).status == OK
    assert phone.foreground is None
    grid = [(x, y) for y in range(8, 400, 16) for x in range(8, 250, 16)]
    for x, y in grid:
        ask(press_button=Request.PressButton(button=Request.PressButton.Button.HOME))
        assert ask(tap=Request.Tap(x=x, y=y)).status == OK
        if phone.foreground is not None:
            break
    assert phone.foreground is not None


def test_force_stop_takes_one_package_or_a_list_and_ignores_unknown_ones(phone, ask, controller):
    for app in (GMAIL, MAPS):
        phone.launch(app.package)
    assert ask(force_stop=Request.ForceStop(package_name=GMAIL.package)).status == OK
    assert phone.running == (MAPS.package,)
    phone.launch(GMAIL.package)
    shell(controller, f"am force-stop {GMAIL.package}; am force-stop com.not.installed; am force-stop {MAPS.package}")
    assert phone.running == ()
    phone.launch(GMAIL.package)
    shell(controller, "am kill-all")
    assert phone.running == ()


def test_a_start_with_force_stop_is_a_cold_start(phone, ask):
    phone.launch(GMAIL.package)
    phone.log_events()
    ask(start_activity=Request.StartActivity(full_activity=GMAIL.component))
    assert phone.log_events() == []
    ask(start_activity=Request.StartActivity(full_activity=GMAIL.component, force_stop=True))
    assert len(phone.log_events()) == 1


def test_packages_settings_and_orientation(ask):
    packages = Request.PackageManagerRequest.List(packages=Request.PackageManagerRequest.List.Packages())
    listed = ask(package_manager=Request.PackageManagerRequest(list=packages)).package_manager.list.items
    assert set(listed) == {app.package for app in APPS}
    system = Request.SettingsRequest.Namespace.SYSTEM
    put = Request.SettingsRequest.Put(key="show_touches", value="0")
    assert ask(settings=Request.SettingsRequest(name_space=system, put=put)).status == OK
    get = Request.SettingsRequest.Get(key="show_touches")
    assert ask(settings=Request.SettingsRequest(name_space=system, get=get)).settings.output == b"0\n"
    orientation = ask(get_orientation=Request.GetOrientationRequest())
    assert (orientation.status, orientation.get_orientation.orientation) == (OK, 0)


def test_dumpsys_shows_the_hierarchy_of_the_app_in_front_only(phone, controller):
    phone.launch(GMAIL.package)
    assert "View Hierarchy:" in shell(controller, f"dumpsys activity {GMAIL.package} {GMAIL.package}")
    assert "No activities match" in shell(controller, f"dumpsys activity {MAPS.package} {MAPS.package}")


@pytest.mark.parametrize(
    "args",
    [
        ["install", "-r", "app.apk"],
        ["push", "a", "b"],
        ["shell", "reboot"],
        ["shell", "am", "frobnicate"],
        ["shell", "input", "keyevent", "KEYCODE_POWER"],
        ["shell", "input", "tap", "a", "b"],
        ["shell", "am", "start", "-n", "com.not.installed/.Main"],
        ["shell", "pm", "list", "packages", "|", "wc"],
    ],
)
def test_what_it_does_not_know_is_an_error(controller, args):
    with pytest.raises(errors.AdbControllerError):
        controller.execute_command(args)


def test_it_leaves_the_environment_alone(monkeypatch, phone):
    monkeypatch.setenv("ANDROID_HOME", "/sdk")
    EmbeddedAdbController(phone, {}, (400, 250))
    assert os.environ["ANDROID_HOME"] == "/sdk"
