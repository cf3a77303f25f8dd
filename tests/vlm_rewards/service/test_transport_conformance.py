"""What every transport must do, each with the real parts behind it."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vlm_rewards.errors import ConfigError, InvalidFrameError
from vlm_rewards.service import HandleTransport, HttpTransport, InProcessTransport, RewardClient

KINDS = ["in_process", "handle", "http"]
pytestmark = pytest.mark.ray


def make_transport(request, kind, model, app):
    if kind == "in_process":
        return InProcessTransport(model)
    name = request.getfixturevalue(app)
    if kind == "handle":
        return HandleTransport(name)
    url, models = request.getfixturevalue("gateway")
    models.setdefault(name, HandleTransport(name))
    return HttpTransport(url, name)


@pytest.fixture(params=KINDS)
def transport(request, reward_model):
    return make_transport(request, request.param, reward_model, "reward_app")


@pytest.fixture
def client(transport):
    return RewardClient(transport)


@pytest.mark.parametrize("n", [1, 2, 16, 32, 33, 100])
def test_scores_are_the_models_in_the_order_sent(client, reward_model, make_request, n):
    frames, goal_ids = make_request(n, seed=n)
    result = client.score(frames, goal_ids)
    np.testing.assert_array_equal(result.scores, reward_model.score(frames, goal_ids))
    assert result.scores.dtype == np.float32
    assert result.fingerprint == reward_model.fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_checkpoint_scores_as_it_does_alone(request, kind, pocket_model, make_request):
    client = RewardClient(make_transport(request, kind, pocket_model, "pocket_app"))
    assert client.describe() == pocket_model.describe()
    for n in (1, 8, 32):
        frames, goal_ids = make_request(n, seed=n, size=40)
        first, second = (client.score(frames, goal_ids).scores for _ in range(2))
        assert first.tobytes() == second.tobytes()
        # Same arithmetic in the same batch on one thread: the replica's bits are this process's.
        np.testing.assert_array_equal(first, pocket_model.score(frames, goal_ids))


def test_no_frames_give_no_scores(client, reward_model):
    result = client.score(np.zeros((0, 32, 32, 3), np.uint8), [])
    assert result.scores.shape == (0,)
    assert result.fingerprint == reward_model.fingerprint


@pytest.mark.parametrize("n", [0, 1, 33])
def test_every_frame_is_scored_for_every_goal(client, reward_model, make_request, n):
    frames, _ = make_request(n, seed=n)
    goal_ids = ["app3", "app0", "app5"]
    result = client.score_all(frames, goal_ids)
    np.testing.assert_array_equal(result.scores, reward_model.score_all(frames, goal_ids))
    assert result.scores.dtype == np.float32
    assert result.fingerprint == reward_model.fingerprint
    for column, goal_id in enumerate(goal_ids):
        np.testing.assert_array_equal(result.scores[:, column], client.score(frames, [goal_id] * n).scores)


@pytest.mark.parametrize("n", [0, 1, 33])
def test_embeddings_are_the_encoders_and_carry_its_fingerprint(client, reward_model, make_request, n):
    frames, _ = make_request(n, seed=n)
    result = client.embed(frames)
    np.testing.assert_array_equal(result.embeddings, reward_model.embed(frames))
    assert result.embeddings.shape == (n, reward_model.encoder.embedding_dim)
    assert result.fingerprint == reward_model.encoder.fingerprint != reward_model.fingerprint


def test_texts_are_embedded_by_the_same_encoder(transport, reward_model):
    texts = ["a red ball", "東京", "a red ball", *(f"caption {index}" for index in range(30))]
    result = transport.embed_texts(texts, timeout_s=10)
    np.testing.assert_array_equal(result.embeddings, reward_model.encoder.embed_texts(texts))
    assert result.embeddings.dtype == np.float32
    assert result.fingerprint == reward_model.encoder.fingerprint
    assert result.words is result.unknown is None  # the fake encoder has no tokenizer


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_tokenizer_knows_of_texts_travels(request, kind, pocket_model):
    transport = make_transport(request, kind, pocket_model, "pocket_app")
    result = transport.embed_texts(["screenshot of app", "screenshot of 東京"], timeout_s=10)
    assert result.words == (3, 4)
    assert result.unknown[0] == 0 < result.unknown[1]


@pytest.mark.parametrize(("texts", "says"), [([" "], "is empty"), (["x"] * 300, "300 texts"), (["x" * 2001], "2001")])
def test_texts_of_a_wrong_kind_come_back_as_their_own_error(transport, texts, says):
    with pytest.raises(ConfigError, match=says) as raised:
        transport.embed_texts(texts, timeout_s=10)
    assert type(raised.value) is ConfigError
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("n", "length"), [(1, 1), (3, 4), (2, 40)])
def test_clips_are_scored_as_the_model_does_and_counted_in_frames(client, reward_model, make_request, n, length):
    frames, _ = make_request(n * length)
    clips, goal_ids = frames.reshape(n, length, *frames.shape[1:]), ["app1"] * n
    np.testing.assert_array_equal(client.score(clips, goal_ids).scores, reward_model.score(clips, goal_ids))
    np.testing.assert_array_equal(client.embed(clips).embeddings, reward_model.embed(clips))
    assert client.stats.frames == 2 * n * length


def test_large_requests_get_through(client, reward_model, make_request):
    frames, goal_ids = make_request(64, size=160)
    assert frames.nbytes > 4 * 2**20  # the limit of Serve's gRPC port
    np.testing.assert_array_equal(client.score(frames, goal_ids).scores, reward_model.score(frames, goal_ids))
    np.testing.assert_array_equal(client.embed(frames).embeddings, reward_model.embed(frames))


def test_the_same_stream_gives_the_same_bits(client, make_request):
    stream = [make_request(n, seed=n) for n in (1, 8, 3, 40, 8)]
    first, second = ([client.score(*request).scores.tobytes() for request in stream] for _ in range(2))
    assert first == second


def test_frames_that_need_not_be_contiguous_or_writable(client, reward_model, make_request):
    frames, goal_ids = make_request(8)
    view = frames[::2, ::-1]
    view.flags.writeable = False
    expected = reward_model.score(np.ascontiguousarray(view), goal_ids[::2])
    np.testing.assert_array_equal(client.score(view, goal_ids[::2]).scores, expected)


def test_describe_is_the_models(client, reward_model):
    assert client.describe() == reward_model.describe()


def test_frames_of_a_wrong_kind_come_back_as_their_own_error(transport):
    wrong = np.zeros((1, 8, 8, 3), np.float32)
    for call in (
        lambda: transport.score(wrong, ["app0"], timeout_s=10),
        lambda: transport.score_all(wrong, ["app0"], timeout_s=10),
        lambda: transport.embed(wrong, timeout_s=10),
    ):
        with pytest.raises(InvalidFrameError, match="float32") as raised:
            call()
        assert type(raised.value) is InvalidFrameError
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("size", [32, 1100], ids=["small", "large"])
def test_an_unknown_goal_comes_back_as_its_own_error(transport, make_request, size):
    for call in (transport.score, transport.score_all):
        with pytest.raises(ConfigError, match=r"'app55'.*did you mean") as raised:
            call(make_request(1, size=size)[0], ["app55"], timeout_s=10)
        assert type(raised.value) is ConfigError
        assert "\n" not in str(raised.value)


def test_it_travels_to_another_process_before_and_after_use(transport, reward_model, make_request):
    frames, goal_ids = make_request(2)
    for _ in range(2):
        copy = pickle.loads(pickle.dumps(transport))
        result = RewardClient(copy).score(frames, goal_ids)
        np.testing.assert_array_equal(result.scores, reward_model.score(frames, goal_ids))
        transport.connect(timeout_s=10)


def test_threads_share_it_and_each_gets_its_own_answers(client, reward_model, make_request):
    def answers_match(seed):
        # Three frame sizes at once: frames of different sizes cannot share an array. And all kinds of questions.
        frames, goal_ids = make_request(1 + seed % 9, seed=seed, size=(16, 32, 48)[seed % 3])
        if seed % 4 == 0:
            return np.array_equal(client.embed(frames).embeddings, reward_model.embed(frames))
        if seed % 4 == 1:
            return np.array_equal(client.score_all(frames, goal_ids).scores, reward_model.score_all(frames, goal_ids))
        return np.array_equal(client.score(frames, goal_ids).scores, reward_model.score(frames, goal_ids))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(answers_match, range(96)))
    assert client.stats.requests == 96
