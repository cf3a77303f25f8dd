"""From what Pillow decodes to RGB, by value."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from vlm_rewards.service.http.images.file import DamagedError, PictureFile

# Pixels converted at a time: little memory beside the picture's own, and other requests' threads get their turn.
_STRIP_PIXELS = 2**18
_OPAQUE = 255


def fill(target: npt.NDArray[np.uint8], image: Image.Image, file: PictureFile) -> None:
    """Write a decoded image as RGB.

    Deep samples keep their upper eight bits. Grey is repeated. What is transparent is laid over white, as viewers show
    it, and palettes are looked up.

    Args:
        target: (H, W, 3) as stored.
        image: Loaded.
        file: It is from.

    Raises:
        DamagedError: An index beyond the palette, or a kind of pixel that is not known.
    """
    convert = _converter(image, file)
    height, width = target.shape[:2]
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        target[top:bottom] = convert(np.asarray(image.crop((0, top, width, bottom))))


StripConverter = Callable[[np.ndarray], npt.NDArray[np.uint8]]


def _converter(image: Image.Image, file: PictureFile) -> StripConverter:
    """Return a function from a strip in the image's mode to uint8 (h, W, 3)."""
    if image.mode == "P":
        return _palette(image, file)
    if image.mode in ("LA", "RGBA"):
        return lambda strip: _over_white(strip[..., :-1], strip[..., -1:])
    if image.mode in ("1", "L", "I;16", "RGB"):
        key = _transparent_colour(file, 3 if image.mode == "RGB" else 1)
        return lambda strip: _plain(strip, key)
    raise DamagedError(f"its pixels are of mode {image.mode}", "save it as a usual PNG or JPEG in RGB")


def _plain(strip: np.ndarray, key: npt.NDArray[np.uint16] | None) -> npt.NDArray[np.uint8]:
    strip = strip if strip.ndim == 3 else strip[..., None]
    shown = strip
    if strip.dtype == np.uint16:
        shown = (strip >> 8).astype(np.uint8)
    elif strip.dtype == bool:
        shown = strip * np.uint8(255)
    if key is not None:
        samples = shown if strip.dtype == bool else strip
        hidden = (samples == key).all(axis=-1, keepdims=True)
        shown = np.where(hidden, np.uint8(255), shown)
    return shown


def _transparent_colour(file: PictureFile, channels: int) -> npt.NDArray[np.uint16] | None:
    """Return the one transparent colour as the decoder gives it, which scales small greys up to eight bits."""
    if file.transparent is None:
        return None
    if len(file.transparent) != 2 * channels:
        raise DamagedError("its transparent colour is none")
    samples = np.frombuffer(file.transparent, ">u2").astype(np.uint32)
    return (samples * 255 // (2**file.bits - 1) if file.bits < 8 else samples).astype(np.uint16)


def _palette(image: Image.Image, file: PictureFile) -> StripConverter:
    colours = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    alphas = np.full((len(colours), 1), _OPAQUE, np.uint8)
    given = np.frombuffer(file.transparent or b"", np.uint8)[: len(colours)]
    alphas[: len(given), 0] = given
    table = _over_white(colours, alphas)

    def looked_up(strip: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        if strip.size and strip.max() >= len(table):
            raise DamagedError("it has pixels beyond its palette")
        return table[strip]

    return looked_up


def _over_white(colours: npt.NDArray[np.uint8], alphas: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    alpha = alphas.astype(np.uint16)
    return ((colours * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
