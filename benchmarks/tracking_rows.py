"""Training beside a tracking server that hangs or is gone: how long the longest step waits for it."""

import tempfile
import time
from pathlib import Path

from mlflow.tracking import MlflowClient

from benchmarks.fake_tracker import fake_tracker
from benchmarks.row import Row, benchmark
from vlm_rewards.tracking import MlflowRun

_STEP_S = 0.1


@benchmark("tracking-blocked", "tracking-lost")
def tracking(quick: bool) -> list[Row]:
    """Log metrics, a tag and a file at each step, while the server hangs, comes back, goes, and comes back."""
    steps = 60 if quick else 300
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as folder, fake_tracker(Path(folder, "artifacts")) as tracker:
        run = MlflowRun(MlflowClient(tracking_uri=tracker.uri), tracker.run_id, tracker.uri, Path(folder, "spill"))
        picture = Path(folder, "picture.png")
        picture.write_bytes(bytes(10_000))
        for step in range(steps):
            tracker.mode = ("well", "hangs", "well", "gone", "well")[5 * step // steps]
            if tracker.mode != "hangs":
                tracker.let_go()
            begin = time.perf_counter()
            run.log_metrics({f"metric {number}": float(step) for number in range(40)}, step=step)
            run.set_tags({"step": str(step)})
            run.log_artifact(picture)
            seconds.append(time.perf_counter() - begin)
            time.sleep(_STEP_S)
        run.finish()
        arrived = [(step, value) for name, value, step in tracker.metrics() if name == "metric 0"]
    lost = sum((step, float(step)) not in arrived for step in range(steps)) + (arrived != sorted(arrived))
    note = f"{steps} steps of 40 metrics, a tag and a file; {sum(seconds):.1f} s in all"
    return [
        Row("tracking-blocked", "longest wait of a step for a tracking server that hangs or is gone",
            max(seconds), 5, "<=", "s", note),
        Row("tracking-lost", "steps whose metrics were lost, or came out of order", lost, 0, "<=", ""),
    ]  # fmt: skip
