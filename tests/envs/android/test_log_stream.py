"""The embedded log stream under AndroidEnv's own reader thread."""

import re
import threading
import time

import pytest
from android_env.components import errors, logcat_thread

from envs.android.log_stream import EmbeddedLogStream

DISPLAYED = re.compile(r"^Displayed (\S+)/")


class Log:
    def __init__(self):
        self.lines = []

    def write(self, message, tag="ActivityTaskManager", priority="I"):
        self.lines.append((12.5, priority, tag, message))

    def read(self):
        lines, self.lines = self.lines, []
        return lines


@pytest.fixture
def log():
    return Log()


@pytest.fixture
def stream(log):
    stream = EmbeddedLogStream(log.read, drain_timeout_s=5.0)
    stream.set_log_filters(["ActivityTaskManager:I"])
    return stream


@pytest.fixture
def seen(stream):
    seen = []
    reader = logcat_thread.LogcatThread(stream)

    def handle(_, match):
        time.sleep(0.002)  # a slow listener: the race that drain() closes would lose every line
        seen.append(match.group(1))

    reader.add_event_listener(logcat_thread.EventListener(DISPLAYED, handle))
    reader.resume()
    yield seen
    reader.kill()
    assert not any(thread is reader._thread for thread in threading.enumerate())


def test_every_line_written_before_a_drain_has_been_handled_after_it(log, stream, seen):
    for number in range(50):
        log.write(f"Displayed app{number}/.Main: +10ms")
        stream.drain()
        assert seen == [f"app{i}" for i in range(number + 1)]


def test_a_pause_lets_earlier_lines_through_and_a_resume_drops_those_of_the_pause(log, stream, seen):
    log.write("Displayed before/.Main: +10ms")
    stream.pause_stream()
    assert seen == ["before"]
    log.write("Displayed paused/.Main: +10ms")
    stream.resume_stream()
    log.write("Displayed after/.Main: +10ms")
    stream.drain()
    assert seen == ["before", "after"]


def test_only_lines_that_pass_the_filters_are_read(log, stream, seen):
    log.write("Displayed debug/.Main: +10ms", priority="D")
    log.write("Displayed other/.Main: +10ms", tag="Other")
    log.write("Displayed error/.Main: +10ms", priority="E")
    stream.drain()
    assert seen == ["error"]


def test_a_drain_that_nobody_reads_is_an_error_and_not_a_hang(log):
    stream = EmbeddedLogStream(log.read, drain_timeout_s=0.05)
    stream.set_log_filters(["ActivityTaskManager"])
    log.write("Displayed app/.Main: +10ms")
    with pytest.raises(errors.SimulatorError, match="log reader"):
        stream.drain()


def test_a_stopped_stream_drains_at_once(log, stream, seen):
    stream.stop_stream()
    log.write("Displayed late/.Main: +10ms")
    stream.drain()
    assert seen == []
