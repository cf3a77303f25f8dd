"""Steps a second of whole trainings: against an earlier commit, and with a reward model against the true reward."""

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.row import MISSING, Row, benchmark
from vlm_rewards.errors import VLMRewardsError

ROOT = Path(__file__).resolve().parents[1]
# Where the targets were measured from, before the encoder's precisions and the learner's savings.
BEFORE = "dd50b69aa799bfa577cd4fee6fab5ca843584144"
STEPS = 12_288
QUICK_STEPS = 2_048
ROUNDS = 2
LONGEST_S = 600.0
# Evaluations are no part of what is compared, and cannot be left out.
WITHOUT_EVALUATION = ("evaluation.every_steps=null", "evaluation.episodes=20", "evaluation.videos=0")
TRUE_REWARD = "reward={kind: ground_truth}"


@dataclass(frozen=True)
class Training:
    """What is trained, and by which code.

    Attributes:
        tree: Checkout whose code runs.
        preset: Name of its preset.
        settings: Changes, as after `--set`.
    """

    tree: Path
    preset: str
    settings: tuple[str, ...] = ()

    def steps_a_second(self, steps: int) -> float:
        """Train in a process of its own, and return environment steps a second of wall time, start-up left out.

        Raises:
            VLMRewardsError: It failed; the message ends as its output did.
        """
        with tempfile.TemporaryDirectory() as folder:
            changes = (*WITHOUT_EVALUATION, *self.settings, f"total_env_steps={steps}")
            command = [sys.executable, "-m", "experiments.train", "--preset", self.preset, "--output", folder]
            done = subprocess.run(
                [*command, *(part for change in changes for part in ("--set", change))],
                cwd=self.tree,
                env=os.environ | {"PYTHONPATH": f"{self.tree}{os.pathsep}{self.tree / 'platform'}"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=LONGEST_S,
            )
            states = list(Path(folder).glob("*/state.json"))
            if done.returncode or len(states) != 1:
                raise VLMRewardsError(f"training {self.preset} failed: {done.stdout[-400:]}")
            state = json.loads(states[0].read_text(encoding="utf-8"))
        return float(state["env_steps"] / state["seconds"])


def speeds(trainings: tuple[Training, ...], quick: bool) -> list[float]:
    """Return each one's steps a second: the median of rounds in which all take turns."""
    rounds = [[one.steps_a_second(QUICK_STEPS if quick else STEPS) for one in trainings] for _ in range(ROUNDS)]
    return [statistics.median(of_one) for of_one in zip(*rounds, strict=True)]


@contextlib.contextmanager
def earlier_tree() -> Iterator[Path | None]:
    """Check the earlier commit out beside this one for the duration; None where this is no checkout that has it."""
    folder = Path(tempfile.mkdtemp(prefix="before-"))
    git = ["git", "-C", str(ROOT), "worktree"]
    try:
        made = subprocess.run([*git, "add", "--detach", "--force", str(folder), BEFORE], capture_output=True)
        yield None if made.returncode else folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


def against_before(name: str, preset: str, target: float, quick: bool) -> list[Row]:
    """Return the row that compares a preset's training with the earlier commit's."""
    what = f"steps/s of training {preset} / the same at {BEFORE[:7]}"
    with earlier_tree() as before:
        if before is None:
            return [Row(name, what, MISSING, target, ">=", note="the earlier commit is not in this checkout")]
        now, then = speeds((Training(ROOT, preset), Training(before, preset)), quick)
    return [Row(name, what, now / then, target, ">=", note=f"{now:.0f} and {then:.0f} steps/s")]


def overhead(name: str, task: str, target: float, paid: Training, true: Training, quick: bool) -> list[Row]:
    """Return the row that compares a training's wall time with that of the same on the true reward."""
    with_model, with_truth = speeds((paid, true), quick)
    what = f"wall time of training {task} on a VLM's reward / on the environment's own"
    note = f"{with_model:.0f} and {with_truth:.0f} steps/s"
    return [Row(name, what, with_truth / with_model, target, "<=", note=note)]


@benchmark("speed-find")
def speed_find(quick: bool) -> list[Row]:
    """Measure Find with the largest pocket CLIP."""
    return against_before("speed-find", "find_small", 2.5, quick)


@benchmark("speed-find-ground-truth")
def speed_find_ground_truth(quick: bool) -> list[Row]:
    """Measure Find on the true reward."""
    return against_before("speed-find-ground-truth", "find_small_ground_truth", 1.8, quick)


@benchmark("speed-demo")
def speed_demo(quick: bool) -> list[Row]:
    """Measure the demo, by way of Serve."""
    return against_before("speed-demo", "demo", 2.0, quick)


@benchmark("overhead-find")
def overhead_find(quick: bool) -> list[Row]:
    """Measure what the reward costs in Find."""
    pair = Training(ROOT, "find_small"), Training(ROOT, "find_small_ground_truth", ("sampling.learner_threads=1",))
    return overhead("overhead-find", "Find", 1.25, *pair, quick)


@benchmark("overhead-lift")
def overhead_lift(quick: bool) -> list[Row]:
    """Measure what the reward costs in Lift."""
    pair = Training(ROOT, "lift_small"), Training(ROOT, "lift_small_ground_truth", ("sampling.learner_threads=1",))
    return overhead("overhead-lift", "Lift", 1.25, *pair, quick)


@benchmark("overhead-common")
def overhead_common(quick: bool) -> list[Row]:
    """Measure what the reward costs in Open Common Apps, in process."""
    here = ("served_by={kind: in_process}",)
    pair = Training(ROOT, "demo", here), Training(ROOT, "demo", (*here, TRUE_REWARD))
    return overhead("overhead-common", "Open Common", 1.1, *pair, quick)


@benchmark("overhead-diverse")
def overhead_diverse(quick: bool) -> list[Row]:
    """Measure what the reward costs in Open Diverse Apps."""
    pair = Training(ROOT, "open_diverse"), Training(ROOT, "open_diverse", (TRUE_REWARD,))
    return overhead("overhead-diverse", "Open Diverse", 1.15, *pair, quick)
