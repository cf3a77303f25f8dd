"""How many replicas a reward needs, decided from the frames that wait for it.

Ray Serve pickles this module by value into its controller, where the library need not be installed: it may import
nothing but the standard library.
"""

import math
from typing import Any

# What each replica reports of itself, by `RewardDeployment.record_autoscaling_stats`.
WAITING_FRAMES = "waiting_frames"
BUSY_REPLICAS = "busy_replicas"
FRAMES_PER_REQUEST = "frames_per_request"
IDLE_S = "idle_s"

# Seconds in which the share of busy time is believed to fall by two thirds at most: three times what a replica's own
# average looks back.
_BUSY_FADES_S = 30.0


class FramesWaitingPolicy:
    """A Ray Serve autoscaling policy that counts frames, not requests.

    It asks for more replicas as soon as the frames that wait, in replicas and in queues before them, are more than
    `target_frames` for each. It gives a replica up only if those that remain would still have room: few frames waiting
    *and* a share of busy time below `max_busy`. The second is what keeps the number steady: an open stream of requests
    that two replicas answer at once leaves no frame waiting, and yet one alone would drown in it, be given company
    again, and so on.

    While a run is on, that is until `run_ends_after_s` seconds without a request, there are at least `pinned` replicas,
    however little they have to do between two rollouts. Serve itself then applies the delays and the limits of its
    autoscaling configuration.
    """

    def __init__(
        self,
        target_frames: float,
        shrink_below: float = 0.7,
        max_busy: float = 0.8,
        pinned: int = 1,
        run_ends_after_s: float = 120.0,
    ) -> None:
        """Make the policy; Serve does it in the controller.

        Args:
            target_frames: Frames waiting a replica that scaling aims at.
            shrink_below: Share of `target_frames` that the remaining replicas may have waiting after one is given up.
            max_busy: Share of their time that the remaining replicas may be busy after one is given up.
            pinned: Least number of replicas while a run is on.
            run_ends_after_s: Seconds without a request after which a run counts as over.
        """
        self._target_frames = target_frames
        self._shrink_below = shrink_below
        self._max_busy = max_busy
        self._pinned = pinned
        self._run_ends_after_s = run_ends_after_s

    def __call__(self, ctx: Any) -> tuple[int, dict[str, Any]]:
        """Return the number of replicas wanted and the state to keep.

        Args:
            ctx: Serve's `AutoscalingContext`.
        """
        reports = ctx.aggregated_metrics or {}
        state = dict(ctx.policy_state)
        sizes = reports.get(FRAMES_PER_REQUEST, {}).values()
        frames_per_request = max(sizes) if sizes else 1.0
        queued = max(0.0, ctx.total_queued_requests or 0.0) * frames_per_request
        waiting = sum(reports.get(WAITING_FRAMES, {}).values()) + queued
        # A replica that has just taken over another's callers reports what it had before: the sum dips whenever one is
        # given up, and would take the next along. So it is believed to fall no faster than this.
        fading = math.exp(-(ctx.current_time - state.get("at", ctx.current_time)) / _BUSY_FADES_S)
        busy = max(sum(reports.get(BUSY_REPLICAS, {}).values()), state.get("busy", 0.0) * fading)
        state.update(at=ctx.current_time, busy=busy)
        # The means above look back a second. To grow, the last word counts: Serve's upscale delay outlasts a blip.
        series = (ctx.raw_metrics or {}).get(WAITING_FRAMES, {}).values()
        waiting_now = sum(points[-1].value for points in series if points) + queued

        now = ctx.target_num_replicas
        wanted = math.ceil(waiting_now / self._target_frames)
        if wanted <= now:
            room = math.ceil(waiting / (self._target_frames * self._shrink_below))
            wanted = min(now, max(room, math.ceil(busy / self._max_busy)))

        # A replica that is gone takes its report along: the state remembers when the last request came.
        idle = min(reports.get(IDLE_S, {}).values(), default=math.inf)
        last_request = max(state.get("last_request", -math.inf), ctx.current_time - (0.0 if queued else idle))
        if last_request > -math.inf:
            state["last_request"] = last_request
        if ctx.current_time - last_request < self._run_ends_after_s:
            wanted = max(wanted, self._pinned)
        return max(wanted, ctx.capacity_adjusted_min_replicas), state
