"""Measures a GPU's image encoders: eager, compiled with CUDA graphs, and FP8, against what its matrix units reach.

scripts/gpu_check.sh                                  # a bare machine with a GPU: environment, table, one iteration
python -m benchmarks.gpu_check --output gpu.md        # the table alone
python -m benchmarks.gpu_check --device cpu           # a dry run: the same path with a small tower, no numbers of use

Weights are random: speed does not depend on them, and no network is needed. Agreement with fp32 is that of the
embeddings of random pictures, and of the order of a picture's scores over prompts that are random as well.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from benchmarks.encoder_rows import matmul, rates
from vlm_rewards.encoders.known_models import KNOWN_MODELS, KnownModel
from vlm_rewards.encoders.model_table import known_cost

MODELS = ("vit-b32", "vit-b16", "vit-l14", "vit-h14", "vit-bigg14")
BATCHES = (8, 32, 64, 128, 256)
SMALL = KnownModel(
    name="small",
    source="none",
    kind="clip",
    vision={
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "image_size": 32,
        "patch_size": 8,
    },
    dim=32,
)
PROMPTS = 64
MATMUL = 8192
COLUMNS = (
    "model",
    "how",
    "batch",
    "images/s",
    "TFLOP/s",
    "share of a matmul's",
    "least cosine with fp32",
    "same best prompt",
)

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
Embed = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Measured:
    """One cell of the table.

    Attributes:
        model: Short name.
        how: Precision and way of running.
        batch: Images a call.
        images_per_s: From uint8 pixels in pinned memory to embeddings on the host, copies overlapped.
        tflops: That, times the tower's arithmetic.
        share: Of what a bf16 matrix product reaches on the same device.
        cosine: Least cosine between an embedding and fp32's.
        same_best: Share of the pictures whose best prompt is fp32's.
        failed: Why there are no numbers; empty where there are.
    """

    model: str
    how: str
    batch: int
    images_per_s: float = 0.0
    tflops: float = 0.0
    share: float = 0.0
    cosine: float = 0.0
    same_best: float = 0.0
    failed: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the row of the table."""
        if self.failed:
            return (self.model, self.how, str(self.batch), f"not measured: {self.failed}", "", "", "", "")
        numbers = f"{self.images_per_s:,.0f}", f"{self.tflops:.1f}", f"{self.share:.2f}", f"{self.cosine:.4f}"
        return (self.model, self.how, str(self.batch), *numbers, f"{self.same_best:.3f}")


class Float8Linear(torch.nn.Module):
    """A linear layer in FP8 (e4m3), weights scaled by tensor and activations by call; sums in fp32, returns bf16."""

    def __init__(self, linear: torch.nn.Linear) -> None:
        """Quantise a layer's weights."""
        super().__init__()
        self.weight, self.weight_scale = self._quantised(linear.weight.detach())
        self.bias = None if linear.bias is None else linear.bias.detach().to(torch.bfloat16)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Multiply (..., in) by the weights; returns (..., out), bfloat16."""
        flat = inputs.reshape(-1, inputs.shape[-1])
        quantised, scale = self._quantised(flat)
        product = torch._scaled_mm(
            quantised,
            self.weight.t(),
            scale_a=scale,
            scale_b=self.weight_scale,
            bias=self.bias,
            out_dtype=torch.bfloat16,
        )
        return product.reshape(*inputs.shape[:-1], -1)

    @staticmethod
    def _quantised(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale = values.abs().amax().float().clamp(min=1e-12) / torch.finfo(torch.float8_e4m3fn).max
        return (values / scale).to(torch.float8_e4m3fn), scale


def tower(known: KnownModel, device: torch.device) -> Any:
    """Build an image tower with random weights, in fp32, in evaluation mode."""
    torch.manual_seed(0)
    config = CLIPVisionConfig(**known.vision, projection_dim=known.dim)
    with device:
        return CLIPVisionModelWithProjection(config).eval()


def preprocessed(pixels: torch.Tensor) -> torch.Tensor:
    """Bring uint8 (N, H, W, 3) on the device to CLIP's range, float32 (N, 3, H, W): also that is the GPU's work."""
    return (pixels.permute(0, 3, 1, 2).float() / 255 - 0.45) / 0.27


def ways(known: KnownModel, device: torch.device) -> Iterator[tuple[str, Callable[[], Embed]]]:
    """Give the ways of running a tower, each as what builds it."""

    def embed_with(model: Any, dtype: torch.dtype) -> Embed:
        return lambda pixels: model(pixel_values=preprocessed(pixels).to(dtype)).image_embeds

    def eager(dtype: torch.dtype) -> Embed:
        return embed_with(tower(known, device).to(dtype), dtype)

    def compiled() -> Embed:
        return torch.compile(eager(torch.bfloat16), mode="reduce-overhead", dynamic=False)

    def float8() -> Embed:
        model = tower(known, device).to(torch.bfloat16)
        for layer in model.vision_model.encoder.layers:
            for parent in (layer.mlp, layer.self_attn):
                for name, child in list(parent.named_children()):
                    if isinstance(child, torch.nn.Linear):
                        setattr(parent, name, Float8Linear(child))
        return torch.compile(embed_with(model, torch.bfloat16), mode="reduce-overhead", dynamic=False)

    yield "fp32, eager", lambda: eager(torch.float32)
    yield "bf16, eager", lambda: eager(torch.bfloat16)
    if device.type == "cuda":
        yield "bf16, compiled, CUDA graphs", compiled
        yield "fp8, compiled, CUDA graphs", float8


def images_a_second(embed: Embed, batch: torch.Tensor, device: torch.device, seconds: float) -> float:
    """Measure the way from pinned host memory and back.

    Args:
        embed: Pixels on the device to embeddings on it.
        batch: uint8 (N, H, W, 3) on the host.
        device: Where it runs.
        seconds: To go on for, after what is compiled has been.

    Returns:
        Images a second. On a GPU the next batch is copied while one is computed.
    """
    for _ in range(3):
        embed(batch.to(device)).cpu()
    copies = torch.cuda.Stream(device) if device.type == "cuda" else None
    calls, begun = 0, time.perf_counter()
    ahead = batch.to(device, non_blocking=True)
    while (spent := time.perf_counter() - begun) < seconds:
        now = ahead
        if copies is None:
            ahead = batch.to(device)
        else:
            with torch.cuda.stream(copies):
                ahead = batch.to(device, non_blocking=True)
        embed(now).to("cpu")
        if copies is not None:
            torch.cuda.current_stream(device).wait_stream(copies)
        calls += 1
    return calls * len(batch) / spent


@torch.inference_mode()
def measure(
    known: KnownModel, batches: tuple[int, ...], device: torch.device, peak: float, seconds: float
) -> Iterator[Measured]:
    """Measure a tower in all ways and batches; what a device or library lacks is said in its row."""
    cost = known_cost(known)
    pixels = torch.randint(0, 256, (max(batches), *cost.image_size, 3), dtype=torch.uint8)
    pixels = pixels.pin_memory() if device.type == "cuda" else pixels
    sample = pixels[: min(batches)]
    reference: torch.Tensor | None = None
    prompts = functional.normalize(torch.randn(PROMPTS, known.dim, generator=torch.Generator().manual_seed(0)), dim=-1)
    for how, build in ways(known, device):
        try:
            embed = build()
            found = functional.normalize(embed(sample.to(device)).float().cpu(), dim=-1)
        except (RuntimeError, NotImplementedError, ImportError, AttributeError) as error:
            yield Measured(
                known.name, how, min(batches), failed=f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"
            )
            continue
        reference = found if reference is None else reference
        # Random towers put all pictures near one another: what tells them apart is what is left without the mean.
        same = ((found - found.mean(0)) @ prompts.T).argmax(1) == ((reference - reference.mean(0)) @ prompts.T).argmax(
            1
        )
        for batch in batches:
            rate = images_a_second(embed, pixels[:batch], device, seconds)
            tflops = rate * cost.gflops / 1e3
            yield Measured(
                known.name, how, batch, rate, tflops, tflops / peak,
                float((found * reference).sum(1).min()), float(same.float().mean()),
            )  # fmt: skip
        del embed
        if device.type == "cuda":
            torch.cuda.empty_cache()


def as_markdown(rows: list[Measured], device: torch.device, peak: float, size: int) -> str:
    """Return the page: the machine, and the table."""
    name = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU: a dry run, whose numbers say nothing"
    )
    head = f"# Encoders on a GPU\n\nMeasured on {name}, torch {torch.__version__}, by `scripts/gpu_check.sh`. "
    head += f"A bf16 product of {size} x {size} reaches {peak:.1f} TFLOP/s. Random weights.\n\n"
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(row.cells() for row in rows)]
    return head + "".join(f"| {' | '.join(line)} |\n" for line in lines)


@app.command()
def check(
    device: Annotated[str, typer.Option(help="Torch device; `cpu` is a dry run with a small tower.")] = "cuda",
    output: Annotated[
        Path | None, typer.Option(help="Markdown file for the table; printed where there is none.")
    ] = None,
    models: Annotated[
        list[str] | None, typer.Option("--model", help="One of the ladder's; repeatable. Default: five.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.01, help="For each cell.")] = 2.0,
) -> None:
    """Measure image encoders on a GPU, under eight minutes for all."""
    where = torch.device(device)
    if where.type == "cuda" and not torch.cuda.is_available():
        typer.echo("error: torch finds no GPU here; --device cpu is a dry run", err=True)
        raise typer.Exit(2)
    dry = where.type != "cuda"
    known = {one.name: one for one in KNOWN_MODELS}
    if unknown := set(models or ()) - known.keys():
        typer.echo(f"error: no model {sorted(unknown)[0]!r}; one of {', '.join(known)}", err=True)
        raise typer.Exit(2)
    chosen = [SMALL] if dry and not models else [known[name] for name in models or MODELS]
    size = 256 if dry else MATMUL
    multiply, gflop = matmul(where.type, size)
    peak = rates({"matmul": multiply}, {"matmul": gflop}, rounds=5)["matmul"] / 1e3
    rows = []
    for one in chosen:
        for row in measure(one, BATCHES[:1] if dry else BATCHES, where, peak, seconds):
            rows.append(row)
            typer.echo("  ".join(row.cells()), err=True)
    page = as_markdown(rows, where, peak, size)
    if output is None:
        typer.echo(page)
    else:
        output.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    app()
