"""A labelled dataset on which the fake encoder is right: its frames are painted to show a caption."""

import hashlib
import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from experiments.datasets.rows import SCHEMA, png
from vlm_rewards.encoders.fake import FakeEncoder
from vlm_rewards.goals import Goal, TaskSet

TEMPLATE = "a photo of [TASK]"
STEPS = 6


def paint_rows(task_set: TaskSet, trajectories: int) -> list[dict]:
    """Rows in which the last two of six states of two trajectories in three show their goal, the others something else.

    Two trajectories take place in each home.
    """
    encoder, rng, rows = FakeEncoder(), np.random.default_rng(0), []
    goals = task_set.all_goals
    for trajectory in range(trajectories):
        goal = goals[trajectory % len(goals)]
        others = [f"a photo of {other.subject}" for other in goals if other != goal]
        wrong = [*task_set.unachieved_captions, *others]
        for step in range(STEPS):
            achieved = trajectory % 3 > 0 and step >= STEPS - 2
            shown = f"a photo of {goal.subject}" if achieved else wrong[int(rng.integers(len(wrong)))]
            frame = encoder.frame_of(shown)
            # No two frames are the same, or one embedding would do for many.
            frame[0, 0] = rng.integers(0, 256, 3)
            rows.append(
                {
                    "trajectory": trajectory,
                    "step": step,
                    "family": "painted",
                    "goal_id": goal.id,
                    "instruction": goal.instruction,
                    "subject": goal.subject,
                    "policy": "none",
                    "home_seed": trajectory // 2,
                    "action": -1 if step == 0 else 0,
                    "reward": float(achieved and step == STEPS - 2),
                    "goal_achieved": achieved,
                    "is_success": achieved,
                    "image": png(frame),
                }
            )
    return rows


def write_rows(folder: Path, rows: list[dict], trajectories_per_file: int = 8) -> Path:
    """Writes rows as `experiments.collect` does."""
    folder.mkdir(parents=True)
    files = {}
    size = trajectories_per_file * STEPS
    for number, begin in enumerate(range(0, len(rows), size)):
        path = folder / f"part-{number:04d}.parquet"
        pq.write_table(pa.Table.from_pylist(rows[begin : begin + size], schema=SCHEMA), path)
        files[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    config = {"name": "painted", "reward_size": [32, 32]}
    (folder / "manifest.json").write_text(json.dumps({"config": config, "files": files}))
    return folder


@pytest.fixture(scope="session")
def painted_goals() -> TaskSet:
    """Four goals of one family."""
    things = ["a red mug", "a blue ball", "a green boat", "a white chair"]
    goals = [Goal(id=thing.replace(" ", "."), subject=thing, instruction=f"go near {thing}") for thing in things]
    return TaskSet(
        name="painted",
        version=1,
        goals=tuple(goals[:3]),
        held_out=tuple(goals[3:]),
        unachieved_captions=("a photo of an empty room", "a photo of a wall"),
    )


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory, painted_goals: TaskSet) -> Path:
    """Twenty-four trajectories in three files, and beside them the task set's file; read only."""
    folder = tmp_path_factory.mktemp("painted")
    write_rows(folder / "dataset", paint_rows(painted_goals, 24))
    (folder / "goals.yaml").write_text(yaml.safe_dump(painted_goals.model_dump(mode="json")))
    return folder / "dataset"


@pytest.fixture
def spoilt(painted_goals: TaskSet, painted: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Writes the painted dataset with one thing wrong in it."""

    def write(how: str) -> Path:
        rows = paint_rows(painted_goals, 12)
        if how == "missing labels":
            rows[7]["goal_achieved"] = None
        if how == "no positives":
            rows = [{**row, "goal_achieved": False} for row in rows]
        if how == "another frame size":
            rows[7]["image"] = png(np.zeros((32, 31, 3), np.uint8))
        if how == "unknown goal":
            rows[7]["goal_id"] = "a.pink.mug"
        folder = write_rows(tmp_path / "spoilt", rows)
        if how == "changed checksum":
            path = folder / "part-0000.parquet"
            path.write_bytes(path.read_bytes()[:-1] + b"x")
        return folder

    return write


SPOILT = {
    "missing labels": "1 of 48 states in .* have no goal_achieved",
    "no positives": "no state has reached its goal",
    "another frame size": "32x31, 32x32, but its manifest says 32x32",
    "changed checksum": "missing or damaged",
    "unknown goal": "unknown goal 'a.pink.mug'",
}


@pytest.fixture(params=SPOILT)
def fault(request: pytest.FixtureRequest, spoilt: Callable[[str], Path]) -> tuple[Path, str]:
    """Each spoilt dataset in turn, and what its error says."""
    return spoilt(request.param), SPOILT[request.param]


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """Commands decide what SIGTERM does; in this process only for as long as a test lasts."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(params=["text", "image"])
def half_checkpoint(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A folder with a text or an image encoder alone, and what its error says."""
    from transformers import BertConfig, BertModel, CLIPImageProcessorPil, ViTConfig, ViTModel

    from vlm_rewards.encoders.quiet import quiet_transformers
    from vlm_rewards.pretraining.tokenizer import make_tokenizer

    folder = tmp_path / f"{request.param}-only"
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    make_tokenizer(["a red mug"], 100, 16).save_pretrained(folder)
    CLIPImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    with quiet_transformers():
        model = (
            BertModel(BertConfig(vocab_size=100, **small))
            if request.param == "text"
            else ViTModel(ViTConfig(image_size=32, patch_size=16, **small))
        )
        model.save_pretrained(folder)
    return str(folder), "use a dual encoder"


@pytest.fixture
def options(painted: Path, tmp_path: Path) -> list[str]:
    """Settings of a study on the painted dataset by the fake encoder, in this process."""
    task_sets = f"{{painted: {painted.parent / 'goals.yaml'}}}"
    path = tmp_path / "study.yaml"
    path.write_text(
        f"data: {{dataset: {painted}, task_sets: {task_sets}}}\n"
        f"reward: {{model: fake, template: '{TEMPLATE}', tau: 0.05, beta: 0.5}}\n"
        "served_by: {kind: in_process}\n"
        "request_frames: 16\n"
    )
    return ["--preset", str(path)]


@pytest.fixture(scope="session")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory, with_store: Callable[[Path], Path]) -> list[str]:
    """One MLflow store for all offline studies."""
    return ["--mlflow-uri", f"sqlite:///{with_store(tmp_path_factory.mktemp('tracking')) / 'mlflow.db'}"]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, with_store: Callable[[Path], Path]) -> Path:
    """A store with its schema made."""
    return with_store(tmp_path_factory.mktemp("store")) / "mlflow.db"
