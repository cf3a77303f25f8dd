"""What every encoder must do, run against each implementation."""

import numpy as np
import pytest

from vlm_rewards.encoders import Encoder, FakeEncoder, load_encoder
from vlm_rewards.encoders.image_graph import openvino_is_installed
from vlm_rewards.errors import InvalidFrameError

RUNTIMES = ["torch", *(["openvino"] if openvino_is_installed() else [])]


MODELS = ["fake", *(f"{model}-{runtime}" for model in ("clip", "siglip", "pocket", "packaged") for runtime in RUNTIMES)]


@pytest.fixture(scope="module", params=MODELS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    model, _, runtime = request.param.partition("-")
    if model == "fake":
        return load_encoder("fake")
    folder = "pocket-android" if model == "packaged" else str(request.getfixturevalue(f"{model}_folder"))
    return load_encoder(folder, encoder=runtime)


@pytest.fixture
def frames(encoder: Encoder) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, *encoder.image_size, 3), dtype=np.uint8)


def test_it_is_an_encoder(encoder):
    assert isinstance(encoder, Encoder)
    height, width = encoder.image_size
    assert height > 0
    assert width > 0
    assert len(encoder.fingerprint) == 64
    assert set(encoder.fingerprint) <= set("0123456789abcdef")


def test_embeddings_are_float32_and_of_length_1(encoder, frames):
    images, texts = encoder.embed_images(frames), encoder.embed_texts(["a red square", "the home screen"])
    assert images.shape == (7, encoder.embedding_dim)
    assert texts.shape == (2, encoder.embedding_dim)
    assert images.dtype == texts.dtype == np.float32
    for embeddings in (images, texts):
        np.testing.assert_allclose(np.linalg.norm(embeddings.astype(np.float64), axis=1), 1, atol=1e-5)


def test_the_same_frames_give_the_same_bytes(encoder, frames):
    np.testing.assert_array_equal(encoder.embed_images(frames), encoder.embed_images(frames.copy()))


def test_an_embedding_depends_on_its_own_frame_only(encoder):
    """To the bit, or a cache would change rewards; also where frames have to be resized."""
    rng = np.random.default_rng(0)
    for shape in (encoder.image_size, (53, 91)):
        frames = rng.integers(0, 256, (37, *shape, 3), dtype=np.uint8)
        together = encoder.embed_images(frames)
        for count in (1, 2, 3, 7, 11, 16, 23):
            rows = rng.choice(37, count, replace=False)
            np.testing.assert_array_equal(encoder.embed_images(frames[rows]), together[rows])


def test_texts_do_not_depend_on_their_batch(encoder):
    texts = ["a red square", "the home screen of a phone with very many words in it", "blue"]
    together = encoder.embed_texts(texts)
    for row, text in enumerate(texts):
        np.testing.assert_allclose(encoder.embed_texts([text])[0], together[row], atol=3e-6)


def test_requests_longer_than_one_pass_keep_their_order(encoder):
    frames = np.random.default_rng(1).integers(0, 256, (150, 16, 16, 3), dtype=np.uint8)
    together = encoder.embed_images(frames)
    assert together.shape == (150, encoder.embedding_dim)
    np.testing.assert_array_equal(encoder.embed_images(frames[140:]), together[140:])
    texts = [f"picture number {i}" for i in range(140)]
    np.testing.assert_allclose(encoder.embed_texts(texts)[130:], encoder.embed_texts(texts[130:]), atol=3e-6)


def test_other_frames_and_other_texts_give_other_embeddings(encoder, frames):
    images, texts = encoder.embed_images(frames), encoder.embed_texts(["red", "blue", "a red square"])
    for embeddings in (images, texts):
        gaps = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2) + np.eye(len(embeddings))
        assert gaps.min() > 1e-4


@pytest.mark.parametrize("shape", [(1, 1), (20, 3), (3, 20), (400, 250), (33, 47)])
def test_frames_of_any_size_and_aspect_are_read(encoder, shape):
    frames = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    assert np.isfinite(encoder.embed_images(frames)).all()


def test_read_only_and_strided_frames_are_read(encoder, frames):
    expected = encoder.embed_images(frames)
    locked = frames.copy()
    locked.setflags(write=False)
    np.testing.assert_array_equal(encoder.embed_images(locked), expected)
    wide = np.concatenate([frames, frames], axis=2)
    np.testing.assert_array_equal(encoder.embed_images(wide[:, :, : frames.shape[2]]), expected)
    np.testing.assert_array_equal(encoder.embed_images(frames[::-1])[::-1], expected)


def test_frames_are_not_written_to(encoder, frames):
    before = frames.copy()
    encoder.embed_images(frames)
    np.testing.assert_array_equal(frames, before)


def test_nothing_in_gives_nothing_out(encoder):
    assert encoder.embed_images(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, encoder.embedding_dim)
    assert encoder.embed_texts([]).shape == (0, encoder.embedding_dim)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), "must be uint8 in 0..255, not float32"),
        (np.zeros((2, 8, 8, 3), np.int64), "must be uint8"),
        (np.zeros((8, 8, 3), np.uint8), "add a leading batch axis"),
        (np.zeros((2, 3, 8, 8), np.uint8), r"must have shape \(N, H, W, 3\)"),
        (np.zeros((2, 8, 8, 4), np.uint8), r"must have shape \(N, H, W, 3\)"),
        (np.zeros((2, 0, 8, 3), np.uint8), r"must have shape \(N, H, W, 3\)"),
        ([[1]], "must be a numpy array"),
    ],
)
def test_other_arrays_are_refused(encoder, frames, message):
    with pytest.raises(InvalidFrameError, match=message):
        encoder.embed_images(frames)


def test_the_fake_paints_frames_that_match_their_text():
    fake = FakeEncoder()
    texts = [f"text {i}" for i in range(50)]
    embedded = fake.embed_texts(texts)
    for height, width in ((8, 4), (32, 32), (128, 80), (97, 61)):
        frames = np.stack([fake.frame_of(text, height, width) for text in texts])
        assert (fake.embed_images(frames) * embedded).sum(axis=1).min() > 0.99


def test_another_salt_is_another_fake_model():
    ours, theirs = FakeEncoder(), FakeEncoder(salt="other")
    assert ours.fingerprint != theirs.fingerprint
    assert abs(float(ours.embed_texts(["a"])[0] @ theirs.embed_texts(["a"])[0])) < 0.9
