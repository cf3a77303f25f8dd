"""Texts in a replica: each embedded once, a few at a time, and never for long before the frames that wait."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.errors import ConfigError, NonFiniteRewardError, RewardOverloadedError, RewardServiceError
from vlm_rewards.service.texts import TextReader, embed_texts

TEXTS = [f"a picture of thing {index}" for index in range(40)]


class Watched(FakeEncoder):
    """Notes which texts it is given."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def embed_texts(self, texts):
        self.calls.append(list(texts))
        return super().embed_texts(texts)


def reader_of(encoder, pause=0.0):
    async def on_model_thread(work):
        await asyncio.sleep(pause)
        return work()

    return TextReader(encoder, on_model_thread)


def test_each_text_is_embedded_once_and_few_at_a_time():
    encoder = Watched()
    reader = reader_of(encoder)

    async def ask():
        first = await reader.embed([*TEXTS, TEXTS[3]])
        second = await reader.embed([TEXTS[7], "something new", TEXTS[0]])
        return first, second

    first, second = asyncio.run(ask())
    alone = FakeEncoder().embed_texts(TEXTS)
    np.testing.assert_array_equal(first.embeddings, np.concatenate([alone, alone[3:4]]))
    np.testing.assert_array_equal(second.embeddings[[0, 2]], alone[[7, 0]])
    assert first.fingerprint == encoder.fingerprint
    assert sorted(text for call in encoder.calls for text in call) == sorted([*TEXTS, "something new"])
    assert max(len(call) for call in encoder.calls) <= 16


def test_frames_get_their_turn_between_two_forwards_of_texts():
    """What asks for the model's thread while texts are read comes before the next of them."""
    order = []

    async def ask():
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1) as thread:

            def run(work):
                order.append("texts")
                thread.submit(order.append, "frames")
                return work()

            await TextReader(FakeEncoder(), lambda work: loop.run_in_executor(thread, run, work)).embed(TEXTS)

    asyncio.run(ask())
    assert order == ["texts", "frames"] * 3


def test_more_requests_than_people_can_type_are_refused_and_room_comes_back():
    reader = reader_of(FakeEncoder(), pause=0.01)

    async def ask():
        answers = await asyncio.gather(*(reader.embed([text]) for text in TEXTS[:12]), return_exceptions=True)
        return answers, await reader.embed(["one more"])

    answers, later = asyncio.run(ask())
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(refused) == 4
    assert all(type(error) is RewardOverloadedError for error in refused)
    assert later.embeddings.shape == (1, 32)


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (["good", " \n"], "text 1 is empty"),
        (["x" * 2001], "2001 characters"),
        (["x"] * 257, "257 texts"),
        ("one text", "list of strings"),
        ([3], "list of strings"),
    ],
)
def test_texts_that_no_encoder_should_read_are_refused_by_name(texts, says):
    for call in (lambda: embed_texts(FakeEncoder(), texts), lambda: asyncio.run(reader_of(FakeEncoder()).embed(texts))):
        with pytest.raises(ConfigError, match=says):
            call()


def test_what_the_model_does_wrong_is_typed_and_not_remembered():
    class Broken(FakeEncoder):
        broken = "nan"

        def embed_texts(self, texts):
            if self.broken == "raises":
                raise ZeroDivisionError("of ours")
            good = super().embed_texts(texts)
            return good * np.nan if self.broken == "nan" else good

    encoder = Broken()
    reader = reader_of(encoder)

    async def ask():
        with pytest.raises(NonFiniteRewardError):
            await reader.embed(["a text"])
        encoder.broken = "raises"
        with pytest.raises(RewardServiceError, match="ZeroDivisionError"):
            await reader.embed(["a text"])
        encoder.broken = ""
        return await reader.embed(["a text"])

    assert np.isfinite(asyncio.run(ask()).embeddings).all()


def test_no_texts_give_no_embeddings():
    assert embed_texts(FakeEncoder(), []).embeddings.shape == (0, 32)


def test_what_the_tokenizer_knows_comes_along(pocket_model):
    result = embed_texts(pocket_model.encoder, ["screenshot of app", "screenshot of 東京"])
    assert result.words == (3, 4)
    assert result.unknown[0] == 0 < result.unknown[1]
    # A text's last bits depend on what is embedded with it, as no image's do.
    alone = pocket_model.encoder.embed_texts(["screenshot of app"])[0]
    np.testing.assert_allclose(result.embeddings[0], alone, atol=1e-6)
