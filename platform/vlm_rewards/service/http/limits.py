"""What one request, and all of them together, may ask for."""

from collections.abc import Iterable, Sequence

from pydantic import Field

from vlm_rewards.service.http.errors import HttpError
from vlm_rewards.service.schema import MAX_REQUEST_TEXTS
from vlm_rewards.strict_config import StrictConfig


class HttpLimits(StrictConfig):
    """Limits of the gateway; whatever is above one is refused before it costs anything.

    Attributes:
        max_body_bytes: Largest body of one request, bytes.
        max_images: Most images in one request.
        max_pixels_per_image: Height times width; checked before an image is decompressed.
        max_progressive_pixels: Height times width of a JPEG with several scans, whose decoder keeps all of it twice.
        max_pixel_passes: Height times width times scans of a JPEG; each scan is another pass over the image.
        max_pixels: Most pixels in all images of one request.
        min_side: Least height and width in pixels.
        max_side: Most height and width in pixels.
        max_goals: Most goals in one request that scores all images against all goals.
        max_scores: Images times goals of such a request.
        max_texts: Most texts in one request that embeds texts.
        max_text_chars: Most characters of a model's name, a goal or a text.
        max_json_values: Commas and brackets in a JSON body, which bound what it can become when it is parsed.
        max_header_bytes: Most bytes in all headers of one request.
        max_requests: Most requests at work at the same time; more are refused with 503.
        max_bytes: Most bytes of bodies and decoded images held at the same time; more are refused with 503.
        body_timeout_s: Seconds in which a body must have come in.
        timeout_s: Seconds for an answer; a caller may ask for less with the header X-Timeout-S.
    """

    max_body_bytes: int = Field(default=32 * 2**20, ge=1)
    max_images: int = Field(default=1024, ge=1)
    max_pixels_per_image: int = Field(default=2**24, ge=1)
    max_progressive_pixels: int = Field(default=2**22, ge=1)
    max_pixel_passes: int = Field(default=2**27, ge=1)
    max_pixels: int = Field(default=2**25, ge=1)
    min_side: int = Field(default=4, ge=1)
    max_side: int = Field(default=8192, ge=1)
    max_goals: int = Field(default=1000, ge=1)
    max_scores: int = Field(default=2**16, ge=1)
    max_texts: int = Field(default=MAX_REQUEST_TEXTS, ge=1, le=MAX_REQUEST_TEXTS)
    max_text_chars: int = Field(default=500, ge=1)
    max_json_values: int = Field(default=2**18, ge=1)
    max_header_bytes: int = Field(default=2**15, ge=1)
    max_requests: int = Field(default=64, ge=1)
    max_bytes: int = Field(default=512 * 2**20, ge=1)
    body_timeout_s: float = Field(default=30.0, gt=0)
    timeout_s: float = Field(default=30.0, gt=0)

    def check_sizes(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Refuse images before any of them is decompressed.

        Args:
            sizes: (height, width) of each in pixels.

        Raises:
            HttpError: Too many, too large or too small.
        """
        if len(sizes) > self.max_images:
            raise HttpError("too_large", f"{len(sizes)} images; one request may hold {self.max_images}")
        total = 0
        for index, (height, width) in enumerate(sizes):
            where = f"image {index} is {height} x {width} pixels"
            if min(height, width) < self.min_side:
                raise HttpError(
                    "invalid_frames", f"{where}; too small to show a goal", f"send at least {self.min_side} a side"
                )
            if max(height, width) > self.max_side or height * width > self.max_pixels_per_image:
                raise HttpError(
                    "too_large",
                    where,
                    f"scale it down to {self.max_side} a side and {self.max_pixels_per_image} pixels at most; "
                    "GET /v1/models has the size that the model reads",
                )
            total += height * width
        if total > self.max_pixels:
            raise HttpError("too_large", f"{total} pixels; the images of one request may have {self.max_pixels}")

    def check_scans(self, index: int, height: int, width: int, scans: int) -> None:
        """Refuse a JPEG whose scans would take too much memory or time.

        Args:
            index: Index of the image.
            height: Height in pixels.
            width: Width in pixels.
            scans: 1 unless it is progressive, or its colours are stored one after another.

        Raises:
            HttpError: They would.
        """
        pixels = height * width
        if scans > 1 and (pixels > self.max_progressive_pixels or pixels * scans > self.max_pixel_passes):
            raise HttpError(
                "too_large",
                f"image {index} is a JPEG of {height} x {width} pixels in {scans} scans",
                f"save it as a baseline JPEG, or as one of at most {self.max_progressive_pixels} pixels and "
                f"{max(1, self.max_pixel_passes // max(1, pixels))} scans",
            )

    def check_texts(self, what: str, texts: Iterable[str]) -> None:
        """Refuse texts that are empty or too long.

        Raises:
            HttpError: One of them is.
        """
        for text in texts:
            if not text.strip():
                raise HttpError("invalid_request", f"{what} is empty", f"name a {what} of GET /v1/models")
            if len(text) > self.max_text_chars:
                raise HttpError(
                    "invalid_request", f"{what} of {len(text)} characters", f"use at most {self.max_text_chars}"
                )

    def check_grid(self, images: int, goals: int) -> None:
        """Refuse more goals, or more scores, than one request may ask for.

        Raises:
            HttpError: It does.
        """
        if goals > self.max_goals:
            raise HttpError("too_large", f"{goals} goals", f"send at most {self.max_goals} in one request")
        if images * goals > self.max_scores:
            raise HttpError(
                "too_large",
                f"{images} images for {goals} goals are {images * goals} scores",
                f"send fewer images or goals at a time: at most {self.max_scores} scores",
            )
