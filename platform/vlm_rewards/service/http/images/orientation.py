"""How a camera was held: Exif's tag, and a picture turned by it."""

from typing import Literal

import numpy as np
import numpy.typing as npt

_TAG = 0x0112
_SHORT = 3

# Entries of a directory that are looked at; cameras write some dozens.
_MOST_ENTRIES = 512


def exif_orientation(exif: bytes) -> int:
    """Return the orientation that Exif data name.

    Args:
        exif: A TIFF header and what follows, as in a JPEG's APP1 segment or a PNG's eXIf chunk.

    Returns:
        1 to 8; 1, as stored, where the data are damaged or do not say.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    orders: dict[bytes, Literal["little", "big"]] = {b"II*\0": "little", b"MM\0*": "big"}
    if exif[:4] not in orders:
        return 1
    order = orders[exif[:4]]

    def number(position: int, size: int) -> int:
        return int.from_bytes(exif[position : position + size], order)

    directory = number(4, 4)
    for index in range(min(number(directory, 2), _MOST_ENTRIES)):
        entry = directory + 2 + 12 * index
        if entry + 12 > len(exif):
            break
        if number(entry, 2) == _TAG and number(entry + 2, 2) == _SHORT:
            value = number(entry + 8, 2)
            return value if 1 <= value <= 8 else 1
    return 1


def stored_view(shown: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Return a view of a picture as shown through which it is written as stored.

    Args:
        shown: (H, W, 3), of the turned size.
        orientation: 1 to 8.

    Returns:
        (H, W, 3), or (W, H, 3) for the orientations 5 to 8, in the same memory.
    """
    flipped = shown[::-1, ::-1]
    return {
        1: shown,
        2: shown[:, ::-1],
        3: flipped,
        4: shown[::-1],
        5: shown.transpose(1, 0, 2),
        6: np.rot90(shown),
        7: flipped.transpose(1, 0, 2),
        8: np.rot90(shown, -1),
    }[orientation]
