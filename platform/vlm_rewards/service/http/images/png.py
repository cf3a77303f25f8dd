"""PNG files, chunk by chunk."""

import struct
import zlib
from collections.abc import Callable, Iterator

from vlm_rewards.service.http.images.file import DamagedError, PictureFile
from vlm_rewards.service.http.images.orientation import exif_orientation

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Chunks of one file. 32 MiB in the 8 KiB pieces that libpng writes are 4,096.
_MOST_CHUNKS = 2**14
_LONGEST_EXIF = 2**16
_LONGEST_PALETTE = 3 * 256
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# (top, left, rows apart, columns apart) of each pass over an interlaced picture.
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
_PIECE = 2**20
# Transfer characteristics of ITU-T H.273: PQ and HLG.
_HDR = (16, 18)
_REQUIRED = (b"IHDR", b"PLTE", b"IDAT", b"IEND")


def scan(data: bytes) -> PictureFile:
    """Read a PNG's chunks and keep those that decide its pixels.

    Of an animation that is its still picture. gAMA, sRGB and iCCP are left out: values are read as sRGB.

    Args:
        data: Begins with `SIGNATURE`.

    Raises:
        DamagedError: Cut off, a checksum that is wrong, or no PNG that the standard describes.
    """
    view = memoryview(data)
    kept: list[bytes | memoryview] = [SIGNATURE]
    header: bytes | None = None
    transparent: bytes | None = None
    has_palette = has_pixels = False
    orientation = 1
    position = len(SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        if len(data) < position + 12:
            raise DamagedError("it is cut off")
        length = int.from_bytes(view[position : position + 4], "big")
        kind = bytes(view[position + 4 : position + 8])
        end = position + 12 + length
        if end > len(data):
            raise DamagedError("it is cut off")
        body = view[position + 8 : end - 4]
        wanted = kind in _REQUIRED or kind in (b"tRNS", b"eXIf")
        if (header is None) != (kind == b"IHDR"):
            raise DamagedError("it does not begin with its one header")
        if not wanted and not kind[:1].islower():
            raise DamagedError(f"it needs the chunk {kind!r}, which the PNG standard does not have", "save it as a PNG")
        if wanted and zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise DamagedError(f"the checksum of its chunk {kind.decode()} is wrong")
        if kind == b"IHDR":
            header = bytes(body)
        elif kind == b"PLTE":
            if has_palette or has_pixels or not length or length % 3 or length > _LONGEST_PALETTE:
                raise DamagedError("its palette is none")
            has_palette = True
        elif kind == b"tRNS" and not has_pixels:
            transparent = bytes(body[:256])
        elif kind == b"eXIf" and length <= _LONGEST_EXIF:
            orientation = exif_orientation(bytes(body))
        elif kind == b"cICP" and length == 4 and body[1] in _HDR:
            raise DamagedError("it is an HDR picture, whose values mean other colours", "save it as a PNG in sRGB")
        elif kind == b"IDAT":
            has_pixels = True
        if kind in _REQUIRED:
            kept.append(view[position:end])
        if kind == b"IEND":
            break
        position = end
    else:
        raise DamagedError(f"it has more than {_MOST_CHUNKS} chunks", "save it again with a usual PNG encoder")
    if header is None or len(header) != 13 or not has_pixels:
        raise DamagedError("it has no pixels")
    width, height, bits, colour, compression, filtering, interlaced = struct.unpack(">IIBBBBB", header)
    if compression or filtering or interlaced > 1:
        raise DamagedError("its header names a method that the PNG standard does not have")
    if transparent is not None and bits == 16 and colour == 2:
        raise DamagedError("it has 16 bits a colour and one transparent colour", "save it with an alpha channel")
    return PictureFile("PNG", height, width, b"".join(kept), orientation, 1, bits, transparent)


def has_all_rows(file: PictureFile, check: Callable[[], None]) -> bool:
    """Tell whether a PNG's compressed data hold all its rows. Pillow leaves black what is missing, and says nothing.

    Args:
        file: As `scan` gives it.
        check: Called now and then; whatever it raises ends this.
    """
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", file.data[16:29])
    needed = 0
    for top, left, down, right in _PASSES if interlaced else ((0, 0, 1, 1),):
        rows, columns = -(-(height - top) // down), -(-(width - left) // right)
        if rows > 0 and columns > 0:
            needed += rows * (1 + -(-columns * bits * _CHANNELS.get(colour, 4) // 8))
    inflate = zlib.decompressobj()
    for body in _pixel_chunks(file.data):
        rest: bytes | memoryview = body
        while len(rest) and needed > 0:
            check()
            needed -= len(inflate.decompress(rest, _PIECE))
            rest = inflate.unconsumed_tail
    return needed <= len(inflate.flush()) if needed > 0 else True


def _pixel_chunks(data: bytes) -> Iterator[memoryview]:
    view, position = memoryview(data), len(SIGNATURE)
    while position < len(data):
        end = position + 12 + int.from_bytes(view[position : position + 4], "big")
        if bytes(view[position + 4 : position + 8]) == b"IDAT":
            yield view[position + 8 : end - 4]
        position = end
