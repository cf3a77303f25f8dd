import os
import signal
import threading

import pytest

from vlm_rewards.unbroken import unbroken


class StoppedError(Exception):
    pass


@pytest.fixture(autouse=True)
def stops():
    """SIGTERM raises, as in the commands."""

    def stop(number, frame):
        raise StoppedError

    before = signal.signal(signal.SIGTERM, stop)
    yield stop
    signal.signal(signal.SIGTERM, before)


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


def test_a_signal_waits_for_the_end_of_the_work(stops):
    done = []

    @unbroken()
    def work():
        terminate()
        done.append("first")
        with unbroken():
            done.append("second")
        done.append("third")

    with pytest.raises(StoppedError):
        work()
    assert done == ["first", "second", "third"]
    assert signal.getsignal(signal.SIGTERM) is stops


def test_a_second_signal_does_not_wait():
    done = []

    @unbroken()
    def work():
        terminate()
        done.append("first")
        terminate()
        done.append("never")

    with pytest.raises(StoppedError):
        work()
    assert done == ["first"]


def test_without_a_signal_nothing_happens_and_errors_pass(stops):
    @unbroken()
    def work():
        raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        work()
    assert signal.getsignal(signal.SIGTERM) is stops


def test_other_threads_leave_the_handlers_alone(stops):
    seen = []

    def work():
        with unbroken():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [stops]
