"""One cascade from its settings to a training preset: the schema of `presets/cascade/*.yaml`."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from pydantic import Field

from envs.registry import make_env
from experiments.cascading.players import Agent, BeginnerAndScript, Player
from experiments.cascading.stream import FrameStream, play
from experiments.cascading.threshold import CascadeLoss, choose_threshold
from experiments.offline.rewards import vary
from experiments.shared.atomic_files import write_atomically
from experiments.shared.preset_files import load_preset
from experiments.shared.progress import Bars
from experiments.training.config import TrainConfig
from experiments.training.environments import task_set_of
from vlm_rewards.errors import ConfigError
from vlm_rewards.heads import Cascade
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.rllib.rllib_env import RLlibRewardVectorEnv
from vlm_rewards.rllib.saved_agent import agent_of
from vlm_rewards.strict_config import StrictConfig

# Each way is timed so often; the least counts, since other processes only add.
_ROUNDS = 3


class CascadeConfig(StrictConfig):
    """One calibration.

    Attributes:
        train: Training preset; its reward is that of the large model, and its environment is played.
        small: Models that may go before it: packaged names, folders or hub ids.
        rewards: Of the large model, in each half; play ends when both have them.
        steps: Environment steps at most.
        agent: Folder of a run whose newest checkpoint plays as many steps again, for the test alone; it holds pickles,
            which run code: only folders of your own.
        seed: Seed of what is played.
    """

    train: str
    small: tuple[str, ...] = Field(min_length=1)
    rewards: int = Field(default=3000, ge=1)
    steps: int = Field(default=300_000, ge=1)
    agent: str | None = None
    seed: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class CalibratedCascade:
    """A small model before the large one.

    Attributes:
        reward: The reward with the cascade.
        calibration: What its threshold does to the half that chose it.
        test: What it does to the other half, and by player.
        milliseconds: Processor time a frame, of the test's requests.
    """

    reward: RewardConfig
    calibration: CascadeLoss
    test: dict[str, CascadeLoss]
    milliseconds: float

    @property
    def head(self) -> Cascade:
        """The reward's head."""
        assert isinstance(self.reward.head, Cascade)
        return self.reward.head


class CascadeCalibration:
    """Plays, chooses a threshold for each small model on half of the episodes, and tests it on the others."""

    def __init__(self, config: CascadeConfig, reward_file: Path | None = None) -> None:
        """Load everything that was asked for, before anything is played.

        Args:
            config: The calibration.
            reward_file: Training preset to write; None writes none.

        Raises:
            ConfigError: The preset trains on no reward of the paper's form, or something named cannot be used.
            CheckpointError: A model is no usable dual encoder.
            SelfCheckError: A model's weights are not the recorded ones.
        """
        self._config, self._reward_file = config, reward_file
        self._train = TrainConfig(**load_preset("train", config.train))
        reward = self._train.reward_model
        if reward.head.form != "softmax_binary" or not reward.head.agree.is_of_one:
            raise ConfigError(
                f"preset {config.train!r} has a reward that no cascade gives: the form is softmax_binary, of states "
                "that are judged alone; name a preset with that one"
            )
        self._task_set = task_set_of(self._train)
        self._large = RewardModel(reward, self._task_set)
        self._small = {name: RewardModel(vary(reward, model=name), self._task_set) for name in config.small}
        self._agent = None if config.agent is None else agent_of(config.agent)

    def execute(self) -> list[CalibratedCascade]:
        """Play, choose, test, and write the preset of the cheapest.

        Returns:
            One for each small model, in their order.

        Raises:
            ConfigError: There are too few rewards for a threshold.
        """
        with Bars() as bars:
            stream = self._play(BeginnerAndScript(), bars)
            calibrating = _half(stream.episode) == 0
            streams = [_part(stream, ~calibrating)]
            if self._agent is not None:
                streams.append(self._play(Agent(self._agent, self._config.seed), bars, "the agent's frames"))
            requests = streams[0].sample
            alone = self._milliseconds(self._large, requests)
            bars.tell(f"{self._train.reward_model.model} alone: {alone:.2f} ms of one core a frame")
            found = []
            for name in self._config.small:
                found.append(self._calibrated(name, _part(stream, calibrating), streams))
                for line in _report(found[-1]):
                    bars.tell(line)
            best = min(found, key=lambda one: one.milliseconds)
            if self._reward_file is not None:
                write_atomically(self._reward_file, self._preset(best, alone))
                bars.tell(str(self._reward_file))
            return found

    def _play(self, player: Player, bars: Bars, stage: str = "frames") -> FrameStream:
        config, train = self._config, self._train
        rewards = np.zeros(2, int)  # of each half

        def enough(taken: int, rewarded: np.ndarray) -> bool:
            rewards[:] += np.bincount(_half(rewarded), minlength=2)
            bars.show(stage, taken, config.steps, f"{rewards.sum():,} rewards")
            return bool((rewards >= config.rewards).all())

        options = {**train.environment.options, "terminate_on_success": False}
        context = {
            "env": partial(make_env, train.environment.id),
            "env_kwargs": options,
            "num_envs": train.sampling.num_envs_per_env_runner,
            "exploring_starts": train.exploring_starts,
        }
        env = RLlibRewardVectorEnv(context)
        try:
            return play(env, player, self._large, self._small, config.steps, config.seed, enough)
        finally:
            env.close()

    def _calibrated(self, name: str, calibration: FrameStream, tests: Sequence[FrameStream]) -> CalibratedCascade:
        rewarded = self._large.reward(calibration.large) > 0
        threshold = choose_threshold(calibration.small[name][rewarded], self._large.beta)
        reward = vary(self._large.config, head=Cascade(model=name, threshold=threshold))
        model = RewardModel(reward, self._task_set, reward.join([self._large.encoder, self._small[name].encoder]))
        return CalibratedCascade(
            reward,
            CascadeLoss.of(calibration.small[name], rewarded, threshold),
            dict(self._losses(name, threshold, tests)),
            self._milliseconds(model, tests[0].sample),
        )

    def _losses(self, name: str, threshold: float, tests: Sequence[FrameStream]) -> Iterator[tuple[str, CascadeLoss]]:
        for stream in tests:
            rewarded = self._large.reward(stream.large) > 0
            for player in np.unique(stream.player):
                rows = stream.player == player
                yield str(player), CascadeLoss.of(stream.small[name][rows], rewarded[rows], threshold)

    def _milliseconds(self, model: RewardModel, requests: Sequence[tuple[np.ndarray, list[str]]]) -> float:
        def once() -> float:
            start = time.process_time()
            for frames, goal_ids in requests:
                model.score(frames, goal_ids)
            return time.process_time() - start

        return 1000 * min(once() for _ in range(_ROUNDS)) / sum(len(frames) for frames, _ in requests)

    def _preset(self, best: CalibratedCascade, alone: float) -> str:
        lines = [
            f"# Written by: python -m experiments.cascade, of training preset {self._config.train}",
            *(f"# {line}" for line in _report(best)),
            f"# {self._train.reward_model.model} alone: {alone:.2f} ms.",
        ]
        body = {"extends": self._config.train, "reward": {"head": best.head.model_dump(exclude={"frames", "agree"})}}
        return "\n".join([*lines, yaml.safe_dump(body, sort_keys=False)])


def _half(episodes: np.ndarray) -> np.ndarray:
    """Return which half they are of: players take turns, so two successive episodes are of one."""
    return episodes // 2 % 2


def _report(one: CalibratedCascade) -> Iterator[str]:
    yield f"{one.head.model}, threshold {one.head.threshold:.6g}: {one.milliseconds:.2f} ms of one core a frame"
    yield f"{one.head.model}, calibration: {one.calibration.in_words()}"
    for player, loss in one.test.items():
        yield f"{one.head.model}, test, {player}: {loss.in_words()}"


def _part(stream: FrameStream, rows: np.ndarray) -> FrameStream:
    small = {name: scores[rows] for name, scores in stream.small.items()}
    return FrameStream(stream.episode[rows], stream.player[rows], stream.large[rows], small, stream.sample)
