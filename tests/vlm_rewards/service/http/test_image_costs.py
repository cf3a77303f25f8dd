"""What a file may cost is known before it is decoded, by its chunks, markers and sizes."""

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.vlm_rewards.service.http.requests_for_tests import chunk, refused, score
from vlm_rewards.service.http import HttpLimits
from vlm_rewards.service.http.admission import Admission
from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.http.images import decode, decode_images, jpeg, png

FRAME = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def file_of(form, **options):
    file = io.BytesIO()
    Image.fromarray(FRAME).save(file, form, **options)
    return file.getvalue()


def text(data):
    return base64.b64encode(data).decode()


def with_chunks(*chunks):
    whole = file_of("PNG")
    return whole[:33] + b"".join(chunks) + whole[33:]


def with_scans(count):
    """A progressive JPEG whose last scan, of a few bytes, is sent again and again."""
    data = file_of("JPEG", progressive=True, quality=5)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"


@pytest.fixture
def nothing_decoded(monkeypatch):
    def fail(*_):
        raise AssertionError("it was decoded")

    monkeypatch.setattr(decode, "_decode", fail)


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"sPLT", b"prVt", b"fdAT", b"acTL"])
def test_chunks_that_decide_no_pixel_never_reach_the_decoder(kind):
    bomb = chunk(kind, b"a\0\0" + zlib.compress(bytes(1_000_000)))
    file = png.scan(with_chunks(*[bomb] * 100))
    assert file.data == png.scan(file_of("PNG")).data


@pytest.mark.parametrize("kind", [*range(0xE0, 0xF0), 0xFE])
def test_segments_that_decide_no_pixel_never_reach_the_decoder(kind):
    plain = file_of("JPEG")
    segment = bytes([0xFF, kind]) + (60_002).to_bytes(2, "big") + bytes(60_000)
    data = plain[:2] + segment * 30 + plain[2:] + b"MPF and thumbnails" * 1000
    assert jpeg.scan(data).data == jpeg.scan(plain).data


def test_chunks_and_segments_are_counted(http, nothing_decoded):
    refused(score(http, images=[text(with_chunks(*[chunk(b"IDAT", b"")] * 20_000))]), 422, "invalid_frames", "chunks")
    comments = file_of("JPEG")[:2] + b"\xff\xfe\0\2" * 5000 + file_of("JPEG")[2:]
    refused(score(http, images=[text(comments)]), 422, "invalid_frames", "segments")


def test_scans_are_counted_before_any_is_decoded(http, nothing_decoded):
    """A scan of 33 bytes takes as long as one of a megabyte."""
    assert jpeg.scan(with_scans(50)).scans == jpeg.scan(with_scans(1)).scans + 49
    limits = HttpLimits(max_pixel_passes=40 * 32 * 32)
    share = Admission(limits).enter()
    with pytest.raises(HttpError, match="scans"):
        list(decode_images([text(with_scans(40))], limits, share))


def test_usual_progressive_files_are_read(http):
    answer = score(http, images=[text(file_of("JPEG", progressive=True, quality=95)), text(with_scans(1))])
    assert answer.status_code == 200, answer.text


def test_a_marker_across_two_windows_is_found(monkeypatch):
    data = file_of("JPEG", progressive=True)
    whole = jpeg.scan(data)
    for window in range(1, 40):
        monkeypatch.setattr(jpeg, "_WINDOW", window)
        assert jpeg.scan(data) == whole


@pytest.mark.parametrize(("form", "limit"), [("PNG", "max_pixels"), ("JPEG", "max_pixels_per_image")])
def test_pixels_are_counted_before_any_is_decoded(nothing_decoded, form, limit):
    limits = HttpLimits(**{limit: 1000})
    with pytest.raises(HttpError, match="pixels"):
        list(decode_images([text(file_of(form))] * 2, limits, Admission(limits).enter()))


def test_what_decoding_takes_is_held_for_as_long_as_it_takes():
    admission = Admission(HttpLimits())
    share = admission.enter()
    texts = [text(file_of("PNG"))] * 3
    share.hold(sum(map(len, texts)))
    most, steps = 0, decode_images(texts, admission.limits, share)
    real = decode._decode

    def watched(*arguments):
        nonlocal most
        most = max(most, admission.bytes)
        return real(*arguments)

    decode._decode = watched
    try:
        while True:
            next(steps)
    except StopIteration as stop:
        ((_, frames),) = stop.value
    finally:
        decode._decode = real
    assert most > 2**20
    assert admission.bytes == frames.nbytes
    np.testing.assert_array_equal(frames, np.stack([FRAME] * 3))
