"""Collect a fixed offline dataset of labelled playhouse trajectories, and read it back.

    python -m experiments.collect --preset small --out data/playhouse-small

One Parquet row is one step: the picture for the reward model (PNG), the goal, the scripted policy that acted, and
the ground truth. Rows come in the order of trajectories and steps. `manifest.json` names the files, their
SHA-256 checksums and one checksum of the decoded contents, which does not depend on how Parquet packs them.
The same preset and seed give the same contents, bit by bit, on one machine.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from PIL import Image
from pydantic import Field, model_validator

from envs.playhouse import PlayhouseEnv
from envs.playhouse.policies import POLICIES, make_policy
from envs.playhouse.presets import FAMILIES, Family
from vlm_rewards.errors import ConfigError, VLMRewardsError
from vlm_rewards.strict_config import StrictConfig

if TYPE_CHECKING:
    import ray.data

PRESETS = Path(__file__).parent / "presets" / "collect"

#: Columns of the dataset. `image` is the reward frame as PNG bytes, drawn after the action (step 0: after the reset).
SCHEMA = pa.schema(
    [
        ("trajectory", pa.int32()),
        ("step", pa.int32()),
        ("family", pa.string()),
        ("goal_id", pa.string()),
        ("instruction", pa.string()),
        ("subject", pa.string()),
        ("policy", pa.string()),
        ("home_seed", pa.int32()),
        ("action", pa.int8()),  # that led here; -1 at step 0
        ("reward", pa.float32()),  # ground truth: 1 where the goal first holds
        ("goal_achieved", pa.bool_()),  # the goal holds in this state
        ("is_success", pa.bool_()),  # it has held by now
        ("image", pa.binary()),
    ]
)


class CollectConfig(StrictConfig):
    """What is collected.

    Attributes:
        name: of the dataset.
        env_preset: preset of the playhouse.
        split: goals and homes, "train" or "held_out".
        trajectories: how many of each family.
        policies: share of the trajectories by scripted policy; they sum to 1.
        max_steps: time limit by family.
        observation_size: (height, width) of the policy's picture, pixels (not stored).
        reward_size: (height, width) of the stored picture, pixels.
        stop_after_success: steps recorded after the goal first holds.
        seed: everything is drawn from it.
    """

    name: str
    env_preset: str
    split: Literal["train", "held_out"]
    trajectories: dict[Family, int]
    policies: dict[str, float]
    max_steps: dict[Family, int]
    observation_size: tuple[int, int]
    reward_size: tuple[int, int]
    stop_after_success: int = Field(ge=0)
    seed: int = Field(ge=0)

    @model_validator(mode="after")
    def _is_sound(self) -> CollectConfig:
        if set(self.policies) - set(POLICIES) or abs(sum(self.policies.values()) - 1.0) > 1e-6:
            raise ValueError(f"policies must be shares of {', '.join(POLICIES)} that sum to 1")
        missing = set(self.trajectories) - set(self.max_steps)
        if missing:
            raise ValueError(f"max_steps lacks {sorted(missing)}")
        return self


def load_config(preset: str) -> CollectConfig:
    """A packaged preset by name, or one from a path that ends in `.yaml`."""
    return CollectConfig.from_yaml(preset if preset.endswith(".yaml") else PRESETS / f"{preset}.yaml")


def collect(config: CollectConfig, out: Path, shard_trajectories: int = 200) -> dict[str, Any]:
    """Collect a dataset into a new folder.

    Args:
        config: what to collect.
        out: folder to write; must not hold a dataset yet.
        shard_trajectories: trajectories a Parquet file.

    Returns:
        The manifest: counts, share of positive steps, checksums.

    Raises:
        ConfigError: the folder already holds a dataset.
    """
    if (out / "manifest.json").exists():
        raise ConfigError(f"{out} already holds a dataset; name a new folder, or remove it first")
    out.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    files: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    steps = positives = successes = trajectories = 0

    def write() -> None:
        name = f"part-{len(files):04d}.parquet"
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), out / name, compression="none")
        files[name] = hashlib.sha256((out / name).read_bytes()).hexdigest()
        rows.clear()

    for trajectory in _trajectories(config):
        for row in trajectory:
            _update(digest, row)
        rows += trajectory
        steps += len(trajectory)
        positives += sum(row["goal_achieved"] for row in trajectory)
        successes += trajectory[-1]["is_success"]
        trajectories += 1
        if trajectories % shard_trajectories == 0:
            write()
    if rows:
        write()
    manifest = {
        "config": config.model_dump(mode="json"),
        "trajectories": trajectories,
        "steps": steps,
        "positive_share": round(positives / steps, 6),
        "success_share": round(successes / trajectories, 6),
        "content_sha256": digest.hexdigest(),
        "files": files,
    }
    partial = out / "manifest.json.partial"
    partial.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, out / "manifest.json")
    return manifest


def read_dataset(folder: str | Path, verify: bool = True) -> ray.data.Dataset:
    """The dataset as a Ray Data dataset of rows; needs a Ray session.

    Ray Data reads files in parallel and in no fixed order: sort by `trajectory` and `step` where order matters.

    `decode_images` turns a batch's PNG bytes into frames: `read_dataset(path).map_batches(decode_images)`.

    Raises:
        ConfigError: there is no dataset, or a file is not the one that was written.
    """
    import ray.data

    paths = dataset_files(folder, verify)
    return ray.data.read_parquet([str(path) for path in paths])


def dataset_files(folder: str | Path, verify: bool = True) -> list[Path]:
    """The Parquet files of a dataset in order, their checksums verified.

    Raises:
        ConfigError: there is no dataset, or a file is not the one that was written.
    """
    folder = Path(folder)
    try:
        files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{folder} holds no dataset; make one with python -m experiments.collect") from error
    for name, checksum in files.items():
        path = folder / name
        if not path.exists() or (verify and hashlib.sha256(path.read_bytes()).hexdigest() != checksum):
            raise ConfigError(f"{path} is missing or damaged; remove {folder} and collect it again")
    return [folder / name for name in sorted(files)]


def decode_images(batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Replace the PNG bytes of a batch's `image` column by frames, uint8 (N, h, w, 3)."""
    frames = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) for data in batch["image"]]
    return {**batch, "image": np.stack(frames)}


def _trajectories(config: CollectConfig) -> Iterator[list[dict[str, Any]]]:
    """All trajectories in order; which policy acts in which is drawn from the seed."""
    index = 0
    for family in FAMILIES:
        count = config.trajectories.get(family, 0)
        if not count:
            continue
        env = PlayhouseEnv(
            family,
            config.env_preset,
            split=config.split,
            observation_size=config.observation_size,
            reward_size=config.reward_size,
            max_episode_steps=config.max_steps[family],
            terminate_on_success=False,
        )
        names = list(config.policies)
        try:
            for _ in range(count):
                rng = np.random.default_rng([config.seed, index])
                name = names[int(rng.choice(len(names), p=[config.policies[n] for n in names]))]
                yield _trajectory(env, index, name, rng, config.stop_after_success)
                index += 1
        finally:
            env.close()


def _trajectory(
    env: PlayhouseEnv, index: int, policy_name: str, rng: np.random.Generator, tail: int
) -> list[dict[str, Any]]:
    _, info = env.reset(seed=int(rng.integers(2**31)))
    policy = make_policy(policy_name, env, rng)
    policy.reset()
    assert env.episode is not None
    goal = env.episode.goal.worded()
    fixed = {
        "trajectory": index,
        "family": env.family,
        "goal_id": goal.id,
        "instruction": goal.instruction,
        "subject": goal.subject,
        "policy": policy_name,
        "home_seed": env.episode.home.seed,
    }
    rows = [_row(env, fixed, 0, -1, 0.0, info)]
    truncated, after = False, 0
    while not truncated and after <= tail:
        action = policy.act()
        _, reward, _, truncated, info = env.step(action)
        rows.append(_row(env, fixed, len(rows), action, reward, info))
        after += info["is_success"]
    return rows


def _row(
    env: PlayhouseEnv, fixed: dict[str, Any], step: int, action: int, reward: float, info: dict[str, Any]
) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.fromarray(env.reward_frame()).save(buffer, format="png", compress_level=6)
    return {
        **fixed,
        "step": step,
        "action": action,
        "reward": reward,
        "goal_achieved": info["goal_achieved"],
        "is_success": info["is_success"],
        "image": buffer.getvalue(),
    }


def _update(digest: hashlib._Hash, row: dict[str, Any]) -> None:
    """Add a row to the checksum of the contents: pixels, not PNG bytes."""
    labels = {name: value for name, value in row.items() if name != "image"}
    digest.update(json.dumps(labels, sort_keys=True).encode())
    digest.update(np.asarray(Image.open(io.BytesIO(row["image"]))).tobytes())


app = typer.Typer(help=__doc__, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    preset: Annotated[str, typer.Option(help="small, full, or a YAML file")] = "small",
    out: Annotated[Path, typer.Option(help="new folder of the dataset")] = Path("data/playhouse-small"),
) -> None:
    """Collect a dataset and print its manifest."""
    try:
        manifest = collect(load_config(preset), out)
    except VLMRewardsError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(json.dumps({key: value for key, value in manifest.items() if key != "files"}, indent=2))


if __name__ == "__main__":
    app()
