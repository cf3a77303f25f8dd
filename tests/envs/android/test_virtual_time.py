"""Virtual time in AndroidEnv's set-up interpreter."""

import time

import pytest
from android_env.components import adb_call_parser, errors, setup_step_interpreter
from android_env.proto import task_pb2
from google.protobuf import text_format

from envs.android.virtual_time import VirtualClock, private_copy

MODULE = "android_env.components.setup_step_interpreter"


class Controller:
    def execute_command(self, args, timeout=None, device_specific=True):
        return b"package:com.example\n" if args[:3] == ["shell", "pm", "list"] else b""


def interpreter_on(clock):
    module = private_copy(MODULE, time=clock)
    return module.SetupStepInterpreter(adb_call_parser.AdbCallParser(Controller()))


def steps(text):
    return text_format.Parse(text, task_pb2.Task()).setup_steps


def test_sleeping_moves_the_device_and_not_the_wall_clock():
    passed = []
    clock = VirtualClock(passed.append, epoch=100.0)
    started = time.monotonic()
    clock.sleep(3600.0)
    clock.sleep(0.0)
    assert time.monotonic() - started < 1.0
    assert (clock.time(), passed) == (3700.0, [3600.0])


def test_set_up_steps_wait_in_virtual_time():
    passed = []
    started = time.monotonic()
    interpreter_on(VirtualClock(passed.append)).interpret(
        steps("setup_steps { sleep { time_sec: 30 } } setup_steps { adb_request { press_button { button: HOME } } }")
    )
    assert passed == [30.0, 0.5, 0.5]
    assert time.monotonic() - started < 1.0


def test_a_success_check_times_out_in_virtual_time():
    passed = []
    check = "setup_steps { success_condition { check_install { package_name: 'missing' timeout_sec: 20 } } }"
    started = time.monotonic()
    with pytest.raises(Exception, match="Step failed") as raised:
        interpreter_on(VirtualClock(passed.append)).interpret(steps(check))
    assert isinstance(raised.value, errors.StepCommandError)
    assert sum(passed) > 60.0  # three tries
    assert time.monotonic() - started < 2.0


def test_the_shared_module_keeps_its_clock():
    interpreter_on(VirtualClock(lambda seconds: None))
    assert setup_step_interpreter.time is time


def test_a_global_that_is_gone_is_noticed():
    with pytest.raises(AttributeError, match="no global 'clock'"):
        private_copy(MODULE, clock=None)
