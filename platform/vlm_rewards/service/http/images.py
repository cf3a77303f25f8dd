"""PNG and JPEG from callers whom nobody knows."""

import base64
import binascii
import io
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.http.limits import HttpLimits, Share

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}
_DATA_URL = re.compile(r"data:([^;,]{1,100});base64,")


def decode_images(images: Sequence[str], limits: HttpLimits, share: Share) -> list[npt.NDArray[np.uint8]]:
    """Decodes images; the sizes of all of them are checked before the first is decompressed.

    Args:
        images: base64 of PNG or JPEG files, or data URLs of them.
        limits: of pixels and images.
        share: takes the decoded bytes.

    Returns:
        One uint8 (H, W, 3) RGB each, of any H and W. Alpha is dropped; of an animation the first frame is taken.

    Raises:
        HttpError: an image that is none, is cut off, is not what its data URL says, or is beyond a limit.
    """
    if len(images) > limits.max_images:
        raise HttpError("too_large", f"{len(images)} images; one request may hold {limits.max_images}")
    opened = [_opened(index, text, limits) for index, text in enumerate(images)]
    sizes = [(image.height, image.width) for image in opened]
    limits.check_sizes(sizes)
    share.hold(sum(3 * height * width for height, width in sizes))
    return [_pixels(index, image) for index, image in enumerate(opened)]


def _opened(index: int, text: str, limits: HttpLimits) -> Image.Image:
    """Reads a file's header, which says its size, and no more."""
    url = _DATA_URL.match(text[:120])
    declared = _FORMATS.get(url[1].lower()) if url else None
    if url and declared is None:
        raise HttpError("invalid_frames", f"image {index} is {url[1]!r}", "send image/png or image/jpeg")
    try:
        data = base64.b64decode(text[url.end() :] if url else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise HttpError(
            "invalid_frames",
            f"image {index} is no base64 ({error})",
            "encode the file's bytes as standard base64 on one line, without blanks",
        ) from error
    try:
        image = Image.open(io.BytesIO(data), formats=tuple(_FORMATS.values()))
    except Image.DecompressionBombError as error:
        # Pillow's own limit is near 180 megapixels; below it, `check_sizes` decides.
        raise HttpError(
            "too_large", f"image {index} has too many pixels", f"scale it down to {limits.max_side} a side at most"
        ) from error
    except Exception as error:  # Pillow's parsers raise whatever a damaged header makes them raise
        raise HttpError(
            "invalid_frames",
            f"image {index} ({len(data)} bytes) is no PNG or JPEG, or its header is damaged",
            "send a whole PNG or JPEG file, or the pixels as application/x-safetensors",
        ) from error
    if declared and image.format != declared:
        raise HttpError(
            "invalid_frames", f"image {index} says it is {declared} and is {image.format}", "label it as what it is"
        )
    return image


def _pixels(index: int, image: Image.Image) -> npt.NDArray[np.uint8]:
    try:
        return np.array(image.convert("RGB"), dtype=np.uint8)
    except Exception as error:  # as above, and for what follows the header
        reason = " ".join(str(error).split()) or type(error).__name__
        raise HttpError(
            "invalid_frames", f"image {index} cannot be decoded ({reason})", "send the whole file; it is cut or damaged"
        ) from error
