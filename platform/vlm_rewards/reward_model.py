"""The reward of a frame for a goal: encoder, prompts and head put together."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from vlm_rewards.embedding_cache import EmbeddingCache, distinct_frames, frame_keys
from vlm_rewards.encoders import Encoder, EncoderKind, Precision, check_frames, load_encoder
from vlm_rewards.errors import ConfigError, NonFiniteRewardError
from vlm_rewards.goals import NegativesSpec, PromptTemplate, TaskSet
from vlm_rewards.heads import check_temperature, check_threshold, softmax_binary
from vlm_rewards.strict_config import StrictConfig, near_matches


class RewardConfig(StrictConfig):
    """What a reward is made of. Its values are all in the reward's fingerprint, the device excepted.

    Attributes:
        model: packaged model, hub id or folder; see `load_encoder`.
        template: the paper's prompt "A" to "D", or a sentence with [TASK].
        negatives: the other members of the set L of equation 1.
        tau: temperature of equation 1, above 0.
        beta: threshold of equation 2, in [0, 1].
        precision: of the towers' arithmetic: `fp32`, the same on every machine; `bf16`; or `auto`, bf16 where this
            machine is fastest with it.
        device: torch device of the towers.
        encoder: runtime of the image tower: `torch`, `openvino`, or `auto`; see `load_encoder`.
    """

    model: str = Field(default="pocket-android", min_length=1)
    template: str = "D"
    negatives: NegativesSpec = NegativesSpec()
    tau: float
    beta: float
    precision: Precision = "fp32"
    device: str = "cpu"
    encoder: EncoderKind = "auto"

    @field_validator("template")
    @classmethod
    def _template_is_usable(cls, template: str) -> str:
        PromptTemplate.named(template)
        return template

    @field_validator("tau")
    @classmethod
    def _tau_is_usable(cls, tau: float) -> float:
        return check_temperature(tau)

    @field_validator("beta")
    @classmethod
    def _beta_is_usable(cls, beta: float) -> float:
        return check_threshold(beta)


class RewardDescription(StrictConfig):
    """What a client needs to know of a reward model.

    Attributes:
        fingerprint: hex sha256; equal fingerprints give equal rewards.
        encoder_fingerprint: hex sha256 of the encoder alone.
        beta: threshold of equation 2.
        tau: temperature of equation 1.
        image_size: (height, width) in pixels at which to render reward frames.
        model: as configured.
        template: the prompt template's sentence.
        negatives: as configured.
        goal_ids: the goals it can score, both splits.
    """

    fingerprint: str
    encoder_fingerprint: str
    beta: float
    tau: float
    image_size: tuple[int, int]
    model: str
    template: str
    negatives: NegativesSpec
    goal_ids: tuple[str, ...]


class RewardModel:
    """Scores frames against goals by equation 1.

    Texts are embedded once, here. A frame's score depends, to the bit, on the frame, its goal and the fingerprint, and
    neither on the rest of its call nor on the cache: encoders promise that of their embeddings.

    Attributes:
        config: as given.
        task_set: as given.
        encoder: the frozen encoder.
        cache: embeddings of frames seen before, or None.
    """

    def __init__(
        self,
        config: RewardConfig,
        task_set: TaskSet,
        encoder: Encoder | None = None,
        cache: EmbeddingCache | None = None,
    ) -> None:
        """Loads the encoder and embeds all prompts.

        Args:
            config: the reward's settings.
            task_set: the goals; both splits can be scored.
            encoder: used instead of loading `config.model`.
            cache: asked before a frame is encoded. Hand it on to a model with other prompts and the same encoder.

        Raises:
            ConfigError: unusable settings, or negatives that contain the goal.
            CheckpointError: the model is no usable dual encoder.
            SelfCheckError: the model's weights are not the recorded ones.
            NonFiniteRewardError: a prompt's embedding is not finite.
        """
        self.config = config
        self.task_set = task_set
        self.cache = cache
        template = PromptTemplate.named(config.template)
        # The goal comes first in its own list: row 0 of `softmax_binary`.
        self._prompts = {
            goal.id: (template.fill(goal), *config.negatives.captions(goal, task_set, template))
            for goal in task_set.all_goals
        }
        self.encoder = encoder or load_encoder(config.model, config.device, config.precision, config.encoder)
        distinct = sorted({prompt for prompts in self._prompts.values() for prompt in prompts})
        embeddings = self.encoder.embed_texts(distinct)
        if not np.isfinite(embeddings).all():
            raise NonFiniteRewardError(
                f"model {config.model!r} gives text embeddings that are not finite; its weights are damaged or "
                f"precision {config.precision!r} overflows: try fp32 or load another checkpoint"
            )
        row = {prompt: index for index, prompt in enumerate(distinct)}
        self._texts = {
            goal_id: embeddings[[row[prompt] for prompt in prompts]] for goal_id, prompts in self._prompts.items()
        }
        self.fingerprint = self._fingerprint()

    @property
    def beta(self) -> float:
        """Threshold of equation 2, in [0, 1]."""
        return self.config.beta

    def prompts(self, goal_id: str) -> tuple[str, ...]:
        """Returns the set L of a goal: its own prompt first, then its negatives.

        Raises:
            ConfigError: unknown goal.
        """
        self._check_goals([goal_id])
        return self._prompts[goal_id]

    def text_embeddings(self, goal_id: str) -> npt.NDArray[np.float32]:
        """Returns float32 (K, D), the embeddings of `prompts(goal_id)`.

        Raises:
            ConfigError: unknown goal.
        """
        self._check_goals([goal_id])
        return self._texts[goal_id].copy()

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns p(goal) of each frame for the goal beside it, equation 1.

        Args:
            frames: uint8 (N, H, W, 3).
            goal_ids: N ids; they may differ from frame to frame.

        Returns:
            float32 (N,), in [0, 1].

        Raises:
            InvalidFrameError: frames of another dtype or shape.
            ConfigError: unknown goal, or not one goal a frame.
            NonFiniteRewardError: a score is not finite.
        """
        check_frames(frames)
        if len(goal_ids) != len(frames):
            raise ConfigError(f"{len(frames)} frames came with {len(goal_ids)} goal ids; send one id a frame")
        self._check_goals(goal_ids)
        return self.score_embeddings(self.embed(frames), goal_ids)

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns p(goal) of each frame for each goal; frames are embedded once.

        Args:
            frames: uint8 (N, H, W, 3).
            goal_ids: G ids.

        Returns:
            float32 (N, G), in [0, 1]; column g is the score for `goal_ids[g]`.

        Raises:
            InvalidFrameError: frames of another dtype or shape.
            ConfigError: unknown goal.
            NonFiniteRewardError: a score is not finite.
        """
        check_frames(frames)
        self._check_goals(goal_ids)
        images = self.embed(frames)
        columns = [self.score_embeddings(images, [goal_id] * len(images)) for goal_id in goal_ids]
        return np.stack(columns, axis=1) if columns else np.zeros((len(frames), 0), np.float32)

    def embed(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Returns the frames' embeddings, float32 (N, D): the expensive half of `score`.

        Equal frames of a call are encoded once, and those in the cache not at all.

        Raises:
            InvalidFrameError: frames of another dtype or shape.
        """
        check_frames(frames)
        if not len(frames):
            return np.zeros((0, self.encoder.embedding_dim), np.float32)
        rows, inverse = distinct_frames(frames)
        distinct = frames if len(rows) == len(frames) else frames[rows]
        if self.cache is None:
            return self.encoder.embed_images(distinct)[inverse]
        keys = frame_keys(distinct, self.encoder.fingerprint)
        known = self.cache.get(keys, repeats=len(frames) - len(rows))
        missing = [row for row, embedding in enumerate(known) if embedding is None]
        images = np.empty((len(distinct), self.encoder.embedding_dim), np.float32)
        for row, embedding in enumerate(known):
            if embedding is not None:
                images[row] = embedding
        if missing:
            images[missing] = self.encoder.embed_images(distinct[missing])
            self.cache.put([keys[row] for row in missing], images[missing])
        return images[inverse]

    def score_embeddings(self, images: npt.NDArray[np.float32], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns p(goal) of embedded frames: the cheap half of `score`.

        Args:
            images: float32 (N, D), as `embed` gives.
            goal_ids: N ids.

        Returns:
            float32 (N,), in [0, 1].

        Raises:
            ConfigError: unknown goal.
            NonFiniteRewardError: a score is not finite.
        """
        self._check_goals(goal_ids)
        scores = np.full(len(images), np.nan, np.float32)
        ids = np.asarray(goal_ids, dtype=object)
        for goal_id in dict.fromkeys(goal_ids):
            rows = np.flatnonzero(ids == goal_id)
            scores[rows] = softmax_binary(images[rows], self._texts[goal_id], self.config.tau)
        if not np.isfinite(scores).all():
            bad = int((~np.isfinite(scores)).sum())
            raise NonFiniteRewardError(
                f"{bad} of {len(scores)} rewards of model {self.config.model!r} are not finite; "
                f"its weights are damaged or precision {self.config.precision!r} overflows: try fp32"
            )
        return scores

    def describe(self) -> RewardDescription:
        """Returns what a client needs to know."""
        return RewardDescription(
            fingerprint=self.fingerprint,
            encoder_fingerprint=self.encoder.fingerprint,
            beta=self.config.beta,
            tau=self.config.tau,
            image_size=self.encoder.image_size,
            model=self.config.model,
            template=PromptTemplate.named(self.config.template).text,
            negatives=self.config.negatives,
            goal_ids=tuple(self._prompts),
        )

    def _check_goals(self, goal_ids: Sequence[str]) -> None:
        for goal_id in dict.fromkeys(goal_ids):
            if goal_id not in self._prompts:
                hint = near_matches(str(goal_id), self._prompts)
                raise ConfigError(f"unknown goal {goal_id!r} in task set {self.task_set.name!r}; {hint}")

    def _fingerprint(self) -> str:
        parts = {
            "head": "softmax_binary",
            "encoder": self.encoder.fingerprint,
            "prompts": self._prompts,
            "tau": self.config.tau,
            "beta": self.config.beta,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
