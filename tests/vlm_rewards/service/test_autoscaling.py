"""The policy under made-up reports, and a simulated service under loads that make simpler policies swing."""

import itertools
from types import SimpleNamespace

import pytest

from vlm_rewards.service.autoscaling import FramesWaitingPolicy
from vlm_rewards.service.load import LoadMeter


def context(now=1000.0, replicas=1, waiting=(), busy=(), queued=0.0, per_request=16.0, idle=0.0, state=None):
    reports = {
        "waiting_frames": dict(enumerate(waiting)),
        "busy_replicas": dict(enumerate(busy)),
        "frames_per_request": dict.fromkeys(range(len(waiting)), per_request),
        "idle_s": dict.fromkeys(range(len(waiting)), idle),
    }
    return SimpleNamespace(
        aggregated_metrics=reports,
        raw_metrics={
            name: {replica: [SimpleNamespace(value=-1), SimpleNamespace(value=value)] for replica, value in of.items()}
            for name, of in reports.items()
        },
        policy_state=state or {},
        total_queued_requests=queued,
        target_num_replicas=replicas,
        capacity_adjusted_min_replicas=1,
        current_time=now,
    )


POLICY = FramesWaitingPolicy(target_frames=64)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (context(), 1),
        (context(waiting=[64]), 1),
        (context(waiting=[65]), 2),
        (context(waiting=[640]), 10),
        (context(waiting=[10], queued=20), 6),  # 10 frames and 20 requests of 16
        (context(replicas=4, waiting=[10] * 4, busy=[0.1] * 4), 1),
        (context(replicas=2, waiting=[30, 30], busy=[0.1] * 2), 2),  # one would be too near its limit again
        (context(replicas=2, waiting=[1, 1], busy=[0.6, 0.6]), 2),  # nothing waits, since two share the work
        (context(replicas=2, waiting=[1, 1], busy=[0.3, 0.3]), 1),
        (context(replicas=2, waiting=[1, 1], busy=[2.0, 2.0]), 2),  # a busy replica alone is no reason to grow
    ],
)
def test_replicas_wanted(given, wanted):
    assert POLICY(given)[0] == wanted


def test_a_run_keeps_its_replicas_until_it_is_over():
    policy = FramesWaitingPolicy(target_frames=64, pinned=3, run_ends_after_s=100)
    assert policy(context(now=1000, idle=1e9, waiting=[0]))[0] == 1  # no run yet
    wanted, state = policy(context(now=1000, idle=0.5, waiting=[4]))
    assert wanted == 3
    # The learner's turn: no request for 90 s, and the replica that had the last one has died.
    assert policy(context(now=1090, replicas=3, idle=1e9, waiting=[0, 0], state=state))[0] == 3
    assert policy(context(now=1101, replicas=3, idle=1e9, waiting=[0, 0], state=state))[0] == 1


def test_one_replica_given_up_does_not_take_the_next_along():
    """Eight that share 4.2 replicas' work shrink to six, which at first report only six eighths of it."""
    wanted, state = POLICY(context(now=1000, replicas=8, waiting=[1] * 8, busy=[4.2 / 8] * 8))
    assert wanted == 6
    wanted, state = POLICY(context(now=1002, replicas=6, waiting=[1] * 6, busy=[4.2 / 8] * 6, state=state))
    assert wanted >= 5
    # When it is really over, they go.
    assert POLICY(context(now=1200, replicas=6, waiting=[0] * 6, busy=[0.01] * 6, state=state))[0] == 1


def simulate(rate, seconds, frames_a_request=16, fixed_s=0.0, per_frame_s=0.01, start=1, target=64, down_s=10.0):
    """Returns the replica count every second of a service under an open stream of `rate` frames a second.

    Time runs in steps of 0.1 s; a replica works at its batches' own speed; requests go to the shortest queue; the
    delays are those that Serve puts around a policy (up after 0.5 s of wishing so, down after `down_s`).
    """
    clock = SimpleNamespace(now=0.0)
    policy = FramesWaitingPolicy(target_frames=target)

    def replica():
        return SimpleNamespace(meter=LoadMeter(128, lambda: clock.now), batch=0, done=0.0)

    replicas = [replica() for _ in range(start)]
    # A fleet of several is what a burst has left behind: their first batches were full.
    state, since, owed, history = {}, None, 256.0 * (start - 1), []
    while clock.now < seconds:
        owed += rate * 0.1
        while owed >= frames_a_request:
            owed -= frames_a_request
            min(replicas, key=lambda r: r.meter.waiting_frames).meter.arrive(frames_a_request, 1)
        for r in replicas:
            while r.done <= clock.now:
                if r.batch:
                    r.meter.leave(r.batch, 0)
                    r.meter.batch(r.batch, fixed_s + per_frame_s * r.batch)
                r.batch = min(128, r.meter.waiting_frames)
                start_s = max(r.done, clock.now - 0.1)
                r.done = start_s + fixed_s + per_frame_s * r.batch if r.batch else clock.now + 0.01
        meters = [r.meter for r in replicas]
        given = context(
            now=clock.now,
            replicas=len(replicas),
            waiting=[m.waiting_frames for m in meters],
            busy=[m.busy_replicas for m in meters],
            state=state,
        )
        wanted, state = policy(given)
        wanted = min(wanted, 8)
        direction = (wanted > len(replicas)) - (wanted < len(replicas))
        if since is None or since[0] != direction:
            since = (direction, clock.now)
        if direction and clock.now - since[1] >= (0.5 if direction > 0 else down_s):
            while len(replicas) < wanted:
                replicas.append(replica())
            while len(replicas) > wanted:
                gone = replicas.pop()
                replicas[0].meter.arrive(gone.meter.waiting_frames, 0)
            since = None
        history.append(len(replicas))
        clock.now += 0.1
    return history


@pytest.mark.parametrize("start", [1, 8])
@pytest.mark.parametrize("down_s", [2.0, 10.0])
@pytest.mark.parametrize("per_frame_s", [0.01, 0.0], ids=["processor", "accelerator"])
@pytest.mark.parametrize("rate", [40, 170, 420])
def test_a_steady_stream_settles_on_enough_replicas_and_stays(rate, per_frame_s, down_s, start):
    """One replica manages 100 frames a second, or as an accelerator 128 in each half second."""
    fixed_s = 0.0 if per_frame_s else 0.5
    capacity = 100 if per_frame_s else 256
    target = 64 if per_frame_s else 128
    history = simulate(rate, 150, 16, fixed_s, per_frame_s, start, target, down_s)
    assert history[-1] * capacity > rate
    assert history[-1] <= rate / capacity / 0.5 + 2
    settled = history[300:]
    # What a burst has left may still be given up; nothing comes back.
    assert not any(after > before for before, after in itertools.pairwise(settled))
    if start == 1:
        assert sum(before != after for before, after in itertools.pairwise(settled)) <= 1


def test_a_load_that_ends_gives_the_replicas_back():
    assert simulate(rate=20, seconds=120, start=8)[-1] == 1


def test_a_step_in_load_is_met_within_two_seconds_of_the_policy():
    history = simulate(rate=600, seconds=20)
    assert history[20] > 1
    assert history[-1] >= 6
