"""The reward of a frame for a goal: encoder, prompts and head put together."""

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from vlm_rewards.embedding_cache import EmbeddingCache
from vlm_rewards.encoders import Encoder, ReadsTexts, check_clips
from vlm_rewards.errors import ConfigError, NonFiniteRewardError
from vlm_rewards.frame_embedder import FrameEmbedder
from vlm_rewards.goals import PromptTemplate, TaskSet, check_prompts
from vlm_rewards.heads import rewards_alone
from vlm_rewards.hub.mixin import SavesToTheHub
from vlm_rewards.reward_config import RewardConfig, RewardDescription
from vlm_rewards.strict_config import near_matches

__all__ = ["RewardConfig", "RewardDescription", "RewardModel"]


class RewardModel(SavesToTheHub):
    """Scores frames, or clips of several frames, against goals by the configured head; by default equation 1.

    Texts are embedded once, here. A frame's score depends, to the bit, on the frame, its goal and the fingerprint, and
    neither on the rest of its call nor on the cache: encoders promise that of their embeddings.

    Attributes:
        config: As given.
        task_set: As given.
        encoder: The frozen encoder.
        cache: Embeddings of frames seen before, or None.
        fingerprint: hex sha256 of all that decides a score; equal fingerprints give equal rewards.
    """

    def __init__(
        self,
        config: RewardConfig,
        task_set: TaskSet,
        encoder: Encoder | None = None,
        cache: EmbeddingCache | None = None,
    ) -> None:
        """Load the encoder and embed all prompts.

        Args:
            config: The reward's settings.
            task_set: The goals; both splits can be scored.
            encoder: Used instead of loading `config.model`.
            cache: Asked before a frame is encoded. Hand it on to a model with other prompts and the same encoder.

        Raises:
            ConfigError: Unusable settings, negatives that contain the goal, or goals that the model cannot tell apart.
            CheckpointError: The model is no usable dual encoder.
            SelfCheckError: The model's weights are not the recorded ones.
            NonFiniteRewardError: A prompt's embedding is not finite.
        """
        self.config = config
        self.task_set = task_set
        self.cache = cache
        sets = config.prompt_sets(task_set)
        self._prompts = sets[0]
        self.encoder = encoder or config.load_encoder()
        self._embedder = FrameEmbedder(self.encoder, config.head.frames, cache)
        distinct = sorted(
            {prompt for own in sets for prompts in own.values() for prompt in prompts}.union(config.head.captions)
        )
        embeddings = self.encoder.embed_texts(distinct)
        if not np.isfinite(embeddings).all():
            raise NonFiniteRewardError(
                f"model {config.model!r} gives text embeddings that are not finite; its weights are damaged or "
                f"precision {config.precision!r} overflows: try fp32 or load another checkpoint"
            )
        row = {prompt: index for index, prompt in enumerate(distinct)}
        embedded = dict(zip(distinct, embeddings, strict=True))
        for template, own in zip((config.template, *config.head.further_templates), sets, strict=True):
            bare = PromptTemplate.named(template).bare()
            readings = {}
            if isinstance(self.encoder, ReadsTexts):
                readings = dict(zip([*distinct, bare], self.encoder.read_texts([*distinct, bare]), strict=True))
            check_prompts(own, embedded, readings, bare, config.model)
        self._distinct = embeddings
        self._rows = {
            goal_id: np.array([row[prompt] for own in sets for prompt in own[goal_id]], np.intp)
            for goal_id in self._prompts
        }
        self._texts = {goal_id: embeddings[rows] for goal_id, rows in self._rows.items()}
        self._captions = embeddings[[row[caption] for caption in config.head.captions]]
        for texts in self._texts.values():
            config.head.scores(texts[:1], texts, self._captions, config.tau)  # a goal that is the baseline is refused
        self.fingerprint = config.fingerprint(task_set, self.encoder.fingerprint)

    @property
    def beta(self) -> float:
        """Threshold of equation 2, in [0, 1]."""
        return self.config.beta

    def prompts(self, goal_id: str) -> tuple[str, ...]:
        """Return the set L of a goal: its own prompt first, then its negatives.

        Raises:
            ConfigError: Unknown goal.
        """
        self._check_goals([goal_id])
        return self._prompts[goal_id]

    def text_embeddings(self, goal_id: str) -> npt.NDArray[np.float32]:
        """Return float32 (K, D) of length 1, the embeddings of `prompts(goal_id)`.

        Raises:
            ConfigError: Unknown goal.
        """
        self._check_goals([goal_id])
        return self._texts[goal_id][: len(self._prompts[goal_id])].copy()

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the score of each frame for the goal beside it; by default p(goal), equation 1.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            goal_ids: N ids; they may differ from frame to frame.

        Returns:
            float32 (N,), in the head's score range.

        Raises:
            InvalidFrameError: Frames of another dtype or shape.
            ConfigError: Unknown goal, or not one goal a frame.
            NonFiniteRewardError: A score is not finite.
        """
        check_clips(frames)
        if len(goal_ids) != len(frames):
            raise ConfigError(f"{len(frames)} frames came with {len(goal_ids)} goal ids; send one id a frame")
        self._check_goals(goal_ids)
        return self.score_embeddings(self.embed_for(frames, [(goal_id,) for goal_id in goal_ids]), goal_ids)

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the score of each frame for each goal; frames are embedded once.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            goal_ids: G ids.

        Returns:
            float32 (N, G), in the head's score range; column g is the score for `goal_ids[g]`.

        Raises:
            InvalidFrameError: Frames of another dtype or shape.
            ConfigError: Unknown goal.
            NonFiniteRewardError: A score is not finite.
        """
        self._check_goals(goal_ids)
        images = self.embed_for(frames, [goal_ids] * len(check_clips(frames)))
        return self.score_all_embeddings(images, goal_ids)

    def reward(self, scores: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Map scores to rewards, float32 of the same shape; see `RewardDescription.reward`."""
        head = self.config.head
        return rewards_alone(head.terminates, scores, self.config.beta, head.agree)

    def embed(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the embeddings of frames or clips, float32 (N, D): the expensive half of `score`.

        Equal frames of a call are encoded once, and those in the cache not at all. Clips are pooled as the head says.

        Raises:
            InvalidFrameError: Frames of another dtype or shape.
        """
        return self._embedder.embed(check_clips(frames))

    def embed_for(
        self, frames: npt.NDArray[np.uint8], wanted: Sequence[Collection[str] | None]
    ) -> npt.NDArray[np.float32]:
        """Return as much of `embed` as scoring needs: a cascade's large model sees no frame that the small one refuses.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            wanted: For each the goal ids that it is to be scored for; None where the embedding itself is wanted.

        Returns:
            float32 (N, D); of a cascade, NaN where the large model was not asked. It scores the wanted goals as that of
            `embed` does, to the bit, and other goals not at all.

        Raises:
            InvalidFrameError: Frames of another dtype or shape.
            ConfigError: Unknown goal.
        """
        check_clips(frames)
        return self._embedder.embed(frames, lambda images: self._asked(images, wanted))

    def _asked(
        self, images: npt.NDArray[np.float32], wanted: Sequence[Collection[str] | None]
    ) -> npt.NDArray[np.bool_]:
        """Return which frames the large model has to see, bool (N,)."""
        column: dict[str, int] = {}
        for goal_ids in wanted:
            for goal_id in goal_ids or ():
                column.setdefault(goal_id, len(column))
        self._check_goals(list(column))
        table = np.zeros((len(wanted), len(column)), np.bool_)
        for row, goal_ids in enumerate(wanted):
            table[row, [column[goal_id] for goal_id in goal_ids or ()]] = True
        rows = [self._rows[goal_id] for goal_id in column]
        asked = self.config.head.asks(images, self._distinct, rows, table, self.config.tau)
        return asked | np.array([goal_ids is None for goal_ids in wanted], np.bool_)

    def score_embeddings(self, images: npt.NDArray[np.float32], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the scores of embedded frames: the cheap half of `score`.

        Args:
            images: float32 (N, D) of length 1, as `embed` gives.
            goal_ids: N ids.

        Returns:
            float32 (N,), in the head's score range.

        Raises:
            ConfigError: Unknown goal.
            NonFiniteRewardError: A score is not finite.
        """
        self._check_goals(goal_ids)
        scores = np.full(len(images), np.nan, np.float32)
        ids = np.asarray(goal_ids, dtype=object)
        for goal_id in dict.fromkeys(goal_ids):
            rows = np.flatnonzero(ids == goal_id)
            scores[rows] = self.config.head.scores(images[rows], self._texts[goal_id], self._captions, self.config.tau)
        self._check_finite(scores)
        return scores

    def score_all_embeddings(self, images: npt.NDArray[np.float32], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the score of each embedded frame for each goal: the cheap half of `score_all`.

        Args:
            images: float32 (N, D) of length 1, as `embed` gives.
            goal_ids: G ids; one that comes again costs nothing.

        Returns:
            float32 (N, G), in the head's score range.

        Raises:
            VLMRewardsError: As for `score_embeddings`.
        """
        self._check_goals(goal_ids)
        column = {goal_id: number for number, goal_id in enumerate(dict.fromkeys(goal_ids))}
        rows = [self._rows[goal_id] for goal_id in column]
        scores = self.config.head.scores_of_all(images, self._distinct, rows, self._captions, self.config.tau)
        self._check_finite(scores)
        return np.take(scores, [column[goal_id] for goal_id in goal_ids], axis=1)

    def describe(self) -> RewardDescription:
        """Return what a client needs to know."""
        return RewardDescription(
            fingerprint=self.fingerprint,
            encoder_fingerprint=self.encoder.fingerprint,
            form=self.config.head.form,
            score_range=self.config.head.score_range,
            terminates=self.config.head.terminates,
            agree=self.config.head.agree,
            beta=self.config.beta,
            tau=self.config.tau,
            image_size=self.encoder.image_size,
            model=self.config.model,
            template=PromptTemplate.named(self.config.template).text,
            negatives=self.config.negatives,
            goal_ids=tuple(self._prompts),
        )

    def _check_finite(self, scores: npt.NDArray[np.float32]) -> None:
        if not np.isfinite(scores).all():
            bad = int((~np.isfinite(scores)).sum())
            raise NonFiniteRewardError(
                f"{bad} of {scores.size} rewards of model {self.config.model!r} are not finite; "
                f"its weights are damaged or precision {self.config.precision!r} overflows: try fp32"
            )

    def _check_goals(self, goal_ids: Sequence[str]) -> None:
        for goal_id in dict.fromkeys(goal_ids):
            if goal_id not in self._prompts:
                hint = near_matches(str(goal_id), self._prompts)
                raise ConfigError(f"unknown goal {goal_id!r} in task set {self.task_set.name!r}; {hint}")
