"""LeRobot's interface for rewards, `compute_reward(batch) -> (B,)`: ours behind it, and anybody's behind our gateway.

It is told by its methods alone. LeRobot 0.4.4 has no class of it yet: its one user calls `predict_reward(images,
threshold)` of whatever object it is given. Later LeRobots call `compute_reward(batch)`.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from vlm_rewards.encoders import check_frames
from vlm_rewards.environment.vlm_reward_vec_env import ScoringClient
from vlm_rewards.errors import ConfigError, InvalidFrameError, NonFiniteRewardError, RewardServiceError
from vlm_rewards.goals import NegativesSpec, TaskSet
from vlm_rewards.integrations.recorded import goal_of
from vlm_rewards.reward_model import RewardDescription
from vlm_rewards.service.schema import EmbedResult, ScoreResult, TextResult
from vlm_rewards.strict_config import near_matches

TASK = "task"


class ComputesReward(Protocol):
    """A reward model with LeRobot's interface."""

    def compute_reward(self, batch: dict[str, Any]) -> torch.Tensor:
        """Return the rewards, float32 (B,), of a batch of observations."""
        ...


class LeRobotReward(torch.nn.Module):
    """One of our rewards, as LeRobot calls its own.

    A batch holds pictures as LeRobot's datasets and processors give them, float in [0, 1] (B, C, H, W), or uint8; of
    several steps, (B, T, C, H, W), the last counts. Goals are its `task`, in the words of the task set, or one for all.

    Attributes:
        description: Description of the reward.
    """

    name = "vlm_rewards"

    def __init__(
        self, client: ScoringClient, task_set: TaskSet, goal: str | None = None, camera: str | None = None
    ) -> None:
        """Ask the client for the reward's description.

        Args:
            client: Such as `RewardClient(InProcessTransport(model))`.
            task_set: The reward's goals.
            goal: Id of the goal of every observation; None reads the batch's `task`.
            camera: Key of the pictures, such as `observation.images.top`; None takes the only one.

        Raises:
            ConfigError: A goal that the reward does not know, or a reward that waits until several states agree.
            RewardServiceError: The reward service does not answer.
        """
        super().__init__()
        self._client, self._task_set, self._camera = client, task_set, camera
        self._goal = task_set.goal(goal).id if goal is not None else None
        self.description = client.describe()
        if not self.description.agree.is_of_one:
            raise ConfigError("LeRobot judges each state alone; leave reward.head.agree out")

    def compute_reward(self, batch: Mapping[str, Any]) -> torch.Tensor:
        """Return the rewards, float32 (B,): for a form with a threshold 1 where the score is above it, and else 0.

        Raises:
            ConfigError: No pictures or several, or no goal that is known.
            InvalidFrameError: Pictures of another kind.
            VLMRewardsError: The reward service failed.
        """
        pictures = self._pictures(batch)
        return torch.as_tensor(self.description.reward(self._scores(batch, pictures))).to(pictures.device)

    def predict_reward(self, batch: Mapping[str, Any], threshold: float | None = None) -> torch.Tensor:
        """Return what LeRobot's `RewardClassifierProcessorStep` asks for: 1 where the score is above a threshold.

        Args:
            batch: As for `compute_reward`.
            threshold: In place of the reward's own beta, which None takes.

        Raises:
            VLMRewardsError: As `compute_reward`.
        """
        if threshold is None:
            return self.compute_reward(batch)
        pictures = self._pictures(batch)
        return torch.as_tensor((self._scores(batch, pictures) > threshold).astype(np.float32)).to(pictures.device)

    def reset(self) -> None:
        """Begin an episode: there is nothing to forget."""

    def forward(self, batch: Mapping[str, Any]) -> tuple[torch.Tensor, dict[str, Any]]:
        """Refuse to be trained.

        Args:
            batch: As for `compute_reward`; not looked at.

        Returns:
            Never; LeRobot's trained rewards give a loss, float32 (), and what to log.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("a vlm_rewards reward is frozen; call compute_reward(batch)")

    def _scores(self, batch: Mapping[str, Any], pictures: torch.Tensor) -> npt.NDArray[np.float32]:
        frames = _frames_of(pictures)
        return self._client.score(frames, self._goals(batch, len(frames))).scores

    def _pictures(self, batch: Mapping[str, Any]) -> torch.Tensor:
        found = {key: value for key, value in batch.items() if "image" in key and isinstance(value, torch.Tensor)}
        if self._camera is not None and self._camera not in found:
            raise ConfigError(f"the batch has no pictures {self._camera!r}; {near_matches(self._camera, found)}")
        if self._camera is None and len(found) != 1:
            listed = ", ".join(found) or "none"
            raise ConfigError(f"the batch has {len(found)} kinds of pictures ({listed}); name the camera: camera='...'")
        return found[self._camera or next(iter(found))]

    def _goals(self, batch: Mapping[str, Any], count: int) -> list[str]:
        if self._goal is not None:
            return [self._goal] * count
        tasks = batch.get(TASK)
        tasks = [tasks] * count if isinstance(tasks, str) else list(tasks or ())
        if len(tasks) != count:
            raise ConfigError(f"the batch has {len(tasks)} tasks for {count} observations; give the goal: goal='...'")
        return [goal_of(str(task), self._task_set, {}, None, f"observation {i}").id for i, task in enumerate(tasks)]


class ComputeRewardTransport:
    """Anybody's reward model behind our gateway and clients: `LocalServer(create_app(TransportBackend(...)))`.

    It has scores and no embeddings. Frames reach it as LeRobot's batches: `camera` float32 (B, 3, H, W) in [0, 1], and
    `task`, the instruction of each frame's goal.
    """

    def __init__(
        self,
        model: ComputesReward,
        task_set: TaskSet,
        image_size: tuple[int, int],
        *,
        name: str = "compute_reward",
        camera: str = "observation.image",
        fingerprint: str | None = None,
        score_range: tuple[float, float] = (0.0, 1.0),
        beta: float | None = None,
    ) -> None:
        """Take a model.

        Args:
            model: Has `compute_reward(batch)`.
            task_set: The goals that it may be asked for.
            image_size: (height, width) in pixels at which to render frames for it.
            name: What it is called.
            camera: Key of the pictures in its batches.
            fingerprint: Hex sha256 of the reward; None hashes the parameters of a torch module.
            score_range: Smallest and largest reward that it gives; an answer outside is an error.
            beta: Threshold above which a state is a success, which ends the episode; None takes rewards as they are.

        Raises:
            ConfigError: It has no `compute_reward`, or nothing tells it from others.
        """
        if not callable(getattr(model, "compute_reward", None)):
            raise ConfigError(
                f"{type(model).__name__} has no method compute_reward(batch); wrap it in a class that has"
            )
        self._model, self._task_set, self._camera = model, task_set, camera
        self._fingerprint = fingerprint or _parameters_hash(model, task_set)
        self._lock = threading.Lock()
        self._description = RewardDescription(
            fingerprint=self._fingerprint,
            encoder_fingerprint=self._fingerprint,
            form="compute_reward",
            score_range=score_range,
            terminates=beta is not None,
            beta=1.0 if beta is None else beta,
            tau=1.0,
            image_size=image_size,
            model=name,
            template="[INSTRUCTION]",
            negatives=NegativesSpec(),
            goal_ids=tuple(goal.id for goal in task_set.all_goals),
        )

    def connect(self, timeout_s: float) -> None:
        """Do nothing: it is here."""

    def score(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Score frames; see `Transport.score`. Clips are refused."""
        if len(goal_ids) != len(frames):
            raise ConfigError(f"{len(frames)} frames came with {len(goal_ids)} goal ids; send one id a frame")
        return ScoreResult(self._scores(frames, goal_ids), self._fingerprint)

    def score_all(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str], timeout_s: float) -> ScoreResult:
        """Score each frame against each goal, a pass a goal; see `Transport.score_all`.

        Raises:
            NonFiniteRewardError: The model gave a number that is not finite.
            RewardServiceError: It did not give one number a frame.
        """
        columns = [self._scores(frames, [goal] * len(frames)) for goal in goal_ids]
        table = np.stack(columns, axis=1) if columns else np.zeros((len(frames), 0), np.float32)
        return ScoreResult(table, self._fingerprint)

    def embed(self, frames: npt.NDArray[np.uint8], timeout_s: float) -> EmbedResult:
        """Refuse: such a model gives rewards alone.

        Args:
            frames: uint8 (N, H, W, 3); not looked at.
            timeout_s: Not used.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"model {self._description.model!r} gives rewards and no embeddings; ask it for scores")

    def embed_texts(self, texts: Sequence[str], timeout_s: float) -> TextResult:
        """Refuse; see `embed`.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"model {self._description.model!r} gives rewards and no embeddings; ask it for scores")

    def describe(self, timeout_s: float) -> RewardDescription:
        """Return what it computes."""
        return self._description

    def _scores(self, frames: npt.NDArray[np.uint8], goal_ids: Sequence[str]) -> npt.NDArray[np.float32]:
        check_frames(frames)
        if not len(frames):
            return np.zeros(0, np.float32)
        pictures = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 255
        batch = {self._camera: pictures, TASK: [self._task_set.goal(goal_id).instruction for goal_id in goal_ids]}
        with self._lock, torch.inference_mode():
            answer: Any = self._model.compute_reward(batch)
        scores = np.asarray(answer.detach().cpu() if isinstance(answer, torch.Tensor) else answer, np.float32)
        if scores.shape != (len(frames),):
            raise RewardServiceError(
                f"compute_reward of {self._description.model!r} gave {scores.shape} for {len(frames)} frames; it must "
                "give one number each"
            )
        if not np.isfinite(scores).all():
            raise NonFiniteRewardError(
                f"compute_reward of {self._description.model!r} gave rewards that are not finite"
            )
        return scores


def _frames_of(pictures: torch.Tensor) -> npt.NDArray[np.uint8]:
    """Return pictures of LeRobot's as uint8 (B, H, W, 3)."""
    if pictures.ndim == 5:
        pictures = pictures[:, -1]
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise InvalidFrameError(f"pictures must be (B, 3, H, W), not {tuple(pictures.shape)}; add a batch axis")
    if pictures.dtype.is_floating_point:
        low, high = (float(value) for value in torch.aminmax(pictures)) if pictures.numel() else (0.0, 0.0)
        if not (low >= 0 and high <= 1):
            raise InvalidFrameError(
                f"pictures are in {low:.3g} to {high:.3g}; give them in [0, 1], before any normalisation"
            )
        pictures = (pictures * 255).round().to(torch.uint8)
    if pictures.dtype != torch.uint8:
        raise InvalidFrameError(f"pictures are {pictures.dtype}; give float in [0, 1] or uint8")
    return np.ascontiguousarray(pictures.permute(0, 2, 3, 1).cpu().numpy())


def _parameters_hash(model: Any, task_set: TaskSet) -> str:
    if not isinstance(model, torch.nn.Module) or not model.state_dict():
        raise ConfigError(
            f"{type(model).__name__} has no parameters to tell it by; give fingerprint=, a hex sha256 that changes "
            "with it"
        )
    digest = hashlib.sha256(f"{type(model).__qualname__}|{task_set.model_dump_json()}".encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
