"""The MLflow run of one model's pretraining, which a training that was cut off goes on in."""

import re
from pathlib import Path

from experiments.shared.atomic_files import write_atomically
from experiments.shared.provenance import provenance
from vlm_rewards.errors import ConfigError
from vlm_rewards.pretraining.pretrain_config import PretrainConfig
from vlm_rewards.tracking import MlflowRun, flatten

#: In the run folder.
RUN_ID_FILE = "mlflow-run-id.txt"


def start_run(config: PretrainConfig, folder: Path, uri: str) -> MlflowRun:
    """Start the run of a model, or go on in the one that its folder names.

    Args:
        config: The model's settings.
        folder: Its run folder; made if it is not there.
        uri: The MLflow store.

    Raises:
        TrackingError: The store cannot be opened or written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / RUN_ID_FILE
    run = MlflowRun.start(
        uri=uri,
        experiment="pretrain_clip",
        name=config.name,
        params=flatten(config.model_dump(mode="json")),
        tags=provenance(),
        spill_folder=folder,
        resume_run_id=_run_id(known),
        note=(
            "Contrastive training of a pocket CLIP on captioned renderings. `zero_shot/accuracy` is on held-out ones; "
            "the model card is among the artifacts."
        ),
    )
    write_atomically(known, run.run_id)
    return run


def _run_id(path: Path) -> str | None:
    """Return the id that a file holds; None where there is no file.

    Raises:
        ConfigError: It holds something else.
    """
    try:
        text = path.read_bytes().strip()
    except FileNotFoundError:
        return None
    if not re.fullmatch(rb"[0-9a-f]{32}", text):
        raise ConfigError(f"{path} is damaged: bring it back from a copy, or delete it for a new run in MLflow")
    return text.decode()


def progress_note(metrics: dict[str, float]) -> str:
    """Return what stands beside the bar of a stage that has metrics."""
    return f"loss {metrics['loss']:.3f}  batch accuracy {metrics['batch_accuracy']:.3f}" if metrics else ""
