"""What the client adds to a transport: retries, deadlines, checks and statistics."""

import pickle
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vlm_rewards.errors import (
    ConfigError,
    InvalidFrameError,
    NonFiniteRewardError,
    RewardOverloadedError,
    RewardServiceError,
    RewardServiceUnavailableError,
    RewardTimeoutError,
)
from vlm_rewards.goals import NegativesSpec
from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.service import EmbedResult, InProcessTransport, RewardClient, ScoreResult
from vlm_rewards.service import client as client_module

FRAMES = np.zeros((3, 8, 8, 3), np.uint8)
GOALS = ["a", "b", "c"]
DESCRIPTION = RewardDescription(
    fingerprint="f" * 64,
    encoder_fingerprint="e" * 64,
    beta=0.5,
    tau=0.1,
    image_size=(8, 8),
    model="scripted",
    template="[TASK]",
    negatives=NegativesSpec(),
    goal_ids=("a", "b", "c"),
)
GOOD = ScoreResult(np.array([0.0, 0.5, 1.0], np.float32), "f" * 64)


class ScriptedTransport:
    """Plays back errors and answers, the last one for ever; keeps what it was given."""

    def __init__(self, *script, connect_error=None, descriptions=(DESCRIPTION,)):
        self.script = list(script)
        self.descriptions = list(descriptions)
        self.connect_error = connect_error
        self.calls = []

    def connect(self, timeout_s):
        if self.connect_error is not None:
            raise self.connect_error

    def score(self, frames, goal_ids, timeout_s):
        self.calls.append((frames, goal_ids, timeout_s))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step

    def score_all(self, frames, goal_ids, timeout_s):
        return self.score(frames, goal_ids, timeout_s)

    def embed(self, frames, timeout_s):
        return self.score(frames, None, timeout_s)

    def describe(self, timeout_s):
        step = self.descriptions.pop(0) if len(self.descriptions) > 1 else self.descriptions[0]
        if isinstance(step, Exception):
            raise step
        return step


def answer(probabilities, fingerprint="f" * 64):
    return ScoreResult(np.asarray(probabilities), fingerprint)


@pytest.mark.parametrize(
    "error", [RewardServiceUnavailableError("gone"), RewardTimeoutError("slow"), RewardOverloadedError("full")]
)
def test_what_may_succeed_is_sent_again_with_the_same_arrays(error):
    transport = ScriptedTransport(error, error, GOOD)
    client = RewardClient(transport)
    assert client.score(FRAMES, GOALS) is GOOD
    assert len(transport.calls) == 3
    assert all(frames is FRAMES and goal_ids is GOALS for frames, goal_ids, _ in transport.calls)
    assert client.stats.retries == 2


@pytest.mark.parametrize(
    "error",
    [ConfigError("no goal"), InvalidFrameError("no frame"), NonFiniteRewardError("nan"), RewardServiceError("broken")],
)
def test_what_cannot_succeed_is_raised_at_once_and_unchanged(error):
    transport = ScriptedTransport(error, GOOD)
    with pytest.raises(type(error)) as raised:
        RewardClient(transport).score(FRAMES, GOALS)
    assert raised.value is error
    assert len(transport.calls) == 1


def test_describe_is_retried_too():
    transport = ScriptedTransport(GOOD, descriptions=[RewardServiceUnavailableError("gone"), DESCRIPTION])
    assert RewardClient(transport).describe() is DESCRIPTION


def test_retries_are_bounded_and_the_error_keeps_its_type_and_says_how_often():
    transport = ScriptedTransport(RewardOverloadedError("queue full"))
    with pytest.raises(RewardOverloadedError, match=r"queue full; gave up after 3 attempts in \d"):
        RewardClient(transport, max_retries=2).score(FRAMES, GOALS)
    assert len(transport.calls) == 3


def test_only_the_deadline_ends_retries_unless_a_number_is_given(monkeypatch):
    """A proxy that takes 28 s to come back was given up after 21 tries in 21 s, with a deadline of 50."""
    monkeypatch.setattr(client_module, "_LONGEST_PAUSE_S", 0.001)
    monkeypatch.setattr(client_module, "_FIRST_PAUSE_S", 0.001)
    transport = ScriptedTransport(*[RewardServiceUnavailableError("gone")] * 100, GOOD)
    assert RewardClient(transport, deadline_s=20).score(FRAMES, GOALS) is GOOD
    with pytest.raises(RewardServiceUnavailableError, match="gave up"):
        RewardClient(ScriptedTransport(RewardServiceUnavailableError("gone")), deadline_s=0.1).score(FRAMES, GOALS)


def test_the_deadline_bounds_all_attempts_together():
    class Slow(ScriptedTransport):
        def score(self, frames, goal_ids, timeout_s):
            self.calls.append(timeout_s)
            time.sleep(timeout_s)
            raise RewardTimeoutError("slow")

    transport = Slow(None)
    with pytest.raises(RewardTimeoutError, match="gave up"):
        RewardClient(transport, timeout_s=0.3, deadline_s=0.4, max_retries=100).score(FRAMES, GOALS)
    # 0.3 s and a pause leave less than 0.1 s: the second attempt is cut to what is left, and there is no third.
    assert transport.calls[0] == 0.3
    assert all(0 < timeout_s < 0.1 for timeout_s in transport.calls[1:])
    assert len(transport.calls) <= 2


def test_pauses_grow_and_leave_the_global_random_generator_alone():
    transport = ScriptedTransport(*[RewardServiceUnavailableError("gone")] * 4, GOOD)
    random.seed(1)
    state = random.getstate()
    start = time.monotonic()
    RewardClient(transport).score(FRAMES, GOALS)
    # 0.05 + 0.1 + 0.2 + 0.4 s, each cut by up to one half
    assert 0.375 <= time.monotonic() - start < 1.2
    assert random.getstate() == state


def test_a_service_that_was_never_there_is_reported_without_retries():
    transport = ScriptedTransport(GOOD, connect_error=RewardServiceUnavailableError("deploy it"))
    client = RewardClient(transport)
    with pytest.raises(RewardServiceUnavailableError, match=r"^deploy it$"):
        client.score(FRAMES, GOALS)
    transport.connect_error = None
    assert client.score(FRAMES, GOALS) is GOOD


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_reward_that_is_not_finite_never_gets_through(bad):
    transport = ScriptedTransport(answer(np.array([0.1, bad, 0.3], np.float32)))
    with pytest.raises(NonFiniteRewardError, match="1 of 3"):
        RewardClient(transport).score(FRAMES, GOALS)
    assert len(transport.calls) == 1


@pytest.mark.parametrize(
    "bad",
    [
        np.array([0.1, 0.2], np.float32),
        np.array([[0.1, 0.2, 0.3]], np.float32),
        np.array([0.1, 0.2, 0.3], np.float64),
        np.array([0.1, 0.2, 1.01], np.float32),
        np.array([-0.01, 0.2, 1.0], np.float32),
    ],
    ids=["short", "2d", "float64", "above 1", "below 0"],
)
def test_an_answer_that_is_no_list_of_probabilities_is_refused(bad):
    with pytest.raises(RewardServiceError):
        RewardClient(ScriptedTransport(answer(bad))).score(FRAMES, GOALS)


def test_a_dense_reward_form_has_its_own_range():
    cosine = DESCRIPTION.model_copy(update={"form": "cosine", "score_range": (-1.0, 1.0), "terminates": False})
    described = [RewardServiceUnavailableError("gone"), cosine]
    negative = answer(np.array([-1.0, 0.2, 1.0], np.float32))
    assert RewardClient(ScriptedTransport(negative, descriptions=described)).score(FRAMES, GOALS) is negative
    too_low = ScriptedTransport(answer(np.array([-1.1, 0.2, 1.0], np.float32)), descriptions=[cosine])
    with pytest.raises(RewardServiceError, match=r"outside its score range \[-1, 1\]"):
        RewardClient(too_low).score(FRAMES, GOALS)


@pytest.mark.parametrize("bad", [np.zeros((3, 2), np.float32), np.zeros(3, np.float32), np.full((3, 1), 2, np.float32)])
def test_a_table_of_another_shape_or_range_is_refused(bad):
    with pytest.raises(RewardServiceError):
        RewardClient(ScriptedTransport(answer(bad))).score_all(FRAMES, ["a"])


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (np.zeros((2, 4), np.float32), RewardServiceError),
        (np.zeros(3, np.float32), RewardServiceError),
        (np.full((3, 4), np.nan, np.float32), NonFiniteRewardError),
    ],
)
def test_embeddings_that_are_none_are_refused(bad, error):
    with pytest.raises(error):
        RewardClient(ScriptedTransport(EmbedResult(bad, "e" * 64))).embed(FRAMES)


def test_embeddings_are_of_an_encoder_and_do_not_touch_the_rewards_fingerprint():
    embedded = EmbedResult(np.full((3, 4), -0.5, np.float32), "e" * 64)
    client = RewardClient(ScriptedTransport(GOOD, embedded, GOOD))
    client.score(FRAMES, GOALS)
    assert client.embed(FRAMES) is embedded
    assert client.score(FRAMES, GOALS) is GOOD
    assert client.stats.requests == 3
    assert client.stats.frames == 9


def test_no_more_requests_are_on_their_way_than_allowed():
    class Counting(ScriptedTransport):
        lock, now, most = threading.Lock(), 0, 0

        def score(self, frames, goal_ids, timeout_s):
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(0.01)
            with self.lock:
                self.now -= 1
            return GOOD

    transport = Counting(GOOD)
    client = RewardClient(transport, max_in_flight=3)
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: client.score(FRAMES, GOALS), range(36)))
    assert transport.most == 3
    assert all(answer is GOOD for answer in answers)


def test_waiting_for_a_turn_ends_at_the_deadline():
    class Hanging(ScriptedTransport):
        def score(self, frames, goal_ids, timeout_s):
            time.sleep(0.6)
            return GOOD

    client = RewardClient(Hanging(GOOD), max_in_flight=1, deadline_s=0.3)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.score, FRAMES, GOALS)
        time.sleep(0.1)
        with pytest.raises(RewardTimeoutError, match="max_in_flight"):
            client.score(FRAMES, GOALS)
        assert first.result() is GOOD


def test_another_reward_than_the_expected_one_is_an_error():
    client = RewardClient(ScriptedTransport(GOOD), expected_fingerprint="e" * 64)
    with pytest.raises(RewardServiceError, match=r"eeeeeeeeeeee.*ffffffffffff"):
        client.score(FRAMES, GOALS)


def test_the_first_answer_fixes_the_reward_of_a_run():
    client = RewardClient(ScriptedTransport(GOOD, answer(GOOD.scores, "0" * 64)))
    client.score(FRAMES, GOALS)
    with pytest.raises(RewardServiceError, match="changed under this run"):
        client.score(FRAMES, GOALS)


@pytest.mark.parametrize(
    ("frames", "goal_ids", "error"),
    [
        (FRAMES.astype(np.float32), GOALS, InvalidFrameError),
        (FRAMES[0], GOALS, InvalidFrameError),
        ([[1, 2]], GOALS, InvalidFrameError),
        (FRAMES, GOALS[:2], ConfigError),
        (FRAMES, "abc", ConfigError),
        (FRAMES, ["a", "b", 3], ConfigError),
    ],
)
def test_a_request_that_nothing_could_answer_is_not_sent(frames, goal_ids, error):
    transport = ScriptedTransport(GOOD)
    with pytest.raises(error):
        RewardClient(transport).score(frames, goal_ids)
    assert not transport.calls


def test_statistics_count_and_drain():
    client = RewardClient(ScriptedTransport(GOOD, RewardTimeoutError("slow"), GOOD, ConfigError("no")))
    client.score(FRAMES, GOALS)
    client.score(FRAMES, GOALS)
    with pytest.raises(ConfigError):
        client.score(FRAMES, GOALS)
    stats = client.pop_stats()
    assert (stats.requests, stats.frames, stats.retries, stats.failures) == (3, 6, 1, 1)
    assert len(stats.latencies_s) == 2
    assert stats.latencies_s[1] > 0.02 > stats.latencies_s[0] >= 0
    assert client.pop_stats().requests == 0


def test_a_client_travels_without_its_statistics_and_with_its_fingerprint(reward_model, make_request):
    frames, goal_ids = make_request(2)
    client = RewardClient(InProcessTransport(reward_model), timeout_s=3, expected_fingerprint="0" * 64)
    with pytest.raises(RewardServiceError):
        client.score(frames, goal_ids)
    copy = pickle.loads(pickle.dumps(client))
    assert copy.stats.requests == 0
    with pytest.raises(RewardServiceError, match="000000000000"):
        copy.score(frames, goal_ids)


@pytest.mark.parametrize("wrong", [{"timeout_s": 0}, {"deadline_s": -1}, {"max_retries": -1}, {"max_in_flight": 0}])
def test_times_and_counts_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="above 0"):
        RewardClient(ScriptedTransport(GOOD), **wrong)
