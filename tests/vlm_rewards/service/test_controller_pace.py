"""How often the Serve controller is asked in an outage, by one caller and by many, on a clock that tests turn."""

import random

import pytest

from vlm_rewards.service.transports.controller import Pace, Shared


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def asked(pace, clock, seconds, every=0.1):
    """Seconds from now at which a caller that always wants to ask is told to."""
    begin, times = clock.now, []
    while clock.now < begin + seconds:
        if pace.is_due():
            times.append(clock.now - begin)
        clock.now += every
    return times


def test_one_caller_asks_at_once_and_then_ever_more_seldom():
    clock = Clock()
    times = asked(Pace(clock=clock, draw=lambda low, high: low), clock, 60)
    assert times == pytest.approx([0, 1, 3, 7, 15, 31, 51], abs=1.0)
    # Another outage, later: at once again.
    clock.now += 100
    assert asked(Pace(clock=clock, draw=lambda low, high: low), clock, 2)[0] == 0


def test_what_comes_after_a_long_silence_is_another_outage():
    clock = Clock()
    pace = Pace(clock=clock, draw=lambda low, high: low)
    assert len(asked(pace, clock, 30)) == 5
    clock.now += 120
    assert asked(pace, clock, 1.5) == pytest.approx([0, 1], abs=0.2)


def test_two_hundred_callers_together_ask_ten_times_a_second_at_most():
    clock, generator = Clock(), random.Random(0)
    paces = [Pace(callers=200, clock=clock, draw=generator.uniform) for _ in range(200)]
    by_second = []
    for _ in range(60):
        number = 0
        for _ in range(5):
            number += sum(pace.is_due() for pace in paces)
            clock.now += 0.2
        by_second.append(number)
    assert sum(by_second) / 60 <= 10
    assert max(sum(by_second[i : i + 5]) / 5 for i in range(55)) <= 14
    # All of them come to ask within the first twenty seconds.
    assert sum(by_second[:21]) >= 200


def test_an_answer_is_shared_and_says_how_old_it_is():
    clock, answers = Clock(), iter("ab")
    shared = Shared(lambda: next(answers), Pace(clock=clock, draw=lambda low, high: low), clock)
    assert shared.get() == ("a", 0.0)
    clock.now += 0.5
    assert shared.get() == ("a", 0.5)
    clock.now += 0.5
    assert shared.get() == ("b", 0.0)


def test_before_there_is_an_answer_nobody_waits_for_it():
    clock = Clock()
    asked_while_asking = []

    def ask():
        asked_while_asking.append(shared.get())
        raise TimeoutError

    shared = Shared(ask, Pace(clock=clock), clock)
    with pytest.raises(TimeoutError):
        shared.get()
    assert asked_while_asking == [(None, float("inf"))]
    assert shared.get()[0] is None
