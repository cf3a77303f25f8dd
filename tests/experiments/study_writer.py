"""Studies written into a real MLflow store as the studies write them, with curves of given ends."""

import io
import json
from pathlib import Path

import numpy as np
import yaml
from mlflow.tracking import MlflowClient
from PIL import Image

from vlm_rewards.tracking import MlflowRun
from vlm_rewards.tracking.store import default_uri

SIZES = {"pocket-xs": (130_000, 0.2, 0.31), "pocket-s": (400_000, 0.35, 0.5), "pocket-m": (1_600_000, 0.55, 0.74)}


class StudyWriter:
    """Writes one study into a store: the parent run, and trials with curves of given ends."""

    def __init__(self, folder: Path, kind: str, name: str, title: str = "", iterations: int = 12):
        self.folder, self.kind, self.name, self.iterations = folder, kind, name, iterations
        tags = {"study.kind": kind, "study.name": name, "git_sha": "c0ffee", "python": "3.11", "version.ray": "2.60.0"}
        self.parent = self.start(name, tags | ({"study.title": title} if title else {}))

    def start(self, name, tags, parent: str | None = None, reward_kind: str = "clip") -> MlflowRun:
        return MlflowRun.start(
            uri=default_uri(self.folder),
            experiment="studies",
            name=name,
            params={"seeds": "[0, 1]"} if parent is None else {"reward.kind": reward_kind},
            tags=tags,
            spill_folder=self.folder / "spill",
            parent_run_id=parent,
        )

    def artifact(self, run: MlflowRun, name: str, content: str | bytes) -> None:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        run.log_artifact(path)

    def trial(
        self,
        task,
        arm,
        seed,
        facts,
        reward,
        truth,
        *,
        precision=0.9,
        end="FINISHED",
        alarm=None,
        noise=0.01,
        kind="clip",
        recording: bytes | None = None,
    ):
        """Writes a trial that rises from 0.1 to `reward` and `truth`; `end` is a status of MLflow, or an error."""
        tags = {"study.kind": self.kind, "study.name": self.name, "study.arm": arm, "study.task": task}
        tags |= {"study.seed": str(seed), "study.facts": json.dumps(facts)}
        run = self.start(f"{task}-{arm}-{seed}", tags, self.parent.run_id, kind)
        if end == "SCHEDULED":
            MlflowClient(default_uri(self.folder)).update_run(run.run_id, status=end)
            return
        rng = np.random.default_rng(seed)
        # Each seed has its own grid of steps, as trials that end by wall time do.
        for i in range(self.iterations):
            share = (i + 1) / self.iterations
            metrics = {
                "train/reward_return": 0.1 + (reward - 0.1) * share + rng.normal() * noise,
                "train/online_precision": precision,
                "train/reward_successes": 100.0,
                "train/true_reward_successes": 100.0 * precision,
            }
            # As in training, where the evaluation after the last iteration takes the place of a brief one.
            if i % max(1, self.iterations // 12) == 0 and i < self.iterations - 1:
                metrics["held_out/success_rate"] = 0.1 + (truth - 0.1) * share + rng.normal() * noise
            if alarm is not None and i == alarm:
                metrics["reward_hacking/alarm"] = 1.0
            run.log_metrics(metrics, step=(i + 1) * (2048 + seed))
        if isinstance(end, BaseException):
            run.__exit__(type(end), end, None)
        elif end == "FINISHED":
            evaluation = {"success_rate": truth, "random_success_rate": 0.1}
            run.log_metrics({f"evaluation/{key}": value for key, value in evaluation.items()}, 10**6)
            rows = [["all", 200, truth, truth - 0.05, truth + 0.05]]
            rows += [["a.red.mug", 100, 0.9, 0.8, 1.0], ["a.blue.ball", 100, 0.05, 0.0, 0.1]]
            table = [["goal", "episodes", "success_rate", "success_rate_low", "success_rate_high"], *rows]
            self.artifact(run, "evaluation.csv", "".join(",".join(map(str, row)) + "\n" for row in table))
            for name, colour in (("episodes_best.gif", "green"), ("episodes_worst.gif", "brown")):
                self.artifact(run, name, gif(colour, seed))
            if recording is not None:
                self.artifact(run, "recording.parquet", recording)
            run.finish()

    def close(self, offline: str | None = None) -> None:
        self.artifact(
            self.parent,
            "study.yaml",
            yaml.safe_dump({"name": self.name, "tracking": {"uri": "sqlite:////home/me"}, "seeds": [0, 1]}),
        )
        if offline:
            self.artifact(self.parent, "offline.csv", offline)
        self.parent.finish()


def gif(colour: str, number: int) -> bytes:
    """A film of which each seed has its own."""
    file = io.BytesIO()
    frames = [Image.new("RGB", (40 + number, 40), shade) for shade in (colour, "black")]
    frames[0].save(file, format="GIF", save_all=True, append_images=frames[1:], duration=400, loop=0)
    return file.getvalue()


def offline_table() -> str:
    rows = ["arm,family,negatives,average_precision,low,high"]
    for arm, (_, _, precision) in SIZES.items():
        for negatives, factor in (("goals_and_states", 1.0), ("goals", 0.6)):
            value = precision * factor
            rows.append(f"{arm},all,{negatives},{value:.4f},{value - 0.03:.4f},{value + 0.03:.4f}")
    return "\n".join(rows) + "\n"


def write_model_size(folder: Path) -> None:
    study = StudyWriter(folder, "model_size", "sizes", "Larger models, <b>better</b> agents?")
    for arm, (parameters, truth, _) in SIZES.items():
        for seed, offset in ((0, 0.0), (1, 0.06)):
            study.trial("Find", arm, seed, {"parameters": parameters}, truth + 0.2, truth + offset)
    study.trial("Find", "oracle", 0, {}, 0.8, 0.8, kind="ground_truth")
    study.close(offline=offline_table())
