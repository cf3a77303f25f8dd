"""The service under failure: nothing lost, nothing wrong, memory bounded, soon back."""

from benchmarks.apps import deployed, emulated_args
from benchmarks.faults import kill_replicas, overload, redeployment, wait_for_replicas
from benchmarks.row import Row, benchmark
from vlm_rewards.encoders import FakeEncoder
from vlm_rewards.service.serving import ReplicaLimits

# MiB that a replica may grow by under overload: what may wait in it, once more in flight, and Ray's own buffers.
WAITING_MB = 64
ALLOWED_MB = 4 * WAITING_MB


@benchmark("faults-kills", needs_ray=True)
def kills(quick: bool) -> list[Row]:
    """Kill a replica every 5 s for a minute under load, and redeploy the application once."""
    seconds, every_s = (20.0, 5.0) if quick else (60.0, 5.0)
    args = emulated_args(replicas=ReplicaLimits(minimum=2, maximum=2))
    with deployed("bench-kills", args, seconds_per_batch=0.01) as transport:
        changed = args.model_copy(update={"max_batch_frames": 64})
        redeploy = redeployment("bench-kills", changed, FakeEncoder(seconds_per_batch=0.01))
        found = kill_replicas(transport, seconds, every_s, redeploy=redeploy)
        wait_for_replicas("bench-kills", 2)
    note = f"{found.answered} answered, {found.kills} kills and a redeployment, longest {found.longest_s:.1f} s"
    if found.errors:
        note += f", first error {found.errors[0]}"
    what = f"requests lost or answered wrong, a replica killed every {every_s:g} s for {seconds:g} s"
    return [Row("faults-kills", what, found.lost + found.wrong, 0, "<=", unit="", note=note)]


@benchmark("overload-untyped", "overload-memory", "overload-recovery", needs_ray=True)
def overloads(quick: bool) -> list[Row]:
    """Offer ten times what one replica can do."""
    batch, hold_s = 32, 0.2
    capacity = batch / hold_s
    args = emulated_args(max_batch_frames=batch, max_waiting_mb=WAITING_MB)
    with deployed("bench-overload", args, seconds_per_batch=hold_s) as transport:
        found = overload(transport, 10 * capacity, 8 if quick else 30)
    refusals = ", ".join(f"{number} {name}" for name, number in found.refused.items())
    note = f"{found.sent} sent at {10 * capacity:.0f} frames/s to {capacity:.0f}: {found.answered} answered, {refusals}"
    return [
        Row("overload-untyped", "requests neither answered nor refused with a typed error, 10 x capacity",
            found.untyped, 0, "<=", unit="", note=note),
        Row("overload-memory", f"growth of the replica, {WAITING_MB} MiB of frames may wait",
            found.grown_mb, ALLOWED_MB, "<=", unit="MiB"),
        Row("overload-recovery", "from the overload's end to a prompt answer", found.recovery_s, 5, "<=", unit="s"),
    ]  # fmt: skip
