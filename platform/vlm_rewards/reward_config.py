"""What a reward is made of, and what a client needs to know of it."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from vlm_rewards.encoders import RUNTIMES, CascadeEncoder, Encoder, EnsembleEncoder, Precision, load_encoder
from vlm_rewards.errors import ConfigError, SelfCheckError
from vlm_rewards.goals import NegativesSpec, PromptTemplate, TaskSet
from vlm_rewards.heads import (
    Agreement,
    Cascade,
    FramePooling,
    Head,
    SoftmaxBinary,
    check_temperature,
    check_threshold,
    rewards_alone,
)
from vlm_rewards.strict_config import StrictConfig


class CheckpointHashes(StrictConfig):
    """What a model was when a reward was saved: hex sha256 by part, whatever the runtime and precision.

    Attributes:
        model: As the reward names it.
        weights: Of its numbers.
        architecture: Of its config.
        preprocessing: Of what is done to frames before them.
        tokenizer: Of what it makes of texts.
        encoder: Of all of it, for an encoder that knows no parts.
    """

    model: str
    weights: str | None = None
    architecture: str | None = None
    preprocessing: str | None = None
    tokenizer: str | None = None
    encoder: str | None = None

    @classmethod
    def of(cls, model: str, encoder: Encoder) -> "CheckpointHashes":
        """Return the hashes of an encoder that was loaded as `model`."""
        return cls(model=model, **(getattr(encoder, "parts", None) or {"encoder": encoder.fingerprint}))

    def check(self, encoder: Encoder) -> None:
        """Refuse an encoder that is another.

        Raises:
            SelfCheckError: It is; the message names what differs.
        """
        found = CheckpointHashes.of(self.model, encoder).model_dump()
        changed = sorted(name for name, value in self.model_dump(exclude_none=True).items() if found[name] != value)
        if changed:
            raise SelfCheckError(
                f"model {self.model!r} is not the one that this reward was saved with ({', '.join(changed)} changed); "
                "fetch that model, or save the reward again with this one"
            )


class RewardConfig(StrictConfig):
    """What a reward is made of. Its values are all in the reward's fingerprint, the device excepted.

    Where settings are read, a text stands for a saved reward: its folder, or its hub id (`vlm_rewards.hub`).

    Attributes:
        kind: `clip`; tells it from other kinds of reward in presets.
        model: Packaged model, hub id or folder; see `load_encoder`.
        template: The paper's prompt "A" to "D", or a sentence with [TASK].
        negatives: The other members of the set L of equation 1.
        tau: Temperature of equation 1, above 0; needed by the forms `softmax_binary` and `probability`.
        beta: Threshold of equation 2, in [0, 1]; needed by `softmax_binary`.
        head: The reward form.
        precision: The towers' arithmetic: `fp32`; `bf16`; `int8`, of the image tower on OpenVINO; or `auto`, the
            fastest on this machine of those whose rewards were found to agree with fp32's. The fingerprint holds what
            was chosen, so machines on which `auto` differs do not serve one reward: name the precision there.
        device: Torch device of the towers.
        encoder: Runtime of the image tower: `torch`, `openvino`, or `auto`; see `load_encoder`.
        compiled: Compile torch's image tower, with CUDA graphs; for GPUs.
        checkpoints: What its models were when it was saved. One that is another now is refused; models that are not
            among them are not compared.
    """

    kind: Literal["clip"] = "clip"
    model: str = Field(default="pocket-android", min_length=1)
    template: str = "D"
    negatives: NegativesSpec = NegativesSpec()
    tau: float = 1.0
    beta: float = 1.0
    head: Head = SoftmaxBinary()
    precision: Precision = "fp32"
    device: str = "cpu"
    encoder: str = "auto"
    compiled: bool = False
    checkpoints: tuple[CheckpointHashes, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _saved_reward_by_name(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        # Here, since most rewards are no saved ones, and the hub's client takes its time to be imported.
        from vlm_rewards.hub.reward_file import RewardFile

        file = RewardFile.read(value)
        try:
            saved, task_set = cls(**file.values["reward"]), TaskSet(**file.values["task_set"])
        except (ConfigError, KeyError, TypeError) as error:
            raise ConfigError(f"{file.path}: {error}") from error
        file.check(saved.fingerprint_parts(task_set), task_set)
        return {name: getattr(saved, name) for name in saved.model_fields_set}

    @field_validator("template")
    @classmethod
    def _template_is_usable(cls, template: str) -> str:
        PromptTemplate.named(template)
        return template

    @field_validator("encoder")
    @classmethod
    def _encoder_is_known(cls, encoder: str) -> str:
        if encoder != "auto":
            RUNTIMES[encoder]
        return encoder

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
        needed = [*(["tau"] if self.head.uses_negatives else []), *(["beta"] if self.head.terminates else [])]
        missing = [name for name in needed if name not in self.model_fields_set]
        if missing:
            raise ValueError(f"{missing[0]}: is required by form {self.head.form!r}; calibrate it on labelled frames")
        if isinstance(self.head, Cascade) and self.head.threshold > self.beta:
            raise ValueError(
                f"head: threshold {self.head.threshold:g} is above beta {self.beta:g}: a refused frame could be "
                "paid; lower it to beta"
            )
        if self.model in self.head.further_models:
            raise ValueError(f"head: model {self.model!r} is named twice, which adds no opinion; name each once")
        texts = [PromptTemplate.named(template).text for template in self.head.further_templates]
        if PromptTemplate.named(self.template).text in texts:
            raise ValueError(f"head: template {self.template!r} is named twice, which adds no opinion; name each once")
        return self

    def load_encoder(self) -> Encoder:
        """Load the encoder that these settings name, or all of them as one; see `encoders.load_encoder`.

        Raises:
            SelfCheckError: A model is not the one that the reward was saved with.
            VLMRewardsError: As `encoders.load_encoder`.
        """
        loaded = [
            load_encoder(model, self.device, self.precision, self.encoder, self.compiled, reward=self.agreement_key)
            for model in self.models
        ]
        for hashes in self.checkpoints:
            if hashes.model in self.models:
                hashes.check(loaded[self.models.index(hashes.model)])
        return self.join(loaded)

    def join(self, encoders: Sequence[Encoder]) -> Encoder:
        """Return the encoders of `models`, in their order, as the one that the head reads."""
        if isinstance(self.head, Cascade):
            return CascadeEncoder(*encoders)
        return encoders[0] if len(encoders) == 1 else EnsembleEncoder(encoders)

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that it needs, its own first."""
        return self.model, *self.head.further_models

    @property
    def agreement_key(self) -> str:
        """Hex sha256 of what makes rewards of embeddings: by it `agreement.json` knows a reward again."""
        values = {
            "template": PromptTemplate.named(self.template).text,
            **self.model_dump(mode="json", include={"negatives", "tau", "beta"}),
            "head": self.head.agreement_values(),
        }
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    def prompts(self, task_set: TaskSet) -> dict[str, tuple[str, ...]]:
        """Return the set L of each goal: its own prompt first, then its negatives, for forms that use them.

        Raises:
            ConfigError: There are no such negatives, or they contain the goal.
        """
        return self._prompts(PromptTemplate.named(self.template), task_set)

    def prompt_sets(self, task_set: TaskSet) -> list[dict[str, tuple[str, ...]]]:
        """Return `prompts` of the reward's own template and then of each that its head names besides.

        All have equally many prompts of a goal: a caption that two templates count differently would read as a goal
        does, and is refused.

        Raises:
            ConfigError: As for `prompts`.
        """
        further = [PromptTemplate.named(name) for name in self.head.further_templates]
        return [self.prompts(task_set), *(self._prompts(template, task_set) for template in further)]

    def _prompts(self, template: PromptTemplate, task_set: TaskSet) -> dict[str, tuple[str, ...]]:
        # Made for all forms, so that negatives which cannot be used are told by any.
        prompts = {
            goal.id: (template.fill(goal), *self.negatives.captions(goal, task_set, template))
            for goal in task_set.all_goals
        }
        return prompts if self.head.uses_negatives else {goal_id: own[:1] for goal_id, own in prompts.items()}

    def fingerprint(self, task_set: TaskSet, encoder_fingerprint: str) -> str:
        """Return the fingerprint of this reward by an encoder of that fingerprint; needs no weights.

        It covers what rewards depend on and nothing else: the cosine, for one, knows neither tau nor beta.
        """
        parts = {**self.fingerprint_parts(task_set), "encoder": encoder_fingerprint}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def fingerprint_parts(self, task_set: TaskSet) -> dict[str, Any]:
        """Return what the fingerprint covers besides the encoder, by name, such as `prompts`, `tau` and `beta`."""
        head = self.head
        parts: dict[str, Any] = {"head": head.form, "prompts": self.prompts(task_set)}
        if head.uses_negatives:
            parts["tau"] = self.tau
        if head.terminates:
            parts["beta"] = self.beta
        further = self.prompt_sets(task_set)[1:]
        if further:
            parts["further_prompts"] = further
        parts |= head.model_dump(exclude={"form", "frames", "agree", *head.outside_fingerprint})
        if head.frames != FramePooling():
            parts["frames"] = head.frames.model_dump()
        if not head.agree.is_of_one:
            parts["agree"] = head.agree.model_dump()
        return parts


class RewardDescription(StrictConfig):
    """What a client needs to know of a reward model.

    Attributes:
        fingerprint: hex sha256; equal fingerprints give equal rewards.
        encoder_fingerprint: hex sha256 of the encoder alone.
        form: The reward form.
        score_range: Smallest and largest score.
        terminates: Whether a reward above 0 ends the episode.
        agree: How many of an episode's latest states must be above beta. The service scores states; who has the
            episode compares.
        beta: Threshold of equation 2, in [0, 1], for `softmax_binary`.
        tau: Temperature of equation 1, for `softmax_binary` and `probability`.
        image_size: (height, width) in pixels at which to render reward frames.
        model: As configured.
        template: The prompt template's sentence.
        negatives: As configured.
        goal_ids: The goals it can score, both splits.
    """

    fingerprint: str
    encoder_fingerprint: str
    form: str = "softmax_binary"
    score_range: tuple[float, float] = (0.0, 1.0)
    terminates: bool = True
    agree: Agreement = Agreement()
    beta: float
    tau: float
    image_size: tuple[int, int]
    model: str
    template: str
    negatives: NegativesSpec
    goal_ids: tuple[str, ...]

    def reward(self, scores: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Map scores to rewards: equation 2, or for dense forms the score itself.

        States are judged alone here: where several must agree, none is rewarded. `vlm_rewards.heads.agreed` says what
        the scores of an episode agree on.

        Args:
            scores: float32 of any shape, in `score_range`.

        Returns:
            float32 of the same shape: 0 or 1, or in `score_range`.
        """
        return rewards_alone(self.terminates, scores, self.beta, self.agree)
