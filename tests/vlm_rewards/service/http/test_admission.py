"""What a request holds is counted once, and given back once, whoever leaves first."""

import threading

import pytest

from vlm_rewards.service.http import HttpLimits
from vlm_rewards.service.http.admission import AbandonedError, Admission
from vlm_rewards.service.http.errors import HttpError


@pytest.fixture
def admission():
    return Admission(HttpLimits(max_requests=2, max_bytes=100))


def held(admission):
    return admission.requests, admission.bytes


def test_a_request_gives_back_all_it_held(admission):
    with admission.enter() as share:
        share.hold(60)
        with share.held(30):
            assert held(admission) == (1, 90)
        share.give_back(1000)  # never more than it has
        share.hold(10)
        assert held(admission) == (1, 10)
    assert held(admission) == (0, 0)


def test_what_is_beyond_the_limits_is_refused_and_holds_nothing(admission):
    with admission.enter() as share, admission.enter() as other:
        share.hold(70)
        with pytest.raises(HttpError, match="no room"):
            other.hold(31)
        with pytest.raises(HttpError, match="at work on 2"):
            admission.enter()
        assert held(admission) == (2, 70)
    assert held(admission) == (0, 0)


def test_a_closed_share_takes_nothing_and_begins_nothing(admission):
    """As a thread that reads on for a caller who has left: three dozen of these used to fill the gateway for good."""
    with admission.enter() as share:
        share.hold(10)
    for use in (lambda: share.hold(1), share.check, share.working().__enter__, share.held(1).__enter__):
        with pytest.raises(AbandonedError):
            use()
    share.give_back(10)
    share.close()
    assert held(admission) == (0, 0)


def test_what_a_thread_still_uses_is_held_until_it_ends(admission):
    with admission.enter() as share:
        share.hold(40)
        worker = share.working()
        worker.__enter__()
    assert held(admission) == (1, 40)
    with pytest.raises(AbandonedError):
        share.hold(1)
    worker.__exit__(None, None, None)
    assert held(admission) == (0, 0)


def test_threads_and_loop_lose_no_count():
    admission = Admission(HttpLimits(max_requests=8, max_bytes=2**40))

    def run():
        for _ in range(2000):
            with admission.enter() as share:
                share.hold(3)
                with share.held(5), share.working():
                    share.hold(7)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held(admission) == (0, 0)
