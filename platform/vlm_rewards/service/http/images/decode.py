"""The images of one request, one after another."""

import io
import zlib
from collections import deque
from collections.abc import Generator

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from vlm_rewards.service.http.admission import AbandonedError, Share
from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.http.images import jpeg, pixels, png
from vlm_rewards.service.http.images.file import DamagedError, PictureFile
from vlm_rewards.service.http.images.orientation import stored_view
from vlm_rewards.service.http.images.text import file_of
from vlm_rewards.service.http.limits import HttpLimits

# Pixels looked at in one call, during which no other thread of the gateway runs.
_STRIP_PIXELS = 2**18

Group = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]


def decode_images(texts: list[str], limits: HttpLimits, share: Share) -> Generator[None, None, list[Group]]:
    """Decode images; all of them are measured before the first is decompressed.

    Each step of this generator is one image's, and yields: whoever drives it can stop there, and turn to others.

    Args:
        texts: Base64 of PNG or JPEG files, or data URLs of them, whose bytes `share` holds. The list is emptied on the
            way, so that an image's text goes before its pixels come.
        limits: Limits of pixels, scans and images.
        share: Takes what the images become.

    Returns:
        Images uint8 (n, H, W, 3) RGB of one size each, with their places in `texts`.

    Raises:
        AbandonedError: The request has ended.
        HttpError: An image that is none, is cut off, is not what its data URL says, or is beyond a limit.
    """
    count = len(texts)
    if count > limits.max_images:
        raise HttpError("too_large", f"{count} images; one request may hold {limits.max_images}")
    files: deque[PictureFile] = deque()
    for index in range(count):
        text, texts[index] = texts[index], ""
        with share.held(2 * len(text)):
            file = _scanned(index, text)
        limits.check_scans(index, file.height, file.width, file.scans)
        share.hold(len(file.data))
        share.give_back(len(text))
        del text
        files.append(file)
        yield
    shapes = [file.shape for file in files]
    limits.check_sizes([shape[:2] for shape in shapes])
    groups = {}
    for shape in dict.fromkeys(shapes):
        places = np.array([place for place, other in enumerate(shapes) if other == shape])
        share.hold(len(places) * shape[0] * shape[1] * 3)
        groups[shape] = places, np.empty((len(places), *shape), np.uint8)
    for index, shape in enumerate(shapes):
        places, frames = groups[shape]
        file = files.popleft()
        with share.held(file.decoding_bytes):
            _decode(index, file, frames[np.searchsorted(places, index)], share)
        share.give_back(len(file.data))
        del file
        yield
    return list(groups.values())


def _scanned(index: int, text: str) -> PictureFile:
    data, declared = file_of(index, text)
    scan = next((form.scan for form in (png, jpeg) if data.startswith(form.SIGNATURE)), None)
    if scan is None:
        raise HttpError(
            "invalid_frames",
            f"image {index} ({len(data)} bytes) is no PNG or JPEG",
            "send a whole PNG or JPEG file, or the pixels as application/x-safetensors",
        )
    try:
        file: PictureFile = scan(data)
    except DamagedError as error:
        raise _refused(index, str(error), error) from error
    if declared and file.form != declared:
        raise HttpError(
            "invalid_frames", f"image {index} says it is {declared} and is {file.form}", "label it as what it is"
        )
    return file


def _decode(index: int, file: PictureFile, frame: npt.NDArray[np.uint8], share: Share) -> None:
    """Write a file's pixels into `frame`, uint8 of the file's shape."""
    try:
        checksum = _fill(file, frame, share)
        if file.form == "JPEG" and _checksum_with_more(file, share) != checksum:
            raise DamagedError("parts of its pixels are missing")
    except AbandonedError:
        raise
    except UnidentifiedImageError as error:
        raise _refused(index, "its header is damaged", error) from error
    except Exception as error:  # Pillow's decoders raise whatever damaged data make them raise
        raise _refused(index, " ".join(str(error).split()) or type(error).__name__, error) from error


def _fill(file: PictureFile, frame: npt.NDArray[np.uint8], share: Share) -> int:
    """Write a file's pixels into `frame`; return the checksum of what the decoder gave, for a JPEG, else 0."""
    with Image.open(_Watched(file.data, share), formats=(file.form,)) as image:
        if image.size != (file.width, file.height):
            raise DamagedError("its headers contradict each other")
        image.load()
        if file.form == "PNG" and _ends_blank(image) and not png.has_all_rows(file, share.check):
            raise DamagedError("rows of it are missing")
        pixels.fill(stored_view(frame, file.orientation), image, file)
        return _checksum(image) if file.form == "JPEG" else 0


def _checksum_with_more(file: PictureFile, share: Share) -> int:
    """Return the checksum of a JPEG's pixels as decoded from a file with noise behind each scan."""
    with (
        share.held(len(file.data)),
        Image.open(_Watched(jpeg.with_more(file), share), formats=(file.form,)) as image,
    ):
        image.load()
        return _checksum(image)


def _ends_blank(image: Image.Image) -> bool:
    """Return whether the rows that are decoded last, interlaced or not, hold nothing but zeros."""
    rows = np.asarray(image.crop((0, image.height - 2, *image.size)))
    return not rows[0].any() or not rows[1].any()


def _checksum(image: Image.Image) -> int:
    checksum, rows = 0, max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        checksum = zlib.crc32(strip.tobytes(), checksum)
    return checksum


def _refused(index: int, reason: str, error: Exception) -> HttpError:
    fix = getattr(error, "fix", "") or "send the whole file; it is cut or damaged"
    return HttpError("invalid_frames", f"image {index} cannot be decoded: {reason}", fix)


class _Watched(io.BytesIO):
    """A file that is read no further once nobody waits for its pixels."""

    def __init__(self, data: bytes, share: Share) -> None:
        super().__init__(data)
        self._share = share

    def read(self, size: int | None = -1) -> bytes:
        self._share.check()
        return super().read(size)
