"""JPEG files, marker by marker."""

import re
import struct

from vlm_rewards.service.http.images.file import DamagedError, PictureFile
from vlm_rewards.service.http.images.jpeg_scans import Scans
from vlm_rewards.service.http.images.orientation import exif_orientation

SIGNATURE = b"\xff\xd8\xff"

# Segments of one file; usual files have fewer than fifty.
_MOST_SEGMENTS = 4096

# Bytes searched for the next marker at a time: one search holds the interpreter, and other requests wait for it.
_WINDOW = 2**20

_SCAN, _END, _COMMENT, _NUMBER_OF_LINES = 0xDA, 0xD9, 0xFE, 0xDC
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive; all by Huffman
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xCC)
_TABLES = (0xC4, 0xDB, 0xDD)  # Huffman, quantization, restart interval
_RESTART_INTERVAL = 0xDD
_ALONE = (0x01, *range(0xD0, 0xD8))
_AFTER_DATA = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
# Of all bytes but 0xFF, which begins markers. Its first bit is 1: where pixels are missing, decoders go on with zeros.
_NOISE = bytes((181 + byte * 37) % 255 for byte in range(1024))
_PLAIN = "save it as a usual JPEG or PNG in RGB, such as Pillow's image.convert('RGB').save('image.png')"


def scan(data: bytes) -> PictureFile:
    """Read a JPEG's markers and keep the segments that decide its pixels.

    Of a file with several pictures, as MPO files of phones are, that is the first. Colour profiles are left out: values
    are read as sRGB.

    Args:
        data: Begins with `SIGNATURE`.

    Raises:
        DamagedError: Cut off, damaged, or of a kind whose colours or samples are not read here.
    """
    view = memoryview(data)
    kept: list[bytes | memoryview] = [data[:2]]
    kept_bytes = 2
    frame: bytes | None = None
    scans: Scans | None = None
    orientation = interval = 0
    pixels_ends: list[int] = []
    position = 2
    for _ in range(_MOST_SEGMENTS):
        start = position = data.find(b"\xff", position)
        while 0 <= position < len(data) and data[position] == 0xFF:
            start, position = position, position + 1
        if position < 0 or position >= len(data):
            break  # without its end marker: the decoder tells whether pixels are missing
        marker = data[position]
        position += 1
        if marker == _END:
            kept.append(b"\xff\xd9")
            break
        if marker == 0 or marker in _ALONE:
            continue
        length = int.from_bytes(view[position : position + 2], "big")
        end = position + length
        if length < 2 or end > len(data):
            raise DamagedError("it is cut off")
        body = view[position + 2 : end]
        if marker in _OTHER_FRAMES:
            raise DamagedError("it is a lossless, hierarchical or arithmetic-coded JPEG", _PLAIN)
        if marker in _FRAMES:
            if frame is not None:
                raise DamagedError("it has two headers")
            frame = bytes(body)
            if len(frame) < 6:
                raise DamagedError("its header is cut off")
            _check_kind(frame)
            scans = Scans(marker, frame)
        elif marker == _NUMBER_OF_LINES:
            raise DamagedError("its height comes after its pixels", _PLAIN)
        elif marker == 0xE1 and not orientation and bytes(body[:6]) == b"Exif\0\0":
            orientation = exif_orientation(bytes(body[6:]))
        elif marker == _RESTART_INTERVAL and len(body) == 2:
            interval = int.from_bytes(body, "big")
        elif marker == _SCAN:
            if scans is None:
                raise DamagedError("its pixels come before its header")
            begin, end = end, _end_of_pixels(data, end)
            scans.restart_interval = interval
            scans.add(bytes(body), data, begin, end)
            pixels_ends.append(kept_bytes + end - start)
        if marker in (*_FRAMES, *_TABLES, _SCAN) or _decides_colours(marker, body):
            kept.append(view[start:end])
            kept_bytes += end - start
        position = end
    else:
        raise DamagedError(f"it has more than {_MOST_SEGMENTS} segments", _PLAIN)
    if frame is None or scans is None or not scans.count:
        raise DamagedError("it has no pixels")
    scans.check_complete()
    height, width = struct.unpack(">HH", frame[1:5])
    return PictureFile(
        "JPEG", height, width, b"".join(kept), orientation or 1, scans.count, pixels_ends=tuple(pixels_ends)
    )


def with_more(file: PictureFile) -> bytes:
    """Return a file's data with noise where the pixels of each scan end.

    A decoder that has all pixels never looks at it; one that lacks some takes it for them.
    """
    parts, begin = [], 0
    for end in file.pixels_ends:
        parts += [file.data[begin:end], _NOISE]
        begin = end
    return b"".join([*parts, file.data[begin:]])


def _check_kind(frame: bytes) -> None:
    """Refuse samples and colours that are not read here."""
    bits, channels = frame[0], frame[5]
    if bits != 8:
        raise DamagedError(f"it has {bits} bits a sample", _PLAIN)
    if channels == 4:
        raise DamagedError("it is in CMYK, a printer's colours, which do not say how a screen shows them", _PLAIN)
    if channels not in (1, 3):
        raise DamagedError(f"it has {channels} channels", _PLAIN)


def _decides_colours(marker: int, body: memoryview) -> bool:
    """Tell JFIF's and Adobe's segments, by which decoders know how colours are stored."""
    return (marker == 0xE0 and bytes(body[:5]) == b"JFIF\0") or (marker == 0xEE and bytes(body[:5]) == b"Adobe")


def _end_of_pixels(data: bytes, position: int) -> int:
    """Return where the scan that begins at `position` ends: at the next marker."""
    while position < len(data):
        # One byte more than the step, so that a marker across two windows is seen.
        found = _AFTER_DATA.search(data, position, position + _WINDOW + 1)
        if found:
            return found.start()
        position += _WINDOW
    return len(data)
