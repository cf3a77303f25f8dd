"""The frames that a training would ask its reward about, scored by the large and by the small models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from experiments.cascading.players import Player
from vlm_rewards.environment.vector_env import RewardVectorEnv
from vlm_rewards.reward_model import RewardModel

# Vector steps whose frames are kept, to measure time on.
_KEPT = 48


@dataclass
class FrameStream:
    """Scored states in the order in which they were played; frames are not kept but for a sample.

    Attributes:
        episode: int (N,), numbers of their episodes.
        player: (N,), who acted.
        large: float32 (N,), the large model's scores.
        small: By small model, float32 (N,).
        sample: Requests of one vector step each, drawn evenly: uint8 (n, H, W, 3) and n goal ids.
    """

    episode: npt.NDArray[np.int64]
    player: npt.NDArray[np.object_]
    large: npt.NDArray[np.float32]
    small: dict[str, npt.NDArray[np.float32]]
    sample: list[tuple[npt.NDArray[np.uint8], list[str]]] = field(default_factory=list)


def play(
    env: RewardVectorEnv,
    player: Player,
    large: RewardModel,
    small: Mapping[str, RewardModel],
    steps: int,
    seed: int,
    enough: Callable[[int, npt.NDArray[np.int64]], bool],
) -> FrameStream:
    """Play as training does: a reward of the large model ends its episode.

    Args:
        env: The training's environments.
        player: Who acts.
        large: The reward.
        small: Models to go before it, by name.
        steps: Environment steps at most.
        seed: Decides what the environments show and what is drawn.
        enough: Told after each vector step how many steps were taken by then, and which episodes it rewarded; True ends
            the play.
    """
    rng = np.random.default_rng(seed)
    observations, _ = env.reset(seed=seed)
    episodes, begun = np.zeros(env.num_envs, np.int64), 0
    players = np.empty(env.num_envs, object)
    parts: list[FrameStream] = []
    sample: list[tuple[npt.NDArray[np.uint8], list[str]]] = []
    starting, over = np.ones(env.num_envs, np.bool_), np.zeros(env.num_envs, np.bool_)
    taken = 0
    while taken < steps:
        for slot in np.flatnonzero(starting):
            episodes[slot], players[slot] = begun, player.begin(int(slot), begun, env.envs[slot], rng)
            begun += 1
        # Those whose episode is over are reset by this step, whatever their action.
        stepped, starting = np.flatnonzero(~over).tolist(), over
        actions = np.zeros(env.num_envs, np.int64)
        actions[stepped] = player.act(observations, stepped)
        observations, _, terminated, truncated, _ = env.step(actions)
        over = terminated | truncated
        if not stepped:
            continue
        frames, goal_ids = env.reward_frames(stepped), env.goal_ids(stepped)
        scores = large.score(frames, goal_ids)
        of_small = {name: model.score(frames, goal_ids) for name, model in small.items()}
        parts.append(FrameStream(episodes[stepped], players[stepped], scores, of_small))
        paid = np.array(stepped)[large.reward(scores) > 0]
        env.end_episodes(paid)
        over[paid] = True
        taken += len(stepped)
        if len(sample) < _KEPT:
            sample.append((frames, goal_ids))
        elif (place := int(rng.integers(len(parts)))) < _KEPT:
            sample[place] = (frames, goal_ids)
        if enough(taken, episodes[paid]):
            break
    return FrameStream(
        episode=np.concatenate([part.episode for part in parts]),
        player=np.concatenate([part.player for part in parts]),
        large=np.concatenate([part.large for part in parts]),
        small={name: np.concatenate([part.small[name] for part in parts]) for name in small},
        sample=sample,
    )
