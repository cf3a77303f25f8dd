"""What the scans of a JPEG must hold together: where one lacks something, decoders make it up and say nothing."""

import re
import struct

from vlm_rewards.service.http.images.file import DamagedError

_PROGRESSIVE = 0xC2
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_COEFFICIENTS = 64


class Scans:
    """Follows the scans of one picture.

    Attributes:
        count: Scans so far.
        restart_interval: Units between two restart markers, 0 for none; as the file's newest table has it.
    """

    def __init__(self, marker: int, frame: bytes) -> None:
        """Read the header.

        Args:
            marker: That of the header.
            frame: Its body.

        Raises:
            DamagedError: It is cut off, or contradicts itself.
        """
        self.count = 0
        self.restart_interval = 0
        self._progressive = marker == _PROGRESSIVE
        _, self._height, self._width, channels = struct.unpack(">BHHB", frame[:6])
        if len(frame) != 6 + 3 * channels:
            raise DamagedError("its header is cut off")
        self._sampling = {}
        for number, sampling, _ in (frame[at : at + 3] for at in range(6, len(frame), 3)):
            self._sampling[number] = (max(1, sampling >> 4), max(1, sampling & 15))
        # Of each channel's coefficients, how many of their lowest bits are still to come; None for all of them.
        self._missing: dict[int, list[int | None]] = {number: [None] * _COEFFICIENTS for number in self._sampling}

    def add(self, header: bytes, data: bytes, begin: int, end: int) -> None:
        """Take a scan.

        Args:
            header: Body of its marker.
            data: The file.
            begin: Where its pixels begin in the file.
            end: Where they end.

        Raises:
            DamagedError: Restart markers are missing, and what is between them.
        """
        self.count += 1
        channels = list(header[1 : 1 + 2 * header[0] : 2]) if header else []
        if len(header) != 4 + 2 * len(channels) or not channels or not set(channels) <= set(self._sampling):
            raise DamagedError("a scan of it is none")
        first, last, bits = header[-3:]
        for channel in channels:
            wanted = range(first, min(last + 1, _COEFFICIENTS)) if self._progressive else range(_COEFFICIENTS)
            for coefficient in wanted:
                self._missing[channel][coefficient] = bits & 15 if self._progressive else 0
        if self.restart_interval:
            self._check_restarts(-(-self._units(channels) // self.restart_interval) - 1, data, begin, end)

    def check_complete(self) -> None:
        """Make sure that all of the picture has come.

        Raises:
            DamagedError: It has not.
        """
        if any(bits != 0 for missing in self._missing.values() for bits in missing):
            raise DamagedError("its last scans are missing")

    def _units(self, channels: list[int]) -> int:
        """Return how many units a scan has: blocks of one channel, or groups of blocks of several."""
        across = max(horizontal for horizontal, _ in self._sampling.values())
        down = max(vertical for _, vertical in self._sampling.values())
        width, height = self._width, self._height
        if len(channels) == 1:
            horizontal, vertical = self._sampling[channels[0]]
            width, height = -(-width * horizontal // across), -(-height * vertical // down)
            across = down = 1
        columns, rows = -(-width // (8 * across)), -(-height // (8 * down))
        return int(columns * rows)

    def _check_restarts(self, expected: int, data: bytes, begin: int, end: int) -> None:
        found = 0
        for found, marker in enumerate(_RESTART.finditer(data, begin, end), 1):
            if found > expected or data[marker.start() + 1] != 0xD0 + (found - 1) % 8:
                raise DamagedError("parts of its pixels are missing")
        if found != expected:
            raise DamagedError("parts of its pixels are missing")
