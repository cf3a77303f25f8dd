"""The reward enters here: between the env's step and the episode that the agent will train on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from ray.rllib.connectors.connector_v2 import ConnectorV2
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.rl_module import RLModule
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.utils.metrics.metrics_logger import MetricsLogger

from vlm_rewards.environment.vector_env import RewardVectorEnv
from vlm_rewards.errors import ConfigError, NonFiniteRewardError, RewardServiceError
from vlm_rewards.heads import agreed_now, rewards_of
from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.rllib.metrics import METRICS_KEY, EpisodeLedger, log_episode, log_requests, log_steps
from vlm_rewards.rllib.training_goals import ACHIEVED, EMBEDDING, TrainingGoals
from vlm_rewards.service import ClientStats, ScoreResult
from vlm_rewards.service.schema import EmbedResult

# What infos say about the truth. It is moved to the ledger and leaves nothing in the episode's infos.
_GROUND_TRUTH_INFOS = ("is_success", "goal_achieved")


class Client(Protocol):
    """What the connector needs of a `RewardClient`."""

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> ScoreResult:
        """Score frames; see `RewardClient.score`."""
        ...

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> ScoreResult:
        """Score frames, uint8 (N, H, W, 3), for each goal; see `RewardClient.score_all`. Only hindsight asks for it."""
        ...

    def embed(self, frames: npt.NDArray[np.uint8]) -> EmbedResult:
        """Embed frames, uint8 (N, H, W, 3); see `RewardClient.embed`. Only the eye asks for it."""
        ...

    def describe(self) -> RewardDescription:
        """Describe the reward; see `RewardClient.describe`."""
        ...

    def pop_stats(self) -> ClientStats:
        """Drain the statistics; see `RewardClient.pop_stats`."""
        ...


@dataclass(frozen=True)
class RewardedStep:
    """One vector step as it was rewarded, for recorders.

    Attributes:
        frames: uint8 (n, h, w, 3), as they were sent.
        goal_ids: Goal ids of the n frames.
        scores: float32 (n,), the reward model's: p(goal) of equation 1, or a dense form's number.
        rewards: float32 (n,), as they were written: 0 or 1 by equation 2, or the dense form's.
        beta: Threshold of equation 2, in [0, 1].
        fingerprint: Fingerprint of the reward.
        episodes: The n episodes, after the reward was written; read them, change nothing.
    """

    frames: npt.NDArray[np.uint8]
    goal_ids: list[str]
    scores: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float32]
    beta: float
    fingerprint: str
    episodes: list[SingleAgentEpisode]


class RewardConnector(ConnectorV2):
    """Writes the reward into the episodes; that of equations 1 and 2 ends those that get one.

    It must be the first piece of the env-to-module pipeline, over a `RewardVectorEnv`. After each vector step it sends
    one request with the frames of all sub-environments that have stepped (final frames of truncated episodes
    included; those just reset have no reward), writes r = [p > beta] over the env's own reward, marks the episodes with
    r = 1 as terminated, and tells the vector env to reset them. Dense reward forms are written too, and end nothing.
    What the env knows of the truth, its own reward and its infos, goes to an `EpisodeLedger` in
    `episode.custom_data["vlm_rewards"]` and stays nowhere else.

    For hindsight it asks for the scores of all training goals instead, which cost the reward model no second look at a
    frame, and leaves [p > beta] of each in the step's info; for the eye it leaves the embedding there.

    There is no state: client and threshold are fetched with the first request, so a restored env runner needs nothing.
    Whatever goes wrong is raised; the connector never writes a reward that did not come from the reward model.
    """

    def __init__(
        self,
        client_factory: Callable[[], Client],
        env: Any = None,
        recorder: Callable[[RewardedStep], None] | None = None,
        goals: TrainingGoals | None = None,
        embeds: bool = False,
    ) -> None:
        """Make the connector; nothing is sent yet. RLlib also builds one in its driver, which is never called.

        Args:
            client_factory: Makes the reward client, in the process of the env runner. Must be picklable.
            env: The env runner's vector env, as given to `env_to_module_connector` factories; None in the driver.
            recorder: Called after each vector step, in the env runner. Must be picklable.
            goals: Leave in each step's info for which of these the reward would be given; None does not.
            embeds: Leave in each step's info the frame's embedding. The reward's cache (`cache_mb`) makes sure that
                it is computed once.
        """
        super().__init__()
        self._client_factory = client_factory
        self._env = env
        self._recorder = recorder
        self._goals = goals
        self._embeds = embeds
        self._client: Client | None = None
        self._description: RewardDescription | None = None

    def get_ctor_args_and_kwargs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return what a checkpoint needs to rebuild this piece: not the env, which cannot be pickled."""
        return (), {
            "client_factory": self._client_factory,
            "recorder": self._recorder,
            "goals": self._goals,
            "embeds": self._embeds,
        }

    def __call__(
        self,
        *,
        rl_module: RLModule,
        batch: dict[str, Any],
        episodes: list[Any],
        explore: bool | None = None,
        shared_data: dict[str, Any] | None = None,
        metrics: MetricsLogger | None = None,
        **kwargs: Any,
    ) -> Any:
        """Reward the step that has just been added to the episodes; return the batch as it came.

        Raises:
            ConfigError: The env is no `RewardVectorEnv`, hides its ground truth, or ended an episode by it; or the
                reward does not know a goal.
            RewardServiceError: No answer, or one that is not the described reward's.
            NonFiniteRewardError: A probability that is not finite.
            InvalidFrameError: The env drew something that is no frame.
        """
        env = self._vector_env(len(episodes))
        infos = kwargs[Columns.INFOS]
        stepped = [i for i, episode in enumerate(episodes) if len(episode) > 0]
        for i in set(range(len(episodes))).difference(stepped):
            pop_ground_truth(infos[i])
        if not stepped:
            return batch
        goal_ids = env.goal_ids(stepped)
        frames = env.reward_frames(stepped)
        client, description = self._connected()
        ledgers = [ledger_of(episodes[i], goal_id) for i, goal_id in zip(stepped, goal_ids, strict=True)]
        scores = self._scores(client, description, frames, ledgers, [infos[i] for i in stepped])
        agreed = agreed_now(scores, [ledger.scores for ledger in ledgers], description.agree)
        rewards = rewards_of(description.terminates, agreed, description.beta)
        if self._embeds:
            for i, embedding in zip(stepped, client.embed(frames).embeddings, strict=True):
                infos[i][EMBEDDING] = embedding

        for k, i in enumerate(stepped):
            episode = episodes[i]
            ledger = ledgers[k]
            book_step(episode, ledger, infos[i])
            if episode.is_terminated and ledger.is_success:
                raise ConfigError(
                    "the env ended an episode because its ground truth says success, which leaks it into training; "
                    "build the env with terminate_on_success=False"
                )
            ledger.scores.append(float(scores[k]))
            ledger.reward_return += float(rewards[k])
            episode.set_rewards(new_data=rewards[k], at_indices=-1)
            # Later pieces are handed the env's arrays beside the episodes: they too shall see what counts.
            kwargs[Columns.REWARDS][i] = rewards[k]
            if description.terminates and rewards[k] > 0:
                ledger.succeeded = True
                episode.is_terminated = True
                kwargs[Columns.TERMINATEDS][i] = True
            if episode.is_done and metrics is not None:
                log_episode(metrics, ledger)
        if description.terminates:
            env.end_episodes(stepped[k] for k in np.flatnonzero(rewards))

        if metrics is not None:
            stats = client.pop_stats()
            log_requests(metrics, stats.requests, stats.retries, stats.latencies_s)
            log_steps(metrics, len(stepped), scores)
        if self._recorder is not None:
            self._recorder(
                RewardedStep(
                    frames=frames,
                    goal_ids=goal_ids,
                    scores=scores,
                    rewards=rewards,
                    beta=description.beta,
                    fingerprint=description.fingerprint,
                    episodes=[episodes[i] for i in stepped],
                )
            )
        return batch

    def _vector_env(self, episodes: int) -> RewardVectorEnv:
        env = getattr(self._env, "unwrapped", None)
        if not isinstance(env, RewardVectorEnv):
            raise ConfigError(
                f"RewardConnector needs a RewardVectorEnv, not {env!r}; see how rllib_configs.common registers one"
            )
        if env.num_envs != episodes:
            raise ConfigError(f"RewardConnector holds a vector env of {env.num_envs} for {episodes} episodes")
        return env

    def _connected(self) -> tuple[Client, RewardDescription]:
        if self._client is None or self._description is None:
            self._client = self._client_factory()
            self._description = self._client.describe()
            if self._goals is not None:
                self._goals.check_scored_by(self._description)
        return self._client, self._description

    def _scores(
        self,
        client: Client,
        description: RewardDescription,
        frames: npt.NDArray[np.uint8],
        ledgers: list[EpisodeLedger],
        infos: list[dict[str, Any]],
    ) -> npt.NDArray[np.float32]:
        """Return each frame's score for its own goal, float32 (n,); all goals' rewards go to the infos."""
        if self._goals is None:
            return _checked(client.score(frames, [one.goal_id for one in ledgers]), (len(frames),), description)
        own = [self._goals.index(one.goal_id) for one in ledgers]
        shape = (len(frames), len(self._goals))
        scores = _checked(client.score_all(frames, self._goals.ids), shape, description)
        agreed = agreed_now(scores, [one.goal_scores for one in ledgers], description.agree)
        achieved = rewards_of(description.terminates, agreed, description.beta) > 0
        for info, ledger, of_frame, goals in zip(infos, ledgers, scores, achieved, strict=True):
            info[ACHIEVED] = goals
            if not description.agree.is_of_one:
                ledger.goal_scores = [*ledger.goal_scores, of_frame][-(description.agree.of - 1) :]
        return np.ascontiguousarray(scores[np.arange(len(frames)), own])


def ledger_of(episode: SingleAgentEpisode, goal_id: str) -> EpisodeLedger:
    """Return an episode's ledger, which begins with its first step."""
    ledger: EpisodeLedger = episode.custom_data.setdefault(METRICS_KEY, EpisodeLedger(goal_id))
    return ledger


def book_step(episode: SingleAgentEpisode, ledger: EpisodeLedger, info: dict[str, Any]) -> None:
    """Move what the env says of an episode's latest step to the episode's ledger.

    Args:
        episode: Its latest reward is still the env's own.
        ledger: The episode's.
        info: Info of the step; loses what it says of the truth.

    Raises:
        ConfigError: The env hides its ground truth.
    """
    ledger.steps += 1
    ledger.env_return += float(episode.get_rewards(-1))
    ledger.is_success, ledger.goal_achieved = pop_ground_truth(info)


def pop_ground_truth(info: dict[str, Any]) -> tuple[bool, bool]:
    """Remove what an info says of the truth and return it: is_success, goal_achieved.

    Raises:
        ConfigError: It says nothing of one of them.
    """
    missing = [name for name in _GROUND_TRUTH_INFOS if name not in info]
    if missing:
        raise ConfigError(f"the env's info has no {missing[0]!r}; report it at reset and in every step")
    is_success, goal_achieved = (bool(info.pop(name)) for name in _GROUND_TRUTH_INFOS)
    return is_success, goal_achieved


def _checked(result: ScoreResult, shape: tuple[int, ...], description: RewardDescription) -> npt.NDArray[np.float32]:
    """Return the scores of an answer that may be trained on."""
    scores = np.asarray(result.scores, np.float32)
    if scores.shape != shape:
        raise RewardServiceError(f"{shape[0]} frames got {scores.shape} rewards; nothing may train on that")
    if not np.isfinite(scores).all():
        raise NonFiniteRewardError("the reward model answered with NaN or infinity; check its weights and precision")
    if result.fingerprint != description.fingerprint:
        raise RewardServiceError(
            f"the reward was described as {description.fingerprint[:12]} but {result.fingerprint[:12]} answered; "
            "it was redeployed under the run: restore it or start a new run"
        )
    return scores
