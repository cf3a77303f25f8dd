"""Recording episodes while they are played or read, within a bound on what they take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from vlm_rewards.evaluation.recording.episode import EpisodeRecord, FrameSheet, Shares
from vlm_rewards.evaluation.recording.facts import Kind, RecordingFacts
from vlm_rewards.evaluation.recording.recording import Recording
from vlm_rewards.evaluation.recording.scoring import ScoredStates, StateScorer

# Negatives that are kept one by one, the nearest of each episode; the others are one number a state.
_MOST_CAPTIONS = 64
_FEWEST_CAPTIONS = 8
_SHARES_PART = 1 / 3


@dataclass
class _Frames:
    """Frames of one episode, each kept once."""

    distinct: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    tile: list[int] = field(default_factory=list)
    _known: dict[bytes, int] = field(default_factory=dict)

    def add(self, frame: npt.NDArray[np.uint8]) -> None:
        key = frame.tobytes()
        if key not in self._known:
            self._known[key] = len(self.distinct)
            self.distinct.append(np.array(frame))
        self.tile.append(self._known[key])

    def sheet(self) -> FrameSheet:
        return FrameSheet.of(self.distinct, self.tile)


@dataclass
class RunningEpisode:
    """An episode that is being recorded.

    Attributes:
        number: Of the episode in its run, or of the trajectory in its dataset.
        goal_id: Its goal.
        instruction: The goal in words.
        family: Name of the goals' task set or family.
        seed: What decides everything else in it.
        actor: Who acts.
    """

    number: int
    goal_id: str
    instruction: str
    family: str
    seed: int
    actor: str
    _action: list[int] = field(default_factory=list)
    _true_reward: list[float] = field(default_factory=list)
    _achieved: list[bool] = field(default_factory=list)
    _agent: _Frames = field(default_factory=_Frames)
    _reward: _Frames = field(default_factory=_Frames)

    def add(
        self,
        action: int,
        true_reward: float,
        achieved: bool,
        agent_frame: npt.NDArray[np.uint8] | None,
        reward_frame: npt.NDArray[np.uint8],
    ) -> None:
        """Add a state.

        Args:
            action: That led to it; -1 for the first.
            true_reward: The environment's own reward for it.
            achieved: Ground truth: whether the goal holds.
            agent_frame: uint8 (h, w, 3), what the agent sees; None where that is not known.
            reward_frame: uint8 (h, w, 3), what the reward model sees.
        """
        self._action.append(action)
        self._true_reward.append(true_reward)
        self._achieved.append(achieved)
        if agent_frame is not None:
            self._agent.add(agent_frame)
        self._reward.add(reward_frame)


class EpisodeRecorder:
    """Keeps episodes as they were: `run_episodes` hands it each state, or a reader of datasets does.

    It looks and changes nothing: an evaluation has the same result with and without it. What it keeps of the truth goes
    into the recording alone.
    """

    def __init__(
        self,
        *,
        name: str,
        kind: Kind,
        scorer: StateScorer | None,
        family: str = "",
        instruction: Callable[[str], str] = str,
        most_episodes: int = 300,
        most_bytes: int = 14_000_000,
    ) -> None:
        """Begin with nothing.

        Args:
            name: The run's, or the dataset's.
            kind: `evaluation` or `dataset`.
            scorer: Scores the states whose goals it knows; None scores none.
            family: Name of the evaluated goals' task set.
            instruction: Returns an evaluated goal's words by its id.
            most_episodes: Episodes that are recorded, the first.
            most_bytes: Bytes of pictures and shares together; above it pictures are left out, first of those episodes
                in which reward and truth agree.
        """
        self._name, self._kind, self._scorer = name, kind, scorer
        self._family, self._instruction = family, instruction
        self._most_episodes, self._most_bytes = most_episodes, most_bytes
        self._running: dict[int, RunningEpisode] = {}
        self._done: list[EpisodeRecord] = []
        self._captions: dict[str, int] = {}
        self._actions: tuple[str, ...] = ()

    def begin(
        self, slot: int, number: int, goal_id: str, seed: int, env: gym.Env[Any, Any], first: Any, info: Any
    ) -> None:
        """Take note that episode `number` has begun in environment `slot`, with this observation and info."""
        if number >= self._most_episodes:
            return
        if not self._actions and env.has_wrapper_attr("action_names"):
            self._actions = tuple(map(str, env.get_wrapper_attr("action_names")))
        words = self._instruction(goal_id)
        episode = RunningEpisode(number, goal_id, words, self._family, seed, "the trained agent")
        self._running[slot] = episode
        episode.add(-1, 0.0, bool(info["goal_achieved"]), first["image"], env.get_wrapper_attr("reward_frame")())

    def step(
        self, slot: int, env: gym.Env[Any, Any], action: int, seen: Any, reward: float, info: Any, ended: bool
    ) -> None:
        """Take note of a step in environment `slot`: its action, and what followed."""
        episode = self._running.get(slot)
        if episode is None:
            return
        frame = env.get_wrapper_attr("reward_frame")()
        episode.add(action, float(reward), bool(info["goal_achieved"]), seen["image"], frame)
        if ended:
            self.add(self._running.pop(slot))

    def add(self, episode: RunningEpisode) -> None:
        """Take an episode that has ended: score its states, and keep its pictures.

        Raises:
            VLMRewardsError: The reward did not answer.
        """
        scorer = self._scorer if self._scorer is not None and self._scorer.knows(episode.goal_id) else None
        sheet, scored = episode._reward.sheet(), None
        if scorer is not None:
            scored = scorer.score(np.stack(episode._reward.distinct), sheet.tile, episode.goal_id)
        self._done.append(
            EpisodeRecord(
                number=episode.number,
                goal_id=episode.goal_id,
                instruction=episode.instruction,
                family=episode.family,
                seed=episode.seed,
                actor=episode.actor,
                action=np.asarray(episode._action, np.int32),
                true_reward=np.asarray(episode._true_reward, np.float32),
                achieved=np.asarray(episode._achieved, np.bool_),
                score=None if scored is None else scored.score,
                reward=None if scored is None else scored.reward,
                shares=None if scored is None else self._shares(scored),
                agent_frames=episode._agent.sheet() if episode._agent.tile else None,
                reward_frames=sheet,
                fires=scorer is None or scorer.facts.terminates,
            )
        )

    def recording(self, total: int, actions: Sequence[str] = (), notes: Sequence[str] = ()) -> Recording:
        """Return what was recorded, within the bounds.

        Args:
            total: Episodes that there were.
            actions: Names of the actions, where no environment has told them.
            notes: What else to say of it.
        """
        episodes = sorted(self._done, key=lambda episode: episode.number)
        told = list(notes)
        if len(episodes) < total:
            told.append(f"{len(episodes):,} of {total:,} episodes are recorded.")
        episodes, left_out = _within(episodes, self._most_bytes)
        if left_out:
            told.append(
                f"The pictures of {left_out:,} of {len(episodes):,} episodes are left out, for all to fit into "
                f"{self._most_bytes / 1e6:g} MB; first went those in which reward and truth agree."
            )
        facts = RecordingFacts(
            kind=self._kind,
            name=self._name,
            reward=None if self._scorer is None else self._scorer.facts,
            captions=tuple(self._captions),
            actions=self._actions or tuple(actions),
            total=total,
            notes=tuple(told),
        )
        return Recording(facts, tuple(episodes))

    def _shares(self, scored: ScoredStates) -> Shares:
        """Return the shares of the goal and of the nearest negatives, as many as there is room for."""
        room = int(self._most_bytes * _SHARES_PART / max(1, self._most_episodes) / (2 * len(scored.score)))
        most = min(_MOST_CAPTIONS, max(_FEWEST_CAPTIONS, room))
        nearest = 1 + np.argsort(-scored.similarity[:, 1:].max(axis=0), kind="stable")[: most - 1]
        kept = np.concatenate([[0], np.sort(nearest)]).astype(np.int64)
        others = len(scored.captions) - len(kept)
        rest = np.clip(1 - scored.share[:, kept].sum(axis=1), 0, 1) if others else np.zeros(len(scored.score))
        number = [self._captions.setdefault(scored.captions[index], len(self._captions)) for index in kept]
        return Shares(np.asarray(number, np.int32), scored.similarity[:, kept], rest.astype(np.float32), others)


def _within(episodes: list[EpisodeRecord], most_bytes: int) -> tuple[list[EpisodeRecord], int]:
    """Return the episodes without the pictures that there is no room for, and how many have none."""
    size = sum(episode.nbytes for episode in episodes)
    kept = {episode.number: episode for episode in episodes}
    left_out = 0
    # Where reward and truth part a researcher looks first.
    for episode in sorted(episodes, key=lambda episode: (episode.disagrees, -episode.number)):
        if size <= most_bytes:
            break
        size -= episode.picture_bytes
        left_out += 1
        agent = episode.agent_frames and episode.agent_frames.without_picture()
        kept[episode.number] = replace(
            episode, agent_frames=agent, reward_frames=episode.reward_frames.without_picture()
        )
    return list(kept.values()), left_out
