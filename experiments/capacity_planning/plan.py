"""From costs to a rate, and from a rate to counts.

One step costs a runner `a` seconds, a learner `l`, and the reward `m / f`: the share of frames that are encoded over
frames a second. `R` runners, `P` replicas and `L` learners make

    sampling  s = min(R / a, P f e / m)          e: how well replicas scale
    rate      1 / (1 / s + l / L)                where sampling and learning take turns
              min(s, L / l)                      where they overlap
"""

import math
from dataclasses import dataclass, replace

from experiments.capacity_planning.config import CapacityConfig, Counts, Figure, Part
from vlm_rewards.errors import ConfigError

_MOST = 1_000_000


@dataclass(frozen=True)
class Gain:
    """What one more of a part buys.

    Attributes:
        part: The part.
        rate: Environment steps a second with it.
        hours_saved: Hours by which the run is shorter.
        cost_saved: Cost by which it is cheaper, negative where dearer; None without prices.
    """

    part: Part
    rate: float
    hours_saved: float
    cost_saved: float | None


@dataclass(frozen=True)
class Plan:
    """Counts, and what they make.

    Attributes:
        counts: How many of each.
        rate: Environment steps a second.
        hours: Hours that the run takes.
        cpus: CPUs of all processes, the driver's included where nothing else is in it.
        gpus: GPUs of all.
        memory_gb: Memory of all.
        cost: Cost of the run; None without prices.
        bottleneck: What most of it waits for.
        gains: What one more of each buys.
    """

    counts: Counts
    rate: float
    hours: float
    cpus: float
    gpus: float
    memory_gb: float
    cost: float | None
    bottleneck: Part
    gains: tuple[Gain, ...] = ()


def plan(config: CapacityConfig) -> Plan:
    """Return the smallest counts that reach the target, or what given ones make.

    Raises:
        ConfigError: No counts reach it.
    """
    counts = config.counts or _smallest(config)
    here = _evaluated(config, counts)
    gains = []
    for part in ("runners", "replicas", "learners"):
        if part == "replicas" and not config.reward.served:
            continue
        more = _evaluated(config, counts.model_copy(update={part: getattr(counts, part) + 1}))
        saved = None if here.cost is None or more.cost is None else here.cost - more.cost
        gains.append(Gain(part, more.rate, here.hours - more.hours, saved))
    best = max(gains, key=lambda gain: gain.rate * (1 - 1e-9 * gains.index(gain)))
    return replace(here, bottleneck=best.part, gains=tuple(gains))


def rate(config: CapacityConfig, counts: Counts) -> float:
    """Return environment steps a second."""
    sampling = min(counts.runners / _runner_seconds(config), _reward_limit(config, counts.replicas))
    learning = counts.learners / _seconds(config.learner.step_ms)
    return min(sampling, learning) if config.learner.overlaps else 1 / (1 / sampling + 1 / learning)


def figures(config: CapacityConfig) -> dict[str, Figure]:
    """Return every number that the plan rests on, by the setting that holds it."""
    found: dict[str, Figure] = {"runner_memory_gb": config.runner_memory_gb}
    for room, part in (("step", config.step), ("reward", config.reward), ("learner", config.learner)):
        for name in type(part).model_fields:
            value = getattr(part, name)
            if isinstance(value, Figure):
                found[f"{room}.{name}"] = value
    return found


def _smallest(config: CapacityConfig) -> Counts:
    target = config.env_steps / (config.hours * 3600) if config.hours else (config.steps_per_day or 0) / 86400
    learn = _seconds(config.learner.step_ms)
    if config.learner.overlaps:
        learners = math.ceil(target * learn / config.headroom)
        sampling = target
    else:
        # Half of the time at most is learning: more runners cannot make up for a learner that has no end.
        learners = max(1, math.ceil(target * learn / 0.5))
        sampling = 1 / (1 / target - learn / learners)
    runners = math.ceil(sampling * _runner_seconds(config))
    replicas = 0
    if config.reward.served:
        replicas = math.ceil(sampling / (_reward_limit(config, 1) * config.headroom))
        if replicas > 1:
            alone = _reward_limit(config, 1) * config.headroom * config.reward.scaling.value
            replicas = math.ceil(sampling / alone)
    if max(runners, replicas, learners) > _MOST:
        raise ConfigError(f"{target:.0f} steps a second take more than {_MOST:,} of a part: set a later target")
    return Counts(runners=max(1, runners), replicas=replicas, learners=max(1, learners))


def _evaluated(config: CapacityConfig, counts: Counts) -> Plan:
    steps = rate(config, counts)
    hours = config.env_steps / steps / 3600
    reward, learner = config.reward, config.learner
    replicas = counts.replicas if reward.served else 0
    cpus = counts.runners + replicas * reward.cpus + counts.learners * learner.cpus
    gpus = replicas * reward.gpus + counts.learners * learner.gpus
    memory = (
        counts.runners * config.runner_memory_gb.value
        + replicas * reward.memory_gb.value
        + counts.learners * learner.memory_gb.value
    )
    return Plan(counts, steps, hours, cpus, gpus, memory, _cost(config, hours, cpus, gpus), "runners")


def _cost(config: CapacityConfig, hours: float, cpus: float, gpus: float) -> float | None:
    prices = config.prices
    if prices.cpu_hour is None or (gpus and prices.gpu_hour is None):
        return None
    return hours * (cpus * prices.cpu_hour + gpus * (prices.gpu_hour or 0))


def _runner_seconds(config: CapacityConfig) -> float:
    step, reward = config.step, config.reward
    seconds = _seconds(step.environment_ms) + _seconds(step.reward_frame_ms) + _seconds(step.overhead_ms)
    # Whoever asks a replica waits for it: for the way, and for the encoding of what is new.
    assert reward.frames_per_second is not None
    return seconds + _seconds(reward.way_ms) + (1 - reward.cache_hit_rate.value) / reward.frames_per_second.value


def _reward_limit(config: CapacityConfig, replicas: int) -> float:
    reward = config.reward
    if not reward.served:
        return math.inf
    assert reward.frames_per_second is not None
    scaling = reward.scaling.value if replicas > 1 else 1.0
    return replicas * scaling * reward.frames_per_second.value / (1 - reward.cache_hit_rate.value)


def _seconds(figure: Figure | None) -> float:
    assert figure is not None, "the settings are complete"
    return figure.value / 1000
