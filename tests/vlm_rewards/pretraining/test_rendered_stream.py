import multiprocessing
import os
import signal
import time
from multiprocessing import popen_spawn_posix

import numpy as np
import pytest

from vlm_rewards.errors import ConfigError, VLMRewardsError
from vlm_rewards.pretraining.caption_source import CaptionedImage
from vlm_rewards.pretraining.rendered_stream import RenderedStream, StreamSpec, render_batch, render_corpus
from vlm_rewards.pretraining.shapes import random_shape

SHAPES = "vlm_rewards.pretraining.shapes:random_shape"
HERE = f"{__name__}:"


def spec(**changes) -> StreamSpec:
    return StreamSpec(**{"source": SHAPES, "height": 16, "width": 12, "seed": 4, "batch_size": 8, **changes})


def contrasting(rng: np.random.Generator, height: int, width: int) -> CaptionedImage:
    drawn = random_shape(rng, height, width)
    return CaptionedImage(drawn.frame, drawn.captions, drawn.label, ((drawn.captions[0], "a black square"),))


def instructing(rng: np.random.Generator, height: int, width: int) -> CaptionedImage:
    drawn = random_shape(rng, height, width)
    return CaptionedImage(drawn.frame, drawn.captions, drawn.label, ((drawn.captions[0], "find a square"),))


def test_an_image_depends_on_the_seed_and_its_place_alone():
    second = render_batch(spec(), 1)
    other_cut = render_batch(spec(batch_size=16), 0)
    np.testing.assert_array_equal(second.frames, other_cut.frames[8:])
    assert second.captions == other_cut.captions[8:]
    assert not np.array_equal(second.frames, render_batch(spec(seed=5), 1).frames)
    drawn = random_shape(np.random.default_rng([4, 11]), 16, 12)
    np.testing.assert_array_equal(second.frames[3], drawn.frame)
    assert second.captions[3] == drawn.captions
    assert second.labels[3] == drawn.label


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_come_in_order_however_many_processes_render_them(workers):
    with RenderedStream(spec(), start=3, workers=workers, ahead=2) as stream:
        taken = [stream.take() for _ in range(5)]
    for batch, got in enumerate(taken, start=3):
        np.testing.assert_array_equal(got.frames, render_batch(spec(), batch).frames)


def test_no_more_is_rendered_ahead_than_was_asked_for():
    with RenderedStream(spec(), workers=1, ahead=2) as stream:
        stream.take()
        deadline = time.monotonic() + 20
        while not stream._queues[0].full() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert stream._queues[0].full()
        assert stream._queues[0].qsize() == 2


def test_workers_end_with_the_stream():
    with RenderedStream(spec(), workers=2) as stream:
        stream.take()
        assert sum(child.name.startswith("rendering") for child in multiprocessing.active_children()) == 2
    assert not any(child.name.startswith("rendering") for child in multiprocessing.active_children())
    with pytest.raises(VLMRewardsError, match="closed"):
        stream.take()


def test_a_worker_that_dies_is_noticed():
    with RenderedStream(spec(), workers=1, ahead=1) as stream:
        stream.take()
        stream._workers[0].kill()
        stream._workers[0].join()
        while not stream._queues[0].empty():
            stream.take()
        with pytest.raises(VLMRewardsError, match="ended with exit code -9"):
            stream.take()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "no.such.module:f"}, "cannot import the caption source"),
        ({"options": {"colour": "red"}}, "cannot be called"),
        ({"source": HERE + "instructing"}, "worded as a task"),
    ],
)
def test_an_unusable_source_is_named(workers, changes, message):
    with RenderedStream(spec(**changes), workers=workers) as stream, pytest.raises(ConfigError, match=message):
        stream.take()


def test_contrasts_come_with_their_image():
    batch = render_batch(spec(source=HERE + "contrasting"), 0)
    assert batch.contrasts[2] == ((batch.captions[2][0], "a black square"),)
    assert render_batch(spec(), 0).contrasts == ((),) * 8


def test_a_corpus_knows_all_captions_and_shares_no_image_with_the_stream():
    corpus = render_corpus(spec(source=HERE + "contrasting"), 64)
    assert corpus.frames.shape == (64, 16, 12, 3)
    assert "a black square" in corpus.captions
    assert {corpus.captions[i] for i in corpus.caption_ids[0]} <= set(corpus.captions) - {"a black square"}
    streamed = {frame.tobytes() for batch in range(8) for frame in render_batch(spec(), batch).frames}
    assert not any(frame.tobytes() in streamed for frame in corpus.frames)


class StoppedError(Exception):
    pass


def test_a_signal_while_a_worker_starts_waits_until_it_knows_its_work(monkeypatch, capfd):
    def stop(number, frame):
        raise StoppedError

    def dump(*args, **kwargs):
        monkeypatch.setattr(popen_spawn_posix.reduction, "dump", told)
        os.kill(os.getpid(), signal.SIGTERM)  # the process runs, and waits to be told what to do
        return told(*args, **kwargs)

    told = popen_spawn_posix.reduction.dump
    monkeypatch.setattr(popen_spawn_posix.reduction, "dump", dump)
    before = signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(StoppedError):
            RenderedStream(spec(), workers=1)
    finally:
        signal.signal(signal.SIGTERM, before)
    (worker,) = [child for child in multiprocessing.active_children() if child.name == "rendering 0"]
    worker.terminate()
    worker.join(20)
    assert worker.exitcode == -signal.SIGTERM
    assert "Traceback" not in capfd.readouterr().err
