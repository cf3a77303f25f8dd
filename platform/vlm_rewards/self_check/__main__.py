"""Command line: write or verify the record of a checkpoint folder."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image, UnidentifiedImageError

from vlm_rewards.encoders import load_encoder
from vlm_rewards.encoders.checkpoint_encoder import CheckpointEncoder
from vlm_rewards.encoders.proof.check import SANITY_TEXTS, sanity_frames
from vlm_rewards.encoders.proof.record import write_record
from vlm_rewards.errors import ConfigError, VLMRewardsError

app = typer.Typer(help="Write or verify the self-check record of a model folder.", no_args_is_help=True)


@app.command()
def record(
    folder: Annotated[Path, typer.Argument(help="Model folder; self_check.json and self_check/*.png go into it.")],
    image: Annotated[
        list[Path] | None, typer.Option(help="A known image; may be given again. Default: shapes.")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A known text; may be given again. Default: of shapes.")
    ] = None,
) -> None:
    """Record what the model in FOLDER gives now as what it must give whenever it is loaded."""
    try:
        encoder = load_encoder(str(folder), self_check=False)
        if not isinstance(encoder, CheckpointEncoder) or not folder.is_dir():
            raise ConfigError(f"{folder} is not a model folder; give the path of one")
        frames = [_read_image(path) for path in image] if image else sanity_frames(*encoder.image_size)
        written = write_record(folder, encoder, frames, text or SANITY_TEXTS)
    except VLMRewardsError as error:
        _fail(error)
    typer.echo(f"recorded {len(written.images)} images x {len(written.texts)} texts in {folder}")


@app.command()
def verify(model: Annotated[str, typer.Argument(help="Packaged model, folder or hub id.")]) -> None:
    """Load MODEL as a reward service would and say whether it is what it was."""
    try:
        encoder = load_encoder(model)
    except VLMRewardsError as error:
        _fail(error)
    typer.echo(f"{model} is sound, fingerprint {encoder.fingerprint}")


def _read_image(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise ConfigError(f"cannot read the image {path}; give a PNG or JPEG file") from error


def _fail(error: VLMRewardsError) -> None:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(1)


if __name__ == "__main__":
    app()
