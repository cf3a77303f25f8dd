"""Base64 and data URLs, to files."""

import binascii
import re

from vlm_rewards.service.http.errors import HttpError

# Characters decoded at a time, a multiple of four: one call holds the interpreter, and other requests wait for it.
_PIECE = 2**22

_FORMATS = {
    "image/png": "PNG",
    "image/x-png": "PNG",
    "image/apng": "PNG",
    "image/jpeg": "JPEG",
    "image/jpg": "JPEG",
    "image/pjpeg": "JPEG",
    "image/mpo": "JPEG",
    "": None,
    "application/octet-stream": None,
}
_DATA_URL = re.compile(r"data:([^;,\s]{0,100})((?:;[^;,]{1,200}){0,8}?)(;base64)?,", re.IGNORECASE)
_LONGEST_URL_HEAD = 2000
_ESCAPES = (("%2B", "+"), ("%2b", "+"), ("%2F", "/"), ("%2f", "/"), ("%3D", "="), ("%3d", "="))


def file_of(index: int, text: str) -> tuple[bytes, str | None]:
    """Decode one image's text.

    Args:
        index: Index of the image in its request.
        text: Base64, or a data URL of it with any parameters.

    Returns:
        The file, and the format that a data URL says it has; None where none does.

    Raises:
        HttpError: No base64, or a data URL of something else than PNG or JPEG.
    """
    declared = None
    if text[:5].lower() == "data:":
        url = _DATA_URL.match(text[:_LONGEST_URL_HEAD])
        if not url or not url[3]:
            raise HttpError(
                "invalid_frames",
                f"image {index} is a data URL without base64",
                "send it as data:image/png;base64,... or the base64 text alone",
            )
        kind = url[1].lower()
        if kind not in _FORMATS:
            raise HttpError("invalid_frames", f"image {index} is {url[1]!r}", "send image/png or image/jpeg")
        declared = _FORMATS[kind]
        text = text[url.end() :]
        if "%" in text:
            for escape, char in _ESCAPES:
                text = text.replace(escape, char)
    return _decoded(index, text), declared


def _decoded(index: int, text: str) -> bytes:
    try:
        if text.find("=", 0, -2) >= 0:
            raise ValueError("padding before its end")
        pieces = [
            binascii.a2b_base64(text[start : start + _PIECE], strict_mode=True) for start in range(0, len(text), _PIECE)
        ]
    except ValueError as error:  # binascii's own is one, and non-ASCII texts raise it
        raise HttpError(
            "invalid_frames",
            f"image {index} is no base64 ({error})",
            "encode the file's bytes as standard base64 on one line, without blanks",
        ) from error
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
