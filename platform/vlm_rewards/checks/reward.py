"""Whether a reward can pay for its goals at all, and for nothing else, before anything is trained on it."""

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from vlm_rewards.checks.finding import Finding
from vlm_rewards.encoders import Encoder, ReadsTexts
from vlm_rewards.errors import VLMRewardsError
from vlm_rewards.goals import PromptTemplate, TaskSet
from vlm_rewards.reward_model import RewardConfig, RewardModel

# Names said of each finding; a task set may have hundreds of goals.
_NAMED = 3
_BATCH = 16


def check_reward(config: RewardConfig, task_set: TaskSet) -> Iterator[Finding]:
    """Check a reward, and yield what is found as it is found.

    Args:
        config: The reward's settings.
        task_set: Its goals.
    """
    before = resident_bytes()
    start = time.perf_counter()
    try:
        encoder = config.load_encoder()
    except VLMRewardsError as error:
        yield Finding("fail", f"model {config.model!r}: {error}")
        return
    yield Finding("ok", f"model {config.model!r} is the recorded one; loaded in {time.perf_counter() - start:.1f} s")
    yield from _numbers(config)
    try:
        prompts = config.prompts(task_set)
    except VLMRewardsError as error:
        yield Finding("fail", str(error))
        return
    yield from _texts(config, encoder, prompts)
    try:
        model = RewardModel(config, task_set, encoder)
    except VLMRewardsError as error:
        yield Finding("fail", str(error))
        return
    yield Finding("ok", f"the model tells its {len(prompts)} goals from each other and from their negatives")
    yield from _reachable(model)
    yield from _empty_views(model)
    yield from _cost(model, before)


def _numbers(config: RewardConfig) -> Iterator[Finding]:
    if config.head.terminates and config.beta >= 1:
        yield Finding(
            "fail", f"beta is {config.beta:g}, which no probability is above", "lower it: calibrate finds one"
        )
    if config.head.terminates and config.beta == 0:
        yield Finding("fail", "beta is 0, so every picture is paid", "raise it: calibrate finds one")


def _texts(config: RewardConfig, encoder: Encoder, prompts: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    texts = list(dict.fromkeys(text for own in prompts.values() for text in own))
    template = PromptTemplate.named(config.template).text
    yield Finding("note", f"template {template!r}, {len(prompts)} goals, {len(texts)} captions in all")
    if not isinstance(encoder, ReadsTexts):
        return
    readings = dict(zip(texts, encoder.read_texts(texts), strict=True))
    unknown = [text for text in texts if readings[text].unknown]
    if unknown:
        yield Finding(
            "warn",
            f"the model does not know every word of {len(unknown)} captions, such as {_some(unknown)}",
            "say it in words that its training had",
        )
    else:
        yield Finding("ok", "the model knows every word of every caption")
    by_tokens: dict[tuple[int, ...], list[str]] = {}
    for text in texts:
        by_tokens.setdefault(readings[text].tokens, []).append(text)
    collisions = [same for same in by_tokens.values() if len(same) > 1]
    for same in collisions[:_NAMED]:
        yield Finding("warn", f"the model reads {_some(same)} as one", "reword or drop one: it counts twice")


def _reachable(model: RewardModel) -> Iterator[Finding]:
    """Bound p by how near a goal's words are to a negative's: no picture can be nearer to one than that.

    |f·g - f·n| <= |g - n| for f of length 1, so p <= 1 / (1 + exp(-|g - n| / tau)), for any picture f.
    """
    config = model.config
    if not config.head.uses_negatives or (config.head.terminates and config.beta >= 1):
        return
    bounds = {}
    for goal in model.task_set.all_goals:
        texts = model.text_embeddings(goal.id).astype(np.float64)
        distances = np.linalg.norm(texts[1:] - texts[0], axis=1)
        nearest = int(distances.argmin())
        bounds[goal.id] = 1 / (1 + np.exp(-distances[nearest] / config.tau)), model.prompts(goal.id)[1 + nearest]
    hardest = sorted(bounds, key=lambda goal_id: bounds[goal_id][0])
    limit = config.beta if config.head.terminates else 0.6
    never = [goal_id for goal_id in hardest if bounds[goal_id][0] <= limit]
    for goal_id in never[:_NAMED]:
        most, negative = bounds[goal_id]
        yield Finding(
            "fail" if config.head.terminates else "warn",
            f"goal {goal_id!r} is so near to {negative!r} that p is {most:.3f} at most, whatever the picture",
            f"reword one of them, or lower tau below {config.tau:g}" + (" or beta" if config.head.terminates else ""),
        )
    if len(never) > _NAMED:
        yield Finding("note", f"so are {len(never) - _NAMED} more goals")
    if not never:
        most, negative = bounds[hardest[0]]
        yield Finding("ok", f"every goal can be paid; the hardest to tell is {hardest[0]!r} from {negative!r}")


def _empty_views(model: RewardModel) -> Iterator[Finding]:
    """Score what shows nothing at all, which must be paid for no goal."""
    height, width = model.encoder.image_size
    views = {
        "black": np.zeros((height, width, 3), np.uint8),
        "grey": np.full((height, width, 3), 128, np.uint8),
        "white": np.full((height, width, 3), 255, np.uint8),
        "noisy": np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8),
    }
    goal_ids = [goal.id for goal in model.task_set.all_goals]
    has_states = model.config.negatives.kind == "goals_and_states"
    fix = (
        "add such views to unachieved_captions" if has_states else "add captions of them (negatives: goals_and_states)"
    )
    scores = model.score_all(np.stack(list(views.values())), goal_ids)
    for name, row in zip(views, scores, strict=True):
        best = int(row.argmax())
        said = f"of a {name} picture the highest score is {row[best]:.3f}, for goal {goal_ids[best]!r}"
        paid = int((model.reward(row) > 0).sum()) if model.config.head.terminates else 0
        if paid:
            yield Finding(
                "warn",
                f"{said}, and {paid} of {len(goal_ids)} goals are paid",
                f"{fix}, or raise beta",
            )
        else:
            yield Finding("ok" if model.config.head.terminates else "note", said)


def _cost(model: RewardModel, before: int) -> Iterator[Finding]:
    height, width = model.encoder.image_size
    frames = np.random.default_rng(1).integers(0, 256, (_BATCH, height, width, 3), dtype=np.uint8)
    goal_id = model.task_set.all_goals[0].id
    one, batch = (_seconds(model, frames[:count], goal_id) for count in (1, _BATCH))
    yield Finding(
        "note",
        f"a picture of {height} x {width} takes {1e3 * one:.1f} ms alone and {1e3 * batch / _BATCH:.1f} ms among "
        f"{_BATCH}; all of it takes {(resident_bytes() - before) / 2**20:.0f} MiB of memory",
    )


def _seconds(model: RewardModel, frames: npt.NDArray[np.uint8], goal_id: str) -> float:
    def score() -> None:
        # By whole embeddings: noise is refused by a cascade's small model, and its large one would look free.
        model.score_embeddings(model.embed(frames), [goal_id] * len(frames))

    score()  # the first of a size may compile
    times = []
    for _ in range(5):
        start = time.perf_counter()
        score()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def resident_bytes() -> int:
    """Return the memory that this process holds, in bytes; 0 where the system does not say."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return 0


def _some(texts: Sequence[str]) -> str:
    return ", ".join(repr(text) for text in texts[:_NAMED])
