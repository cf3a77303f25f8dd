"""What a replica makes of the batches and arrivals it sees."""

import math

import pytest

from vlm_rewards.service.load import LoadMeter


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def meter(clock):
    return LoadMeter(max_batch_frames=100, clock=clock)


def test_nothing_seen_is_nothing_waiting_and_no_refusal(meter):
    assert (meter.waiting_frames, meter.wait_s, meter.busy_replicas) == (0, 0, 0)
    assert meter.frames_per_second == math.inf
    meter.arrive(50, 1)
    assert meter.wait_s == 0
    assert meter.idle_s == 0


def test_an_accelerators_fixed_cost_is_told_from_its_cost_a_frame(meter):
    """0.5 s a batch whatever is in it: full batches of 100 make 200 frames a second, though these made 40."""
    for frames in (10, 20, 30):
        meter.batch(frames, 0.5)
    assert meter.frames_per_second == pytest.approx(200)


def test_a_processors_cost_a_frame_is_told_from_a_fixed_one(meter):
    for frames in (10, 20, 30):
        meter.batch(frames, 0.01 * frames)
    assert meter.frames_per_second == pytest.approx(100)


def test_sizes_that_have_become_rare_still_tell_the_costs_apart(meter, clock):
    meter.batch(100, 0.5)
    for _ in range(1000):
        clock.now += 1
        meter.batch(16, 0.5)
    assert meter.frames_per_second == pytest.approx(200)


def test_batches_of_one_size_count_as_cost_a_frame(meter):
    """The careful reading: what may be a fixed cost is not counted as room for more."""
    for _ in range(5):
        meter.batch(16, 0.16)
    assert meter.frames_per_second == pytest.approx(100)


def test_what_waits_is_what_came_and_was_not_answered(meter):
    meter.batch(50, 0.5)
    meter.arrive(30, 3000)
    meter.arrive(20, 2000)
    assert (meter.waiting_frames, meter.waiting_bytes) == (50, 5000)
    assert meter.wait_s == pytest.approx(0.5)
    meter.leave(30, 3000)
    assert (meter.waiting_frames, meter.waiting_bytes) == (20, 2000)


@pytest.mark.parametrize("seconds", [3, 60])
def test_a_steady_stream_of_arrivals_is_told_in_replicas(meter, clock, seconds):
    """150 frames a second for a replica that manages 100."""
    meter.batch(10, 0.1)
    for _ in range(10 * seconds):
        meter.arrive(15, 1)
        clock.now += 0.1
    assert meter.busy_replicas == pytest.approx(1.5, rel=0.3 if seconds < 10 else 0.05)
    assert meter.frames_per_request == pytest.approx(15)
    clock.now += 60
    assert meter.busy_replicas < 0.01
    assert meter.idle_s == pytest.approx(60.1)
    assert meter.frames_per_second == pytest.approx(100)
