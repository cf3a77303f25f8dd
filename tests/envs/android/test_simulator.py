"""AndroidEnv over the embedded phone, below the Gymnasium adapter."""

import threading

import numpy as np
import pytest
from android_env.components import action_type, errors
from android_env.proto import adb_pb2, task_pb2
from google.protobuf import text_format

from envs.android.apps import APPS, get_app
from envs.android.device.phone import Phone
from envs.android.embedded import EmbeddedBackend
from envs.android.open_app_config import TASK_PATH

Kind = action_type.ActionType
GMAIL = get_app("Gmail")


@pytest.fixture
def backend():
    task = text_format.Parse(TASK_PATH.read_text(), task_pb2.Task())
    backend = EmbeddedBackend(Phone(seed=0), {app.package: app.activity for app in APPS}, task, (96, 60))
    yield backend
    backend.close()


def act(kind, x=0.0, y=0.0):
    return {"action_type": np.array(kind), "touch_position": np.array([x, y], np.float32)}


def gmail_position(phone):
    layout, index = phone.layout, APPS.index(GMAIL)
    for y in np.linspace(0, 1, 60):
        for x in np.linspace(0, 1, 60):
            if layout.home_app_at(0, x * 360.0, y * 576.0) == index:
                return float(x), float(y)
    raise AssertionError("Gmail is not on the first page")


def test_specs_and_observations_have_the_size_asked_for(backend):
    assert backend.android.observation_spec()["pixels"].shape == (96, 60, 3)
    observation = backend.android.reset().observation
    for name, spec in backend.android.observation_spec().items():
        spec.validate(observation[name])
    np.testing.assert_array_equal(observation["orientation"], [1, 0, 0, 0])


def test_a_touch_opens_an_app_and_the_log_says_so_in_the_same_step(backend):
    backend.android.reset()
    x, y = gmail_position(backend.device)
    backend.android.step(act(Kind.TOUCH, x, y))
    assert backend.android.task_extras() == {}
    timestep = backend.android.step(act(Kind.LIFT))
    assert list(backend.android.task_extras()) == [GMAIL.package]
    assert backend.device.foreground == GMAIL.package
    assert timestep.reward == 0.0  # the task gives none: the adapter knows the goal
    backend.android.step(act(Kind.REPEAT))
    assert backend.android.task_extras() == {}


def test_a_reset_stops_all_apps_and_forgets_their_lines(backend):
    backend.android.reset()
    for app in APPS:
        backend.device.launch(app.package)
    backend.android.reset()
    assert backend.device.running == ()
    assert backend.android.task_extras() == {}
    backend.device.launch(GMAIL.package)
    backend.android.step(act(Kind.REPEAT))
    assert list(backend.android.task_extras()) == [GMAIL.package]  # a cold start again


def test_time_is_virtual_and_the_reset_waits_in_it(backend):
    backend.android.reset()
    before = backend.device.clock_seconds
    backend.android.reset()
    assert backend.device.clock_seconds - before == pytest.approx(1.5)  # three reset steps
    backend.wait(2.0)
    timestep = backend.android.step(act(Kind.REPEAT))
    assert int(timestep.observation["timedelta"]) == 2_000_000


def test_what_a_touch_hits_does_not_depend_on_the_screenshot_size():
    task = text_format.Parse(TASK_PATH.read_text(), task_pb2.Task())
    opened = []
    for size in ((16, 16), (96, 60), (400, 250)):
        phone = Phone(seed=0)
        backend = EmbeddedBackend(phone, {app.package: app.activity for app in APPS}, task, size)
        row = []
        for y in np.linspace(0.02, 0.98, 25):
            for x in np.linspace(0.02, 0.98, 25):
                backend.android.reset()
                backend.android.step(act(Kind.TOUCH, x, y))
                backend.android.step(act(Kind.LIFT))
                row.append(phone.foreground)
        backend.close()
        opened.append(row)
    assert opened[0] == opened[1] == opened[2]
    assert len(set(opened[0])) > 10


def test_a_frozen_display_repeats_its_frame_and_does_not_lose_log_lines(backend):
    backend.android.reset()
    backend.freeze_display(True)
    before = backend.android.step(act(Kind.REPEAT)).observation["pixels"]
    backend.device.launch(GMAIL.package)
    frozen = backend.android.step(act(Kind.REPEAT)).observation["pixels"]
    assert list(backend.android.task_extras()) == [GMAIL.package]
    np.testing.assert_array_equal(frozen, before)
    backend.freeze_display(False)
    assert (backend.android.step(act(Kind.REPEAT)).observation["pixels"] != before).any()


def test_keys_of_android_envs_own_action_space(backend):
    backend.android.reset()
    backend.device.launch(GMAIL.package)
    backend.android.step(act(Kind.KEYPRESS) | {"keycode": np.array(110)})
    assert backend.device.foreground is None
    with pytest.raises(errors.SendActionError):
        backend._simulator.send_key(np.int32(38), "keypress")


def test_a_relaunch_keeps_reading_the_log(backend):
    backend.android.reset()
    backend.android._coordinator._simulator_healthy = False  # as after a failed action
    backend.android.reset()
    backend.device.launch(GMAIL.package)
    backend.android.step(act(Kind.REPEAT))
    assert list(backend.android.task_extras()) == [GMAIL.package]


def test_it_answers_adb_calls_and_closes_without_a_trace(backend):
    request = adb_pb2.AdbRequest(get_current_activity=adb_pb2.AdbRequest.GetCurrentActivity())
    assert backend.android.execute_adb_call(request).status == adb_pb2.AdbResponse.Status.OK
    others = threading.active_count() - 1
    backend.close()
    backend.close()
    assert threading.active_count() == others
