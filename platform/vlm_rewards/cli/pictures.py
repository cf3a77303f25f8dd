"""Pictures of a folder, with the very pixels that the gateway would read of them."""

import base64
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vlm_rewards.errors import ConfigError
from vlm_rewards.service.http.admission import Admission
from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.http.images import decode_images
from vlm_rewards.service.http.limits import HttpLimits

_SUFFIXES = (".png", ".jpg", ".jpeg")


def pictures_in(folder: Path) -> list[Path]:
    """Return the PNG and JPEG files of a folder by name, or the one file that is named.

    Raises:
        ConfigError: There is no such folder, or it holds none.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}; give one with PNG or JPEG files")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES and path.is_file())
    if not found:
        raise ConfigError(f"{folder} holds no PNG or JPEG file; give a folder that does")
    return found


def read_picture(path: Path) -> npt.NDArray[np.uint8]:
    """Read a picture, uint8 (H, W, 3) RGB: over white where it is transparent, turned as its Exif says.

    Raises:
        ConfigError: It cannot be read, or is larger than the gateway would take.
    """
    try:
        text = base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror})") from error
    limits = HttpLimits()
    try:
        with Admission(limits).enter() as share:
            share.hold(len(text))
            steps = decode_images([text], limits, share)
            while True:
                next(steps)
    except StopIteration as done:
        ((_, frames),) = done.value
        frame: npt.NDArray[np.uint8] = frames[0]
        return frame
    except HttpError as error:
        raise ConfigError(f"{path}: {error.message.removeprefix('image 0 ')}; {error.fix}") from error
