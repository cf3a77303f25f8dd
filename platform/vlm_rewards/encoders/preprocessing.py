"""From frames to the pixels a CLIP reads, for a whole batch at once."""

import functools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from transformers.image_processing_backends import PilBackend

from vlm_rewards.encoders.encoder import check_frames
from vlm_rewards.errors import CheckpointError

Weights = npt.NDArray[np.float64]


def _triangle(x: Weights) -> Weights:
    result: npt.NDArray[np.float64] = np.clip(1 - np.abs(x), 0, None)
    return result


def _cubic(x: Weights) -> Weights:
    # Keys' kernel with a = -0.5, which is Pillow's.
    x = np.abs(x)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))


def _lanczos(x: Weights) -> Weights:
    return np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


# By Pillow's number of the filter: its name, how far it reaches at scale 1, and the kernel.
_FILTERS: dict[int, tuple[str, float, Callable[[Weights], Weights]]] = {
    1: ("lanczos", 3.0, _lanczos),
    2: ("bilinear", 1.0, _triangle),
    3: ("bicubic", 2.0, _cubic),
}
# Weights are whole multiples of 1 / this, as Pillow's are. In float64 all sums of them are exact, in any order.
_FIXED_POINT = 2**22


@dataclass(frozen=True)
class ImagePreprocessing:
    """Resize, centre crop, rescale and normalise, as the checkpoint's own image processor does (within 2/255).

    Attributes:
        shortest_edge: Resize so that the shorter side has this many pixels, keeping the aspect; or None.
        size: Resize to exactly (height, width); or None. With `shortest_edge` None too, frames are not resized.
        resample: Pillow's number of the filter.
        crop: (height, width) cut from the middle after resizing, black where the image is smaller; or None.
        scale: Factor applied to pixel values of 0 to 255, such as 1 / 255.
        mean: Subtracted from each channel (RGB) after scaling; between 0 and 1 where `scale` is 1 / 255.
        std: Standard deviation that each channel is divided by after that, above 0.
    """

    shortest_edge: int | None
    size: tuple[int, int] | None
    resample: int
    crop: tuple[int, int] | None
    scale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def from_processor(cls, processor: Any) -> Self:
        """Read the settings of a transformers image processor.

        Raises:
            CheckpointError: The processor does something else than these steps.
        """
        name = type(processor).__name__
        plain = isinstance(processor, PilBackend) and type(processor)._preprocess is PilBackend._preprocess
        if not plain or getattr(processor, "do_pad", False):
            raise CheckpointError(
                f"image processor {name} is not supported; use a model that resizes, crops and scales"
            )
        size = processor.size if processor.do_resize else None
        shortest = size.shortest_edge if size else None
        sides = (shortest,) if shortest else (size.height, size.width) if size else ()
        if size and (size.longest_edge or not all(side and side > 0 for side in sides)):
            raise CheckpointError(f"image processor {name} has no fixed image size ({size}); use a model that has one")
        resample = int(processor.resample) if processor.resample is not None else 2
        if resample not in _FILTERS:
            known = ", ".join(entry[0] for entry in _FILTERS.values())
            raise CheckpointError(f"image processor {name} uses resampling filter {resample}; supported are {known}")
        crop = processor.crop_size if processor.do_center_crop else None
        if crop is None and (size is None or shortest):
            raise CheckpointError(
                f"image processor {name} neither crops nor resizes to a fixed size; use one that does"
            )
        return cls(
            shortest_edge=shortest,
            size=(size.height, size.width) if size and not shortest else None,
            resample=resample,
            crop=(crop.height, crop.width) if crop else None,
            scale=float(processor.rescale_factor) if processor.do_rescale else 1.0,
            mean=_three(processor.image_mean) if processor.do_normalize else (0.0, 0.0, 0.0),
            std=_three(processor.image_std) if processor.do_normalize else (1.0, 1.0, 1.0),
        )

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the pixels that come out."""
        size = self.crop or self.size
        assert size is not None  # one of them is set: see `from_processor`
        return size

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as JSON types."""
        return asdict(self)

    def resized(
        self, frames: npt.NDArray[np.uint8], device: torch.device | str = "cpu", exact: bool | None = None
    ) -> torch.Tensor:
        """Resize and crop. A frame's pixels do not depend on the frames beside it.

        Args:
            frames: uint8 (N, H, W, 3), any H and W. Memory stays in proportion to the input and output, also for
                frames of 20,000 by 1 pixels, since only what the crop keeps is computed.
            device: Torch device to work on.
            exact: Sum in float64, in which every sum of Pillow's weights is exact; None does so on GPUs.

        Returns:
            float32 (N, 3, *image_size), whole numbers in 0..255, stored channels last.
        """
        check_frames(frames)
        # Ray hands out read-only arrays, which torch cannot wrap.
        array = frames if frames.flags.writeable and frames.flags.c_contiguous else frames.copy(order="C")
        pixels = torch.from_numpy(array).to(device).permute(0, 3, 1, 2)
        in_height, in_width = frames.shape[1:3]
        height, width = self._resized_shape(in_height, in_width)
        crop_height, crop_width = self.crop or (height, width)
        across = _matrix(in_width, width, crop_width, self.resample)
        down = _matrix(in_height, height, crop_height, self.resample)
        # Pillow rounds to whole numbers after each axis, so the order of the two shows where the filter overshoots.
        # Pillow 13 (measured on 1,179 shapes, no exception) starts with the columns when they shrink by over twice as
        # many pixels as the rows, else with the rows.
        columns_first = in_height > height and in_height - height > 2 * (in_width - width)
        if across is None and down is None:
            return pixels.float().contiguous(memory_format=torch.channels_last)
        # Kernels sum in an order that depends on the shape. On a GPU float64 makes every sum exact; on a CPU, where it
        # takes twice as long, frames are resized one at a time instead, always in the same shape.
        exact = pixels.is_cuda if exact is None else exact
        dtype, step = (torch.float64, max(1, len(frames))) if exact else (torch.float32, 1)
        resized = torch.empty(
            (len(frames), 3, *self.image_size), device=pixels.device, memory_format=torch.channels_last
        )
        for i in range(0, len(frames), step):
            part = _resampled(pixels[i : i + step].to(dtype), across, down, columns_first)
            resized[i : i + step] = part
        return resized

    def __call__(self, frames: npt.NDArray[np.uint8], device: torch.device | str = "cpu") -> torch.Tensor:
        """Resize, crops, rescales and normalises.

        Args:
            frames: uint8 (N, H, W, 3), any H and W.
            device: Torch device to work on.

        Returns:
            float32 (N, 3, *image_size), stored channels last.

        Raises:
            InvalidFrameError: Frames of another dtype or shape.
        """
        scale, shift = (tensor.to(device).view(1, 3, 1, 1) for tensor in self.scale_and_shift())
        return self.resized(frames, device) * scale - shift

    def resized_frames(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Resize and crop on the CPU; frames that need neither are returned as they are.

        Args:
            frames: uint8 (N, H, W, 3), any H and W.

        Returns:
            uint8 (N, *image_size, 3).
        """
        height, width = check_frames(frames).shape[1:3]
        if (height, width) == self._resized_shape(height, width) == self.image_size:
            return frames
        return self.resized(frames).permute(0, 2, 3, 1).to(torch.uint8).numpy()

    def scale_and_shift(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return float32 (3,) and (3,): rescaling and normalisation as pixels * scale - shift."""
        std = torch.tensor(self.std)
        return self.scale / std, torch.tensor(self.mean) / std

    def _resized_shape(self, height: int, width: int) -> tuple[int, int]:
        if self.size:
            return self.size
        if self.shortest_edge is None:
            return height, width
        if height <= width:
            return self.shortest_edge, int(self.shortest_edge * width / height)
        return int(self.shortest_edge * height / width), self.shortest_edge


def _three(values: Any) -> tuple[float, float, float]:
    if np.ndim(values) == 0:
        return (float(values),) * 3
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _resampled(pixels: torch.Tensor, across: Weights | None, down: Weights | None, columns_first: bool) -> torch.Tensor:
    for axis in ("down", "across") if columns_first else ("across", "down"):
        if axis == "across" and across is not None:
            pixels = _rounded(pixels @ torch.from_numpy(across).to(pixels).T)
        elif axis == "down" and down is not None:
            pixels = _rounded(torch.from_numpy(down).to(pixels) @ pixels)
    return pixels


def _rounded(pixels: torch.Tensor) -> torch.Tensor:
    return torch.floor(pixels + 0.5).clamp_(0, 255)


@functools.lru_cache(maxsize=32)
def _matrix(in_size: int, out_size: int, crop: int, resample: int) -> Weights | None:
    """Return the weights float64 (crop, in_size) that resize one axis to `out_size` and cut `crop` from its middle.

    None stands for the identity. A row is zero (black) where the crop reaches beyond the resized image.
    """
    if in_size == out_size == crop:
        return None
    # As the reference processor pads: the image sits ceil'ed from the left when it is smaller than the crop.
    offset = (out_size - crop) // 2 if out_size >= crop else -math.ceil((crop - out_size) / 2)
    rows = np.arange(crop) + offset
    _, reach, kernel = _FILTERS[resample]
    scale = in_size / out_size
    stretch = max(scale, 1.0)
    centres = (rows + 0.5) * scale
    if in_size == out_size:
        weights = (np.arange(in_size)[None] == rows[:, None]).astype(np.float64)
    else:
        places = np.arange(in_size)[None]
        first = np.clip(np.trunc(centres - reach * stretch + 0.5), 0, None)[:, None]
        last = np.clip(np.trunc(centres + reach * stretch + 0.5), None, in_size)[:, None]
        weights = kernel((places - centres[:, None] + 0.5) / stretch)
        weights = np.where((places >= first) & (places < last), weights, 0.0)
    inside = (rows >= 0) & (rows < out_size)
    sums = weights.sum(axis=1, keepdims=True)
    weights = np.where(inside[:, None], weights / np.where(sums == 0, 1, sums), 0.0)
    result: npt.NDArray[np.float64] | None = np.rint(weights * _FIXED_POINT) / _FIXED_POINT
    return result
