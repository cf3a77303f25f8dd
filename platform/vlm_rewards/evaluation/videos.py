"""Videos of evaluation episodes: what the agent saw, and what the reward model made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from vlm_rewards.evaluation.episodes import EpisodeSpec, Policy
from vlm_rewards.service import RewardClient

PANEL_HEIGHT = 86
BAR_HEIGHT = 10
MARGIN = 10
BACKGROUND, TEXT, FAINT = (24, 26, 31), (240, 240, 240), (120, 124, 132)
BELOW, ABOVE = (66, 133, 244), (52, 168, 83)


@dataclass(frozen=True)
class RecordedEpisode:
    """One episode as it is shown.

    Attributes:
        title: The goal in words.
        frames: uint8 (T+1, H, W, 3), human-readable renderings, the first after reset.
        probabilities: float32 (T+1,), p(goal) of each state; None without a reward model, as is `beta`.
        beta: The reward's threshold.
        success: Ground truth.
    """

    title: str
    frames: npt.NDArray[np.uint8]
    probabilities: npt.NDArray[np.float32] | None
    beta: float | None
    success: bool


def record_episode(
    env: gym.Env[Any, Any],
    policy: Policy,
    client: RewardClient | None,
    spec: EpisodeSpec,
    title: str,
    beta: float | None,
) -> RecordedEpisode:
    """Run one episode and score each of its states.

    Args:
        env: A `RewardableEnv` with `render_mode="rgb_array"`.
        policy: Chooses the actions.
        client: Scores the reward frames; None leaves p(goal) out.
        spec: The episode.
        title: The goal in words.
        beta: The reward's threshold, drawn as a mark.
    """
    observation, info = env.reset(seed=spec.seed, options={"goal_id": spec.goal_id})
    policy.start([0], [spec.seed])
    pictures: list[Any] = [env.render()]
    draw = env.get_wrapper_attr("reward_frame")
    reward_frames = [draw()]
    ended = False
    while not ended:
        action = policy.act({key: value[None] for key, value in observation.items()}, [0])
        observation, _, terminated, truncated, info = env.step(int(action[0]))
        pictures.append(env.render())
        reward_frames.append(draw())
        ended = terminated or truncated
    frames = np.stack(reward_frames)
    scores = None if client is None else client.score(frames, [spec.goal_id] * len(frames)).scores
    return RecordedEpisode(title, np.stack(pictures), scores, beta, bool(info["is_success"]))


def write_gif(episodes: Sequence[RecordedEpisode], path: Path, seconds: float = 15.0) -> None:
    """Write the episodes side by side as one GIF; those that end early hold their last frame.

    Args:
        episodes: Recorded with equal frame sizes.
        path: The GIF to write.
        seconds: Length of the film at most. A step is shown for 0.6 s, or for less where there are many.
    """
    longest = max(len(episode.frames) for episode in episodes)
    sheets = [
        Image.fromarray(np.concatenate([_panel(episode, min(t, len(episode.frames) - 1)) for episode in episodes], 1))
        for t in range(longest)
    ]
    # One palette for the whole film, taken from all its frames: per-frame palettes flicker.
    strip = Image.fromarray(np.concatenate([np.asarray(sheet)[::4, ::4] for sheet in sheets], 0))
    palette = strip.quantize(256, method=Image.Quantize.MEDIANCUT)
    frames = [sheet.quantize(palette=palette, dither=Image.Dither.NONE) for sheet in sheets]
    milliseconds = max(40, int(1000 * min(0.6, seconds / longest)))
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=[milliseconds] * (longest - 1) + [milliseconds * 4],
        loop=0,
    )


def _panel(episode: RecordedEpisode, t: int) -> npt.NDArray[np.uint8]:
    """Return one picture with its goal above and p(goal) below: now as a bar, and over time as a curve."""
    height, width = episode.frames.shape[1:3]
    below = 26 if episode.probabilities is None else PANEL_HEIGHT
    canvas = Image.new("RGB", (width + 2 * MARGIN, height + below + 26), BACKGROUND)
    draw = ImageDraw.Draw(canvas)
    font, small = ImageFont.load_default(15), ImageFont.load_default(12)
    draw.text((MARGIN, 5), episode.title, fill=TEXT, font=font)
    canvas.paste(Image.fromarray(episode.frames[t]), (MARGIN, 26))

    top, left, right = height + 34, MARGIN, MARGIN + width
    last = t == len(episode.frames) - 1
    state = ("reached" if episode.success else "not reached") if last else f"step {t}"
    draw.text((right, top - 2), state, fill=ABOVE if last and episode.success else FAINT, font=small, anchor="ra")
    if episode.probabilities is None or episode.beta is None:
        return np.asarray(canvas)
    p = float(episode.probabilities[t])
    colour = ABOVE if p > episode.beta else BELOW
    draw.text((left, top - 2), f"p(goal) {p:.2f}", fill=TEXT, font=small)
    bar = top + 16
    draw.rectangle((left, bar, right, bar + BAR_HEIGHT), fill=(48, 51, 58))
    draw.rectangle((left, bar, left + p * width, bar + BAR_HEIGHT), fill=colour)
    mark = left + episode.beta * width
    draw.line((mark, bar - 2, mark, bar + BAR_HEIGHT + 2), fill=TEXT, width=2)

    floor, ceiling = height + 26 + PANEL_HEIGHT - 6, bar + BAR_HEIGHT + 8
    span = max(len(episode.frames) - 1, 1)
    curve = [
        (left + width * i / span, floor - (floor - ceiling) * float(q))
        for i, q in enumerate(episode.probabilities[: t + 1])
    ]
    draw.line((left, floor, right, floor), fill=FAINT)
    if len(curve) > 1:
        draw.line(curve, fill=colour, width=2)
    draw.ellipse((curve[-1][0] - 3, curve[-1][1] - 3, curve[-1][0] + 3, curve[-1][1] + 3), fill=colour)
    return np.asarray(canvas)
