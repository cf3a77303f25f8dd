"""Scoring recorded states: the reward's own answer, and what every caption had to say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vlm_rewards.encoders import Encoder
from vlm_rewards.errors import RewardServiceError
from vlm_rewards.evaluation.recording.facts import RewardFacts
from vlm_rewards.goals import TaskSet
from vlm_rewards.heads import agreed, rewards_of
from vlm_rewards.heads.softmax_binary import similarities
from vlm_rewards.reward_model import RewardConfig, RewardModel
from vlm_rewards.service import RewardClient

# Texts of one request; the gateway takes 256 unless it was told otherwise.
_TEXTS_AT_ONCE = 64
_FRAMES_AT_ONCE = 64


class ServedEncoder:
    """The encoder behind a reward client: whoever has the words can score by a model that is served elsewhere.

    Attributes:
        image_size: (height, width) in pixels that the model reads.
        fingerprint: The encoder's, hex sha256.
        reward_fingerprint: The reward's, hex sha256.
    """

    def __init__(self, client: RewardClient) -> None:
        """Ask the service what it is."""
        self._client = client
        description = client.describe()
        self.image_size = description.image_size
        self.fingerprint = description.encoder_fingerprint
        self.reward_fingerprint = description.fingerprint
        self._dimension: int | None = None

    @property
    def embedding_dim(self) -> int:
        """D; known once something was embedded."""
        return self._dimension or self.embed_texts(["a photo"]).shape[1]

    def embed_images(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """See `Encoder.embed_images`."""
        pieces = [frames[begin : begin + _FRAMES_AT_ONCE] for begin in range(0, len(frames), _FRAMES_AT_ONCE)]
        return np.concatenate([self._client.embed(piece).embeddings for piece in pieces])

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """See `Encoder.embed_texts`."""
        pieces = [texts[begin : begin + _TEXTS_AT_ONCE] for begin in range(0, len(texts), _TEXTS_AT_ONCE)]
        found = np.concatenate([self._client.embed_texts(piece).embeddings for piece in pieces])
        self._dimension = found.shape[1]
        return found


@dataclass(frozen=True)
class ScoredStates:
    """The states of one episode as the reward sees them.

    Attributes:
        score: float32 (T,), the reward model's; by default p(goal) of equation 1.
        reward: float32 (T,), 0 or 1 by equation 2, or a dense form's number in its score range; 0 for the first state.
        captions: K captions, the goal's own first.
        similarity: float32 (T, K), cosines.
        share: float32 (T, K), each caption's share of the softmax of equation 1.
    """

    score: npt.NDArray[np.float32]
    reward: npt.NDArray[np.float32]
    captions: tuple[str, ...]
    similarity: npt.NDArray[np.float32]
    share: npt.NDArray[np.float32]


class StateScorer:
    """Scores the states of episodes by one reward.

    Attributes:
        facts: What the reward is.
    """

    def __init__(self, config: RewardConfig, task_set: TaskSet, encoder: Encoder) -> None:
        """Embed the words.

        Args:
            config: The reward's settings.
            task_set: Its goals.
            encoder: That of the settings; or a `ServedEncoder`, whose service must give the very reward of these.

        Raises:
            RewardServiceError: The service gives another reward.
            VLMRewardsError: As for `RewardModel`.
        """
        self._model = RewardModel(config, task_set, encoder)
        served = getattr(encoder, "reward_fingerprint", self._model.fingerprint)
        if served != self._model.fingerprint:
            raise RewardServiceError(
                f"the service gives the reward {served[:12]} and the settings say {self._model.fingerprint[:12]}: "
                "serve what the settings say, or leave the recording out (evaluation.recording.episodes=0)"
            )
        self._config = config
        self.facts = RewardFacts.of(config, self._model.fingerprint)

    def knows(self, goal_id: str) -> bool:
        """Tell whether the reward has words for a goal."""
        return any(goal.id == goal_id for goal in self._model.task_set.all_goals)

    def score(self, distinct: npt.NDArray[np.uint8], tile: npt.NDArray[np.uint16], goal_id: str) -> ScoredStates:
        """Score an episode.

        Args:
            distinct: uint8 (F, h, w, 3), its distinct reward frames.
            tile: uint16 (T,), which of them each state shows.
            goal_id: Its goal.

        Raises:
            VLMRewardsError: The reward did not answer, or not with numbers.
        """
        images = self._model.embed(distinct)
        scores = self._model.score_embeddings(images, [goal_id] * len(images))
        table = similarities(images, self._model.text_embeddings(goal_id))
        score = scores[tile]
        # As in training: no action led to the first state, so it is not rewarded and no later one is compared with it.
        reward = np.zeros(len(score), np.float32)
        steps = np.arange(len(score) - 1)
        head = self._config.head
        reward[1:] = rewards_of(head.terminates, agreed(score[1:], steps, head.agree), self._config.beta)
        logits = table / self._config.tau
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        share = weights / weights.sum(axis=1, keepdims=True)
        return ScoredStates(
            score,
            reward,
            self._model.prompts(goal_id),
            table[tile].astype(np.float32),
            share[tile].astype(np.float32),
        )
