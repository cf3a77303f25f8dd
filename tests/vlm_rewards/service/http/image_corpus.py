"""Picture files of every kind that callers send, each with the pixels that it shows or the reason for its refusal.

What a file shows is worked out from the samples that went into it, as the PNG and Exif standards say, and not by the
code under test.
"""

import base64
import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, ImageOps

from tests.vlm_rewards.service.http.requests_for_tests import chunk

HEIGHT, WIDTH = 12, 20
RNG = np.random.default_rng(5)
GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}


@dataclass(frozen=True)
class Case:
    """A file with what is to come of it.

    Attributes:
        data: the file, or a whole text where it begins with `data:`.
        shows: uint8 (H, W, 3); None where it is refused.
        within: most difference of one value.
        says: part of the refusal.
    """

    data: bytes | str
    shows: np.ndarray | None = None
    within: int = 0
    says: str = ""

    @property
    def text(self):
        return self.data if isinstance(self.data, str) else base64.b64encode(self.data).decode()


def packed(rows, bits):
    """Rows of samples (h, n) as PNG stores them, each after its filter type 0."""
    if bits == 16:
        lines = [row.astype(">u2").tobytes() for row in rows]
    elif bits == 8:
        lines = [row.astype(np.uint8).tobytes() for row in rows]
    else:
        digits = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        lines = [np.packbits(row.reshape(-1).astype(np.uint8)).tobytes() for row in digits]
    return b"".join(b"\0" + line for line in lines)


def encoded(samples, bits, colour, *chunks, interlaced=False):
    """A PNG of samples (H, W, C), written chunk by chunk; `chunks` come between the header and the pixels."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, int(interlaced))
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    data = b""
    for top, left, down, right in passes:
        part = samples[top::down, left::right]
        if part.size:
            data += packed(part.reshape(len(part), -1), bits)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def shown(samples, bits, colour):
    """What samples (H, W, C) show: scaled by value, over white."""
    value = samples.astype(np.float64) / (2**bits - 1)
    if colour in (GREY_ALPHA, COLOUR_ALPHA):
        value = value[..., :-1] * value[..., -1:] + (1 - value[..., -1:])
    return np.round(np.broadcast_to(value, (*value.shape[:2], 3)) * 255).astype(np.uint8)


def samples_of(bits, colour):
    return RNG.integers(0, 2**bits, (HEIGHT, WIDTH, CHANNELS[colour]), dtype=np.int64)


def exif(orientation, order="<"):
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(order + "IHHHIHH", 8, 1, 0x0112, 3, 1, orientation, 0) + bytes(4)


def picture():
    """A smooth picture of which every corner differs, so that JPEG keeps it and turning it shows."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 12, y * 20, 255 - x * 6 - y * 10], axis=-1).astype(np.uint8)


def saved(image, form="JPEG", **options):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def jpeg(orientation=None, order="<", frame=None, **options):
    options = {"quality": 95, "subsampling": 0, **options}
    if orientation is not None:
        options["exif"] = b"Exif\0\0" + exif(orientation, order)
    return saved(picture() if frame is None else frame, **options)


def large():
    """Enough blocks that half of them can be missing."""
    return np.tile(picture(), (6, 6, 1))


def turned(frame, orientation):
    """As Pillow's own tool turns it."""
    image = Image.fromarray(frame)
    image.getexif()[0x0112] = orientation
    return np.array(ImageOps.exif_transpose(image))


def replaced(data, old, new):
    assert old in data
    return data.replace(old, new, 1)


def plain_pngs():
    for colour, depths in {
        GREY: (1, 2, 4, 8, 16),
        COLOUR: (8, 16),
        GREY_ALPHA: (8, 16),
        COLOUR_ALPHA: (8, 16),
    }.items():
        for bits in depths:
            samples = samples_of(bits, colour)
            case = shown(samples, bits, colour), 2 if bits == 16 and colour >= GREY_ALPHA else int(bits == 16)
            yield f"png colour {colour}, {bits} bits", Case(encoded(samples, bits, colour), *case)
            yield (
                f"png colour {colour}, {bits} bits, interlaced",
                Case(encoded(samples, bits, colour, interlaced=True), *case),
            )


def palette_pngs():
    for bits in (1, 2, 4, 8):
        colours = RNG.integers(0, 256, (2**bits, 3), dtype=np.uint8)
        samples = samples_of(bits, PALETTE)
        table = chunk(b"PLTE", colours.tobytes())
        frame = colours[samples[..., 0]]
        yield f"png palette, {bits} bits", Case(encoded(samples, bits, PALETTE, table), frame)
        alphas = RNG.integers(0, 256, 2**bits - 1, dtype=np.uint8)  # the last colour is opaque, as it has none
        alpha = np.append(alphas, 255)[samples[..., 0]][..., None] / 255
        yield (
            f"png palette with alphas, {bits} bits",
            Case(
                encoded(samples, bits, PALETTE, table, chunk(b"tRNS", alphas.tobytes())),
                np.round(frame * alpha + 255 * (1 - alpha)).astype(np.uint8),
                1,
            ),
        )
    short = chunk(b"PLTE", bytes(range(9)))
    samples = samples_of(8, PALETTE) % 3
    samples[5, 5] = 7
    yield "png index beyond the palette", Case(encoded(samples, 8, PALETTE, short), says="palette")
    yield "png palette missing", Case(encoded(samples, 8, PALETTE), says="palette")
    yield (
        "png palette of a third of a colour",
        Case(encoded(samples, 8, PALETTE, chunk(b"PLTE", bytes(4))), says="palette"),
    )


def pngs_with_a_transparent_colour():
    for bits in (1, 2, 4, 8, 16):
        samples = samples_of(bits, GREY) // 3 * 3 if bits > 2 else samples_of(bits, GREY)
        key = int(samples[3, 4, 0])
        frame = shown(samples, bits, GREY)
        frame[samples[..., 0] == key] = 255
        data = encoded(samples, bits, GREY, chunk(b"tRNS", struct.pack(">H", key)))
        yield f"png transparent grey, {bits} bits", Case(data, frame, int(bits == 16))
    samples = samples_of(8, COLOUR) // 128 * 128
    key = samples[3, 4]
    frame = samples.astype(np.uint8)
    frame[(samples == key).all(axis=-1)] = 255
    yield "png transparent colour", Case(encoded(samples, 8, COLOUR, chunk(b"tRNS", struct.pack(">3H", *key))), frame)
    deep = encoded(samples_of(16, COLOUR), 16, COLOUR, chunk(b"tRNS", bytes(6)))
    yield "png transparent colour, 16 bits", Case(deep, says="alpha channel")


def turned_files():
    frame = picture()
    for orientation in range(1, 9):
        for order in "<>":
            name = f"orientation {orientation}{order}"
            shows = turned(frame, orientation)
            png = encoded(frame, 8, COLOUR, chunk(b"eXIf", exif(orientation, order)))
            yield f"png {name}", Case(png, shows)
            yield f"jpeg {name}", Case(jpeg(orientation, order), shows, 12)
    for what, tag in {
        "0": exif(0),
        "9": exif(9),
        "of no type": replaced(exif(6), struct.pack("<H", 0x0112) + b"\3", struct.pack("<H", 0x0112) + b"\7"),
        "beyond the end": exif(6)[:12],
        "without a header": b"no tiff" + bytes(40),
        "in a directory far away": b"II*\0\xff\xff\xff\xff" + bytes(20),
    }.items():
        yield f"png orientation {what}", Case(encoded(frame, 8, COLOUR, chunk(b"eXIf", tag)), frame)


def jpegs():
    frame = picture()
    grey = np.array(Image.fromarray(frame).convert("L"))
    yield "jpeg grey", Case(jpeg(frame=grey), np.repeat(grey[..., None], 3, axis=-1), 12)
    yield "jpeg progressive", Case(jpeg(progressive=True), frame, 12)
    yield "jpeg half the colour", Case(jpeg(subsampling=2), frame, 60)
    yield "jpeg stored as RGB", Case(saved(frame, keep_rgb=True, quality=95, subsampling=0), frame, 12)
    yield "jpeg with restarts", Case(jpeg(restart_marker_rows=1), frame, 12)
    yield "jpeg with text after it", Case(jpeg() + b"trailing" * 100, frame, 12)
    yield "jpeg with a comment", Case(jpeg(comment=b"hello"), frame, 12)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    yield "jpeg with a colour profile", Case(jpeg(icc_profile=profile), frame, 12)
    damaged = replaced(jpeg(icc_profile=profile), profile[:64], bytes(64))
    yield "jpeg with a damaged colour profile", Case(damaged, frame, 12)
    second = Image.fromarray(255 - frame)
    yield (
        "jpeg of several pictures, MPO",
        Case(saved(frame, "MPO", save_all=True, append_images=[second], quality=95, subsampling=0), frame, 12),
    )
    yield "jpeg in CMYK", Case(saved(Image.fromarray(frame).convert("CMYK")), says="convert('RGB')")
    plain = jpeg()
    for name, old, new in (
        ("lossless", b"\xff\xc0", b"\xff\xc3"),
        ("arithmetic-coded", b"\xff\xc0", b"\xff\xc9"),
        ("hierarchical", b"\xff\xc0", b"\xff\xc5"),
        ("of 12 bits", b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"),
    ):
        yield f"jpeg {name}", Case(replaced(plain, old, new), says="convert('RGB')")
    yield "jpeg cut", Case(plain[: len(plain) * 2 // 3], says="whole file")
    # Closed all the same, as by tools that mend files: decoders paint what is missing grey, and say nothing.
    end = b"\xff\xd9"
    many = {"grey": np.array(Image.fromarray(large()).convert("L")), "colour": large()}
    for name, frame_of_many in many.items():
        for options in ({}, {"subsampling": 2}, {"optimize": True}):
            whole = jpeg(frame=frame_of_many, **options)
            cut = whole[: whole.index(b"\xff\xda") + (len(whole) - whole.index(b"\xff\xda")) // 2]
            yield f"jpeg {name}, {options}, cut and closed", Case(cut + end, says="pixels are missing")
    for options in ({}, {"progressive": True}, {"subsampling": 2}):
        whole = jpeg(**options)[:-2]
        for bytes_missing in (2, 4, 8, 12):
            cut = whole[:-bytes_missing] + end
            yield f"jpeg {options}, {bytes_missing} bytes short and closed", Case(cut, says="are missing")
    parts = jpeg(restart_marker_rows=1)
    marks = [at for at in range(len(parts) - 1) if parts[at] == 0xFF and 0xD0 <= parts[at + 1] <= 0xD7]
    yield "jpeg with restarts, cut and closed", Case(parts[: marks[0]] + end, says="pixels are missing")
    several = jpeg(restart_marker_rows=1, frame=large())
    marks = [at for at in range(len(several) - 1) if several[at] == 0xFF and 0xD0 <= several[at + 1] <= 0xD7]
    yield "jpeg with a part missing", Case(several[: marks[1]] + several[marks[2] :], says="pixels are missing")
    scans = jpeg(progressive=True)
    starts = [at for at in range(len(scans)) if scans[at : at + 2] == b"\xff\xda"]
    for count in (1, len(starts) // 2, len(starts) - 1):
        yield f"jpeg progressive, {count} scans alone", Case(scans[: starts[count]] + end, says="scans are missing")
    flat = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    for name, options in (
        ("plain", {}),
        ("progressive", {"progressive": True}),
        ("with restarts", {"restart_marker_rows": 1}),
    ):
        yield f"jpeg of one colour, {name}", Case(jpeg(frame=flat, **options), flat, 12)
    yield "jpeg without pixels", Case(plain[: plain.index(b"\xff\xda")], says="no pixels")
    size = struct.pack(">HH", HEIGHT, WIDTH)
    yield "jpeg without height", Case(replaced(plain, size, struct.pack(">HH", 0, WIDTH)), says="at least 4")
    header = plain[plain.index(b"\xff\xc0") : plain.index(b"\xff\xc4")]
    yield "jpeg with two headers", Case(replaced(plain, header, header + header), says="two headers")


def pngs_with_more_than_pixels():
    frame = picture()
    for kind, body in {
        b"gAMA": struct.pack(">I", 100_000),
        b"sRGB": b"\0",
        b"cHRM": bytes(32),
        b"iCCP": b"p\0\0" + zlib.compress(b"no profile"),
        b"tEXt": b"Title\0hello",
        b"zTXt": b"Raw profile type exif\0\0" + zlib.compress(b"no exif"),
        b"bKGD": bytes(6),
        b"cICP": bytes([1, 13, 0, 1]),
        b"prVt": bytes(10),
    }.items():
        yield f"png with {kind.decode()}", Case(encoded(frame, 8, COLOUR, chunk(kind, body)), frame)
    still, moving = Image.fromarray(frame), Image.fromarray(255 - frame)
    animation = saved(still, "PNG", save_all=True, append_images=[moving], duration=100)
    yield "png animated", Case(animation, frame)
    plain = encoded(frame, 8, COLOUR)
    yield "png with text after it", Case(plain + b"trailing" * 100, frame)
    yield (
        "png in pieces",
        Case(saved(np.tile(frame, (40, 40, 1)), "PNG", compress_level=0), np.tile(frame, (40, 40, 1))),
    )


def damaged_pngs():
    plain = encoded(picture(), 8, COLOUR)
    at = plain.index(b"IDAT") + 20
    flipped = plain[:at] + bytes([plain[at] ^ 1]) + plain[at + 1 :]
    yield "png with a flipped bit", Case(flipped, says="checksum")
    yield "png cut", Case(plain[: at + 3], says="whole file")
    yield "png without its end", Case(plain[:-12], says="whole file")
    yield "png without pixels", Case(plain[:33] + plain[-12:], says="no pixels")
    yield "png with two headers", Case(plain[:33] + plain[8:], says="one header")
    yield "png of an iPhone's own kind", Case(plain[:8] + chunk(b"CgBI", bytes(4)) + plain[8:], says="header")
    yield "png with an unknown need", Case(plain[:33] + chunk(b"ABCD", b"") + plain[33:], says="ABCD")
    half = zlib.compress(packed(picture().reshape(HEIGHT, -1)[:5], 8))
    short = plain[:33] + chunk(b"IDAT", half) + plain[-12:]
    yield "png with half its rows", Case(short, says="rows of it are missing")
    for bits, colour in ((8, GREY), (1, GREY), (16, COLOUR_ALPHA)):
        whole = encoded(samples_of(bits, colour) | 1, bits, colour, interlaced=True)
        length = int.from_bytes(whole[33:37], "big")
        rows = zlib.decompress(whole[41 : 41 + length])
        for cut in (1, len(rows) // 2):
            short = whole[:33] + chunk(b"IDAT", zlib.compress(rows[:-cut])) + plain[-12:]
            yield f"png interlaced, {bits} bits, {cut} bytes short", Case(short, says="cannot be decoded")
    night = np.zeros((HEIGHT, WIDTH, 3), np.int64)
    yield "png all black", Case(encoded(night, 8, COLOUR), night.astype(np.uint8))
    yield "png all black, interlaced", Case(encoded(night, 8, COLOUR, interlaced=True), night.astype(np.uint8))
    for curve in (16, 18):  # PQ and HLG
        hdr = encoded(picture(), 8, COLOUR, chunk(b"cICP", bytes([9, curve, 0, 1])))
        yield f"png of HDR, {curve}", Case(hdr, says="in sRGB")
    for at, method in ((26, "compression"), (27, "filter"), (28, "interlace")):
        strange = bytearray(plain)
        strange[at] = 2
        strange[29:33] = struct.pack(">I", zlib.crc32(strange[12:29]))
        yield f"png of another {method}", Case(bytes(strange), says="standard does not have")
    yield "png of 3 bits", Case(encoded(samples_of(4, GREY), 3, GREY), says="cannot be decoded")
    yield "png of colour 5", Case(encoded(picture(), 8, 5), says="cannot be decoded")


def other_formats():
    for form in ("GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO", "JPEG2000", "AVIF"):
        try:
            data = saved(picture(), form)
        except (KeyError, OSError):  # this build of Pillow cannot write it
            continue
        yield form.lower(), Case(data, says="PNG or JPEG")
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    yield "heic", Case(heic, says="PNG or JPEG")
    yield "svg", Case(b"<svg xmlns='http://www.w3.org/2000/svg'/>", says="PNG or JPEG")
    yield "pdf", Case(b"%PDF-1.7\n" + bytes(100), says="PNG or JPEG")


def texts():
    frame = picture()
    png = base64.b64encode(encoded(frame, 8, COLOUR)).decode()
    jpg = base64.b64encode(jpeg()).decode()
    for head in (
        "data:image/png;base64,",
        "DATA:IMAGE/PNG;BASE64,",
        "data:image/png;charset=utf-8;base64,",
        "data:image/png;name=a%20file.png;charset=utf-8;base64,",
        "data:;base64,",
        "data:application/octet-stream;base64,",
        "data:image/x-png;base64,",
    ):
        yield f"text {head}", Case(head + png, frame)
    for head in (
        "data:image/jpeg;base64,",
        "data:image/jpg;base64,",
        "data:image/mpo;base64,",
        "Data:image/pjpeg;base64,",
    ):
        yield f"text {head}", Case(head + jpg, frame, 12)
    escaped = png.replace("+", "%2B").replace("/", "%2f").replace("=", "%3D")
    yield "text with escapes", Case("data:image/png;base64," + escaped, frame)
    yield "text of another format", Case("data:image/webp;base64," + png, says="send image/png")
    yield "text without base64", Case("data:image/png,%89PNG", says="data:image/png;base64,")
    yield "text without a comma", Case("data:image/png;base64" + png, says="data:image/png;base64,")
    yield "text that says another", Case("data:image/jpeg;base64," + png, says="label it")
    yield "text with line ends", Case("data:image/png;base64," + png[:40] + "\n" + png[40:], says="one line")
    yield "text in base64url", Case("data:image/png;base64," + png[:-8] + "-_" + png[-6:], says="standard base64")
    yield "text cut in a group", Case("data:image/png;base64," + png[:-3], says="base64")
    yield "text with padding inside", Case("data:image/png;base64," + png[:8] + "AA==" + png[8:], says="base64")


def corpus():
    """All cases by name."""
    makers = (
        plain_pngs,
        palette_pngs,
        pngs_with_a_transparent_colour,
        turned_files,
        jpegs,
        pngs_with_more_than_pixels,
        damaged_pngs,
        other_formats,
        texts,
    )
    return {name: case for make in makers for name, case in make()}
