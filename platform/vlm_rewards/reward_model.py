"""The reward of a frame for a goal: encoder, prompts and head put together."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from vlm_rewards.embedding_cache import EmbeddingCache, distinct_frames, frame_keys
from vlm_rewards.encoders import Encoder, EncoderKind, Precision, ReadsTexts, check_clips, load_encoder
from vlm_rewards.errors import ConfigError, NonFiniteRewardError
from vlm_rewards.goals import NegativesSpec, PromptTemplate, TaskSet, check_prompts
from vlm_rewards.heads import FramePooling, HeadConfig, RewardForm, check_temperature, check_threshold, pool, rewards_of
from vlm_rewards.strict_config import StrictConfig, near_matches


class RewardConfig(StrictConfig):
    """What a reward is made of. Its values are all in the reward's fingerprint, the device excepted.

    Attributes:
        kind: `clip`; tells it from other kinds of reward in presets.
        model: packaged model, hub id or folder; see `load_encoder`.
        template: the paper's prompt "A" to "D", or a sentence with [TASK].
        negatives: the other members of the set L of equation 1.
        tau: temperature of equation 1, above 0; needed by the forms `softmax_binary` and `probability`.
        beta: threshold of equation 2, in [0, 1]; needed by `softmax_binary`.
        head: the reward form.
        precision: of the towers' arithmetic: `fp32`; `bf16`; `int8`, of the image tower on OpenVINO; or `auto`, the
            fastest on this machine of those whose rewards were found to agree with fp32's. The fingerprint holds what
            was chosen, so machines on which `auto` differs do not serve one reward: name the precision there.
        device: torch device of the towers.
        encoder: runtime of the image tower: `torch`, `openvino`, or `auto`; see `load_encoder`.
        compiled: compile torch's image tower, with CUDA graphs; for GPUs.
    """

    kind: Literal["clip"] = "clip"
    model: str = Field(default="pocket-android", min_length=1)
    template: str = "D"
    negatives: NegativesSpec = NegativesSpec()
    tau: float = 1.0
    beta: float = 1.0
    head: HeadConfig = HeadConfig()
    precision: Precision = "fp32"
    device: str = "cpu"
    encoder: EncoderKind = "auto"
    compiled: bool = False

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

    @model_validator(mode="after")
    def _form_has_its_numbers(self) -> "RewardConfig":
        needed = {"softmax_binary": ("tau", "beta"), "probability": ("tau",)}.get(self.head.form, ())
        missing = [name for name in needed if name not in self.model_fields_set]
        if missing:
            raise ValueError(f"{missing[0]}: is required by form {self.head.form!r}; calibrate it on labelled frames")
        return self

    def load_encoder(self) -> Encoder:
        """Loads the encoder that these settings name; see `vlm_rewards.encoders.load_encoder`."""
        return load_encoder(
            self.model, self.device, self.precision, self.encoder, self.compiled, reward=self.agreement_key
        )

    @property
    def agreement_key(self) -> str:
        """Hex sha256 of what makes rewards of embeddings: by it `agreement.json` knows a reward again."""
        values = {
            "template": PromptTemplate.named(self.template).text,
            **self.model_dump(mode="json", include={"negatives", "tau", "beta", "head"}),
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def prompts(self, task_set: TaskSet) -> dict[str, tuple[str, ...]]:
        """Returns the set L of each goal: its own prompt first, then its negatives, for forms that use them.

        Raises:
            ConfigError: there are no such negatives, or they contain the goal.
        """
        template = PromptTemplate.named(self.template)
        # Made for all forms, so that negatives which cannot be used are told by any.
        prompts = {
            goal.id: (template.fill(goal), *self.negatives.captions(goal, task_set, template))
            for goal in task_set.all_goals
        }
        return prompts if self.head.uses_negatives else {goal_id: own[:1] for goal_id, own in prompts.items()}

    def fingerprint(self, task_set: TaskSet, encoder_fingerprint: str) -> str:
        """Returns the fingerprint of this reward by an encoder of that fingerprint; needs no weights.

        It covers what rewards depend on and nothing else: the cosine, for one, knows neither tau nor beta.
        """
        head = self.head
        parts: dict[str, Any] = {
            "head": head.form,
            "encoder": encoder_fingerprint,
            "prompts": self.prompts(task_set),
        }
        if head.uses_negatives:
            parts["tau"] = self.tau
        if head.terminates:
            parts["beta"] = self.beta
        if head.form == "goal_baseline":
            parts |= {"alpha": head.alpha, "baseline": head.baseline}
        if head.frames != FramePooling():
            parts["frames"] = head.frames.model_dump()
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class RewardDescription(StrictConfig):
    """What a client needs to know of a reward model.

    Attributes:
        fingerprint: hex sha256; equal fingerprints give equal rewards.
        encoder_fingerprint: hex sha256 of the encoder alone.
        form: the reward form.
        score_range: smallest and largest score.
        terminates: whether a reward above 0 ends the episode.
        beta: threshold of equation 2, for `softmax_binary`.
        tau: temperature of equation 1, for `softmax_binary` and `probability`.
        image_size: (height, width) in pixels at which to render reward frames.
        model: as configured.
        template: the prompt template's sentence.
        negatives: as configured.
        goal_ids: the goals it can score, both splits.
    """

    fingerprint: str
    encoder_fingerprint: str
    form: RewardForm = "softmax_binary"
    score_range: tuple[float, float] = (0.0, 1.0)
    terminates: bool = True
    beta: float
    tau: float
    image_size: tuple[int, int]
    model: str
    template: str
    negatives: NegativesSpec
    goal_ids: tuple[str, ...]

    def reward(self, scores: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Maps scores to rewards: equation 2, or for dense forms the score itself.

        Args:
            scores: any shape, in `score_range`.

        Returns:
            float32, of the same shape.
        """
        return rewards_of(self.form, scores, self.beta)


class RewardModel:
    """Scores frames, or clips of several frames, against goals by the configured head; by default equation 1.

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
            ConfigError: unusable settings, negatives that contain the goal, or goals that the model cannot tell apart.
            CheckpointError: the model is no usable dual encoder.
            SelfCheckError: the model's weights are not the recorded ones.
            NonFiniteRewardError: a prompt's embedding is not finite.
        """
        self.config = config
        self.task_set = task_set
        self.cache = cache
        self._prompts = config.prompts(task_set)
        self.encoder = encoder or config.load_encoder()
        baselines = [config.head.baseline] if config.head.baseline else []
        distinct = sorted({prompt for prompts in self._prompts.values() for prompt in prompts}.union(baselines))
        embeddings = self.encoder.embed_texts(distinct)
        if not np.isfinite(embeddings).all():
            raise NonFiniteRewardError(
                f"model {config.model!r} gives text embeddings that are not finite; its weights are damaged or "
                f"precision {config.precision!r} overflows: try fp32 or load another checkpoint"
            )
        row = {prompt: index for index, prompt in enumerate(distinct)}
        bare = template.bare()
        readings = {}
        if isinstance(self.encoder, ReadsTexts):
            readings = dict(zip([*distinct, bare], self.encoder.read_texts([*distinct, bare]), strict=True))
        check_prompts(self._prompts, dict(zip(distinct, embeddings, strict=True)), readings, bare, config.model)
        self._texts = {
            goal_id: embeddings[[row[prompt] for prompt in prompts]] for goal_id, prompts in self._prompts.items()
        }
        self._baseline = embeddings[row[baselines[0]]] if baselines else None
        for texts in self._texts.values():
            config.head.scores(texts[:1], texts, self._baseline, config.tau)  # a goal that is the baseline is refused
        self.fingerprint = config.fingerprint(task_set, self.encoder.fingerprint)

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
        """Returns the score of each frame for the goal beside it; by default p(goal), equation 1.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            goal_ids: N ids; they may differ from frame to frame.

        Returns:
            float32 (N,), in the head's score range.

        Raises:
            InvalidFrameError: frames of another dtype or shape.
            ConfigError: unknown goal, or not one goal a frame.
            NonFiniteRewardError: a score is not finite.
        """
        check_clips(frames)
        if len(goal_ids) != len(frames):
            raise ConfigError(f"{len(frames)} frames came with {len(goal_ids)} goal ids; send one id a frame")
        self._check_goals(goal_ids)
        return self.score_embeddings(self._embed(frames), goal_ids)

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns the score of each frame for each goal; frames are embedded once.

        Args:
            frames: uint8 (N, H, W, 3), or clips (N, T, H, W, 3).
            goal_ids: G ids.

        Returns:
            float32 (N, G), in the head's score range; column g is the score for `goal_ids[g]`.

        Raises:
            InvalidFrameError: frames of another dtype or shape.
            ConfigError: unknown goal.
            NonFiniteRewardError: a score is not finite.
        """
        self._check_goals(goal_ids)
        return self.score_all_embeddings(self.embed(frames), goal_ids)

    def reward(self, scores: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Maps scores to rewards, float32 of the same shape; see `RewardDescription.reward`."""
        return rewards_of(self.config.head.form, scores, self.config.beta)

    def embed(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Returns the embeddings of frames or clips, float32 (N, D): the expensive half of `score`.

        Equal frames of a call are encoded once, and those in the cache not at all. Clips are pooled as the head says.

        Raises:
            InvalidFrameError: frames of another dtype or shape.
        """
        return self._embed(check_clips(frames))

    def _embed(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        if frames.ndim == 5:
            clips = frames[:, self.config.head.frames.frames_of(frames.shape[1])]
            images = self._embed(clips.reshape(-1, *clips.shape[2:]))
            return pool(images.reshape(*clips.shape[:2], self.encoder.embedding_dim))
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
        """Returns the scores of embedded frames: the cheap half of `score`.

        Args:
            images: float32 (N, D), as `embed` gives.
            goal_ids: N ids.

        Returns:
            float32 (N,), in the head's score range.

        Raises:
            ConfigError: unknown goal.
            NonFiniteRewardError: a score is not finite.
        """
        self._check_goals(goal_ids)
        scores = np.full(len(images), np.nan, np.float32)
        ids = np.asarray(goal_ids, dtype=object)
        for goal_id in dict.fromkeys(goal_ids):
            rows = np.flatnonzero(ids == goal_id)
            scores[rows] = self.config.head.scores(images[rows], self._texts[goal_id], self._baseline, self.config.tau)
        if not np.isfinite(scores).all():
            bad = int((~np.isfinite(scores)).sum())
            raise NonFiniteRewardError(
                f"{bad} of {len(scores)} rewards of model {self.config.model!r} are not finite; "
                f"its weights are damaged or precision {self.config.precision!r} overflows: try fp32"
            )
        return scores

    def score_all_embeddings(self, images: npt.NDArray[np.float32], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        """Returns the score of each embedded frame for each goal: the cheap half of `score_all`.

        Args:
            images: float32 (N, D), as `embed` gives.
            goal_ids: G ids; one that comes again costs nothing.

        Returns:
            float32 (N, G), in the head's score range.

        Raises:
            VLMRewardsError: as for `score_embeddings`.
        """
        scores = np.zeros((len(images), len(goal_ids)), np.float32)
        columns: dict[str, npt.NDArray[np.float32]] = {}
        for column, goal_id in enumerate(goal_ids):
            if goal_id not in columns:
                columns[goal_id] = self.score_embeddings(images, [goal_id] * len(images))
            scores[:, column] = columns[goal_id]
        return scores

    def describe(self) -> RewardDescription:
        """Returns what a client needs to know."""
        return RewardDescription(
            fingerprint=self.fingerprint,
            encoder_fingerprint=self.encoder.fingerprint,
            form=self.config.head.form,
            score_range=self.config.head.score_range,
            terminates=self.config.head.terminates,
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
