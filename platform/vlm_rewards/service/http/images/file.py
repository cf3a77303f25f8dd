"""What a file's bytes say of the picture in it, before any of it is decoded."""

from dataclasses import dataclass


class DamagedError(Exception):
    """A file that is none, or is cut, damaged or of a kind that is not read; the text says which.

    Attributes:
        fix: What the caller can do; empty where sending the whole file is all.
    """

    def __init__(self, reason: str, fix: str = "") -> None:
        """Say what is wrong and, where it is not obvious, what to do."""
        super().__init__(reason)
        self.fix = fix


@dataclass(frozen=True)
class PictureFile:
    """A file reduced to what decides its pixels.

    Attributes:
        form: `PNG` or `JPEG`.
        height: Height in pixels, as stored.
        width: Width in pixels, as stored.
        data: The file without anything else.
        orientation: Exif's, 1 to 8: how the stored picture is to be turned.
        scans: Passes over the picture that decoding takes; 1 unless it is a JPEG with several.
        bits: Bits of one sample.
        transparent: A PNG's tRNS chunk: one colour that is transparent, or the palette's alphas; None without one.
        pixels_ends: Where the pixels of each of a JPEG's scans end in `data`.
    """

    form: str
    height: int
    width: int
    data: bytes
    orientation: int = 1
    scans: int = 1
    bits: int = 8
    transparent: bytes | None = None
    pixels_ends: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, 3) as shown."""
        height, width = (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)
        return height, width, 3

    @property
    def decoding_bytes(self) -> int:
        """Memory that the decoder needs: four bytes a pixel, and all coefficients where there are several scans."""
        return self.height * self.width * (4 if self.scans == 1 else 10) + 2**20
